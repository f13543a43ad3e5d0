//! `millstream stream`: make, list, describe, change and delete streams.

use clap::{Args, Subcommand};
use millstream_client::{
    AS_CONFIGURED, Client, CreateStream, ShardState, StreamDescription, StreamDurability,
    StreamStatus,
};
use serde_json::{Value, json};

use crate::{
    arguments::{Global, Output},
    connection,
    failure::Failure,
    output, quantity,
    shard_name::shard_name,
    table::{Side, Table, printable},
};

const CREATE_EXAMPLES: &str = "\
Without --compression and --durability both are as the server is configured (none and durable
if nothing is); with one of them the other is none or durable.

Examples:
  millstream stream create logs
  millstream stream create orders --shards 16 --retention-hours 168
  millstream stream create archive --compression zstd:3
  millstream stream create metrics --durability written";

const LIST_EXAMPLES: &str = "\
Examples:
  millstream stream list
  millstream --output json stream list";

const DESCRIBE_EXAMPLES: &str = "\
Examples:
  millstream stream describe orders
  millstream --output json stream describe orders | jq '.shards[].end'";

const DELETE_EXAMPLES: &str = "\
The stream and all its records are gone at once, for good.

Examples:
  millstream stream delete orders";

const RETENTION_EXAMPLES: &str = "\
Records older than this are dropped, whole segment files at a time, so they may stay a little
longer. A shorter retention applies to what is stored already.

Examples:
  millstream stream retention orders 168        one week
  millstream stream retention orders 8760       one year";

/// Create, list, describe and delete streams, and set how long they keep records
#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    Create(CreateArguments),
    List(ListArguments),
    Describe(DescribeArguments),
    Delete(DeleteArguments),
    Retention(RetentionArguments),
}

/// Create a stream
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct CreateArguments {
    /// Its name: 1 to 128 letters, digits, underscores, dots and hyphens
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Shards, 1 to 100000: each keeps an order of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) shards: u32,
    /// Hours that records are kept, 24 to 8760
    #[arg(long, value_name = "H", default_value_t = 24)]
    pub(crate) retention_hours: u32,
    /// How records are stored: none, zstd, or zstd:LEVEL with a level of 1 to 19
    #[arg(long, value_name = "HOW", value_parser = parse_compression)]
    pub(crate) compression: Option<u8>,
    /// What an acknowledgement promises: durable survives the power, written the process
    #[arg(
        long,
        value_name = "durable|written",
        value_enum,
        hide_possible_values = true
    )]
    pub(crate) durability: Option<DurabilityArgument>,
}

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DurabilityArgument {
    /// Written and flushed to the medium
    Durable,
    /// Handed to the operating system
    Written,
}

/// List the streams
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct ListArguments {}

/// Show a stream and its shards
#[derive(Debug, Args)]
#[command(after_help = DESCRIBE_EXAMPLES)]
pub(crate) struct DescribeArguments {
    /// The stream
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Delete a stream and its records
#[derive(Debug, Args)]
#[command(after_help = DELETE_EXAMPLES)]
pub(crate) struct DeleteArguments {
    /// The stream
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Set how many hours a stream keeps its records
#[derive(Debug, Args)]
#[command(after_help = RETENTION_EXAMPLES)]
pub(crate) struct RetentionArguments {
    /// The stream
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Hours, 24 to 8760
    #[arg(value_name = "HOURS")]
    pub(crate) hours: u32,
}

/// Runs the command.
///
/// # Errors
/// The server's.
pub(crate) async fn run(global: &Global, command: StreamCommand) -> Result<(), Failure> {
    let client = connection::connect(global).await?;
    match command {
        StreamCommand::Create(arguments) => create(&client, global, arguments).await,
        StreamCommand::List(_) => list(&client, global).await,
        StreamCommand::Describe(arguments) => describe(&client, global, &arguments.name).await,
        StreamCommand::Delete(DeleteArguments { name }) => {
            client.delete_stream(&name).await?;
            done(global, json!({ "deleted": name }), || {
                format!("deleted stream {name}")
            })
        }
        StreamCommand::Retention(RetentionArguments { name, hours }) => {
            client.set_retention(&name, hours).await?;
            let value = json!({ "name": name, "retention_hours": hours });
            done(global, value, || {
                let hours = quantity::counted(hours.into(), "hour");
                format!("stream {name} keeps records for {hours}")
            })
        }
    }
}

async fn create(
    client: &Client,
    global: &Global,
    arguments: CreateArguments,
) -> Result<(), Failure> {
    let create = CreateStream {
        shards: arguments.shards,
        retention_hours: arguments.retention_hours,
        compression: match (arguments.compression, arguments.durability) {
            (None, None) => AS_CONFIGURED,
            (compression, _) => compression.unwrap_or(0),
        },
        durability: match arguments.durability {
            Some(DurabilityArgument::Durable) | None => StreamDurability::Durable,
            Some(DurabilityArgument::Written) => StreamDurability::Written,
        },
    };
    let name = arguments.name;
    let id = client.create_stream(&name, create).await?;
    let value = json!({
        "name": name,
        "id": id,
        "shards": arguments.shards,
        "retention_hours": arguments.retention_hours,
    });
    done(global, value, || {
        format!(
            "created stream {name} with {}, records are kept for {}",
            quantity::counted(arguments.shards.into(), "shard"),
            quantity::counted(arguments.retention_hours.into(), "hour"),
        )
    })
}

/// Says that something was done.
fn done(global: &Global, value: Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
    match global.output {
        Output::Json => output::print_json(&value),
        Output::Table if global.quiet => Ok(()),
        Output::Table => output::print(text()),
    }
}

async fn list(client: &Client, global: &Global) -> Result<(), Failure> {
    let streams = client.list_streams().await?;
    if global.output == Output::Json {
        let streams: Vec<Value> = streams
            .iter()
            .map(|stream| {
                json!({
                    "name": stream.name,
                    "status": status(stream.status),
                    "shards": stream.shards,
                    "retention_hours": stream.retention_hours,
                    "created": quantity::time(stream.created_ms),
                })
            })
            .collect();
        return output::print_json(&json!({ "streams": streams }));
    }
    if streams.is_empty() {
        return output::print("no streams yet; `millstream stream create NAME` makes one");
    }
    let mut table = Table::new(&[
        ("NAME", Side::Left),
        ("STATUS", Side::Left),
        ("SHARDS", Side::Right),
        ("RETENTION", Side::Right),
        ("CREATED", Side::Left),
    ]);
    for stream in streams {
        table.row([
            stream.name,
            status(stream.status).to_owned(),
            stream.shards.to_string(),
            format!("{} h", stream.retention_hours),
            quantity::time(stream.created_ms),
        ]);
    }
    output::print(table)
}

async fn describe(client: &Client, global: &Global, name: &str) -> Result<(), Failure> {
    let stream = client.describe_stream(name).await?;
    if global.output == Output::Json {
        return output::print_json(&description_json(&stream));
    }
    output::print(description_text(&stream))
}

fn description_json(stream: &StreamDescription) -> Value {
    let shards: Vec<Value> = stream
        .shards
        .iter()
        .map(|shard| {
            // Hash keys are strings: 128 bits are more than JSON readers keep of a number.
            json!({
                "shard": shard_name(shard.shard.index),
                "index": shard.shard.index,
                "store_shard": shard.shard.id,
                "first_hash_key": shard.shard.range.start.to_string(),
                "last_hash_key": shard.shard.range.end.to_string(),
                "oldest": shard.oldest,
                "end": shard.end,
                "bytes": shard.bytes,
                "state": state(shard.state),
                "message": shard.message,
            })
        })
        .collect();
    json!({
        "name": stream.name,
        "id": stream.id,
        "status": status(stream.status),
        "created": quantity::time(stream.created_ms),
        "retention_hours": stream.retention_hours,
        "compression": compression_name(stream.compression),
        "durability": durability_name(stream.durability),
        "shards": shards,
    })
}

fn description_text(stream: &StreamDescription) -> String {
    let mut table = Table::new(&[
        ("SHARD", Side::Left),
        ("STATE", Side::Left),
        ("OLDEST", Side::Right),
        ("END", Side::Right),
        ("ON DISK", Side::Right),
        ("FIRST HASH KEY", Side::Left),
        ("NOTE", Side::Left),
    ]);
    for shard in &stream.shards {
        table.row([
            shard_name(shard.shard.index),
            state(shard.state).to_owned(),
            shard.oldest.to_string(),
            shard.end.to_string(),
            quantity::bytes(shard.bytes),
            format!("{:032x}", shard.shard.range.start.0),
            shard.message.clone(),
        ]);
    }
    format!(
        "stream       {}\nstatus       {}\ncreated      {}\nretention    {} h\ncompression  {}\ndurability   {}\n\n{table}",
        printable(&stream.name),
        status(stream.status),
        quantity::time(stream.created_ms),
        stream.retention_hours,
        compression_name(stream.compression),
        durability_name(stream.durability),
    )
}

fn status(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Creating => "creating",
        StreamStatus::Active => "active",
        StreamStatus::Deleting => "deleting",
    }
}

fn state(state: ShardState) -> &'static str {
    match state {
        ShardState::Open => "open",
        ShardState::NoSpace => "no space",
        ShardState::ReadOnly => "read-only",
        ShardState::Poisoned => "poisoned",
        ShardState::Closed => "closed",
    }
}

fn durability_name(durability: StreamDurability) -> &'static str {
    match durability {
        StreamDurability::Durable => "durable",
        StreamDurability::Written => "written",
    }
}

fn compression_name(level: u8) -> String {
    match level {
        0 => "none".to_owned(),
        level => format!("zstd:{level}"),
    }
}

/// The zstd level that is used where none is given.
const DEFAULT_LEVEL: u8 = 3;

/// 0 for none, else the zstd level.
fn parse_compression(text: &str) -> Result<u8, &'static str> {
    match text {
        "none" => Ok(0),
        "zstd" => Ok(DEFAULT_LEVEL),
        _ => text
            .strip_prefix("zstd:")
            .and_then(|level| level.parse().ok())
            .filter(|level| (1..=19).contains(level))
            .ok_or("none of none, zstd, zstd:LEVEL with a level of 1 to 19"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_none_or_a_zstd_level() {
        assert_eq!(parse_compression("none"), Ok(0));
        assert_eq!(parse_compression("zstd"), Ok(3));
        assert_eq!(parse_compression("zstd:19"), Ok(19));
        for text in ["", "zstd:0", "zstd:20", "zstd:", "zstd:256", "lz4"] {
            assert!(parse_compression(text).is_err(), "{text:?}");
        }
    }
}
