//! From format 1, which knew of no resharding: the rows of a stream get what it would have been
//! made with.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::{
    Metrics, ShardLife, ShardRow, StreamMode, StreamRow, StreamStatus, init, range_of, shards,
    streams,
};
use millstream_engine::{CompressionChoice, Durability};

/// Name to id, created ms, retention hours, status, compression, durability.
type StreamColumns = (u64, u64, u32, u8, u8, u8);
const STREAMS: TableDefinition<&str, StreamColumns> = TableDefinition::new("streams");
/// Stream id and index.
type ShardKey = (u64, u32);
/// Shard id, first and last hash key.
type ShardColumns = (u64, u128, u128);
const SHARDS: TableDefinition<ShardKey, ShardColumns> = TableDefinition::new("shards");

/// Rewrites both tables and makes those that there were not.
pub(super) fn from_format_1(txn: &WriteTransaction) -> Result<(), redb::Error> {
    let mut rows = Vec::new();
    for entry in txn.open_table(STREAMS)?.iter()? {
        let (name, columns) = entry?;
        rows.push(stream(name.value(), columns.value())?);
    }
    let mut of_stream = Vec::new();
    let old = txn.open_table(SHARDS)?;
    for row in &rows {
        let mut shards = Vec::new();
        for entry in old.range((row.id, 0)..=(row.id, u32::MAX))? {
            let (key, columns) = entry?;
            let (id, start, end) = columns.value();
            shards.push(ShardRow {
                number: key.value().1,
                id,
                range: range_of(start, end),
                created_s: row.created_ms / 1000,
                opened_ms: row.created_ms,
                parents: [None, None],
                life: ShardLife::Open,
            });
        }
        of_stream.push(shards);
    }
    drop(old);
    txn.delete_table(STREAMS)?;
    txn.delete_table(SHARDS)?;
    init(txn)?;
    for (row, of_stream) in rows.iter().zip(&of_stream) {
        streams::put(txn, row)?;
        shards::put(txn, row.id, of_stream)?;
    }
    Ok(())
}

fn stream(name: &str, columns: StreamColumns) -> Result<StreamRow, redb::Error> {
    let (id, created_ms, retention_hours, status, compression, durability) = columns;
    let unknown = |what: &str, value: u8| {
        redb::Error::Corrupted(format!("stream {name:?} has the unknown {what} {value}"))
    };
    Ok(StreamRow {
        id,
        name: name.to_owned(),
        created_ms,
        retention_hours,
        status: match status {
            0 => StreamStatus::Creating,
            1 => StreamStatus::Active,
            2 => StreamStatus::Deleting,
            other => return Err(unknown("status", other)),
        },
        compression: match compression {
            0 => CompressionChoice::None,
            level @ 1..=19 => CompressionChoice::Zstd(level.into()),
            other => return Err(unknown("compression", other)),
        },
        durability: match durability {
            0 => Durability::Durable,
            1 => Durability::Written,
            other => return Err(unknown("durability", other)),
        },
        mode: StreamMode::Provisioned,
        max_record_kib: None,
        encryption_key: None,
        monitoring: Metrics::default(),
        warm_mibps: None,
        last_consumer_s: 0,
    })
}

#[cfg(test)]
pub(super) fn write_format_1(
    txn: &WriteTransaction,
    rows: &[(&str, StreamColumns)],
    of_streams: &[(ShardKey, ShardColumns)],
) -> Result<(), redb::Error> {
    txn.delete_table(STREAMS)?;
    txn.delete_table(SHARDS)?;
    for (name, columns) in rows {
        txn.open_table(STREAMS)?.insert(*name, *columns)?;
    }
    for (key, columns) in of_streams {
        txn.open_table(SHARDS)?.insert(*key, *columns)?;
    }
    Ok(())
}
