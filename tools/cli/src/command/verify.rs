//! `millstream verify`: every checksum and the order of every record, without a server.

use std::path::PathBuf;

use clap::Args;
use millstream_engine::inspect::{Finding, Inspection};
use serde_json::{Value, json};

use crate::{
    arguments::{Global, Output},
    failure::Failure,
    output, quantity,
    stored::{self, Totals},
    table::printable,
};

const LONG_ABOUT: &str = "\
Reads a whole store, shard or segment and checks every checksum, the framing of every record and
the order of sequence numbers, times and segments; of a server's data directory also that every
shard is there, and notes records that lie in another shard than that of their hash key. It
changes nothing and needs no server. While a server has the store open the newest batches may be missing from the look.

Exit codes: 0 clean, 1 damaged (it says where), 2 cannot read.";

const EXAMPLES: &str = "\
Examples:
  millstream verify millstream-data
  millstream verify millstream-data/store/shards/0000000000000001
  millstream --output json verify millstream-data | jq .damage";

/// Check every checksum and order of a store, offline
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct VerifyArguments {
    /// A store's directory, a shard's directory or a segment file
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the path cannot be read, or something is damaged.
pub(crate) fn run(global: &Global, arguments: &VerifyArguments) -> Result<(), Failure> {
    let (found, elapsed) = stored::look(global, &arguments.path)?;
    let totals = Totals::of_all(&found);
    if global.output == Output::Json {
        output::print_json(&report_json(&found))?;
    } else {
        for (shard, file, note) in found.notes() {
            let file = file.display().to_string();
            let note = format!("note: shard {}, {file}: {}", shard.0, note.text);
            output::print(printable(&note))?;
        }
        for finding in found.damage() {
            output::print(printable(&stored::finding_text(finding)))?;
        }
        if totals.damaged == 0 && !global.quiet {
            output::print(format_args!(
                "clean: {}, {} in {:.1} s",
                quantity::counted(found.shards.len() as u64, "shard"),
                totals.text(),
                elapsed.as_secs_f64(),
            ))?;
        }
    }
    if totals.damaged > 0 {
        return Err(Failure::Damaged(format!(
            "{} of damage, {}; keep the files as they are: a server opens the shard read-only and serves what is around the damage",
            quantity::counted(totals.damaged, "place"),
            stored::lost_text(found.damage()),
        )));
    }
    Ok(())
}

fn report_json(found: &Inspection) -> Value {
    let totals = Totals::of_all(found);
    let damage: Vec<Value> = found.damage().map(stored::finding_json).collect();
    let notes: Vec<Value> = found
        .notes()
        .map(|(shard, file, note)| json!({ "shard": shard.0, "file": file, "kind": note.kind.name(), "note": note.text }))
        .collect();
    json!({
        "clean": totals.damaged == 0,
        "shards": found.shards.len(),
        "segments": totals.segments,
        "batches": totals.batches,
        "records": totals.records,
        "bytes": totals.bytes,
        "records_lost": found.damage().filter_map(Finding::lost).sum::<u64>(),
        "damage": damage,
        "notes": notes,
    })
}
