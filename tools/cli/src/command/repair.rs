//! `millstream repair`: what still verifies, written to a new directory.

use std::{path::PathBuf, time::Instant};

use clap::Args;
use millstream_engine::{
    Error, ShardId,
    inspect::Finding,
    repair::{self, RepairReport},
};
use serde_json::{Value, json};

use crate::{
    arguments::{Global, Output},
    failure::Failure,
    output,
    progress::Progress,
    quantity,
    stored::{self, Totals},
    table::printable,
};

const LONG_ABOUT: &str = "\
Writes everything that verifies of a data directory, a store or a shard's directory to a directory
that is not there yet, and tells of each gap which records are gone. Sequence numbers, times and the
memory of producers stay as they are; the numbers of what is gone are skipped. The source is only
read. It should not be in use: what is written to it meanwhile is not in the result.

Exit codes: 0 all was there, 1 records are gone (it says which) or it failed, 2 cannot read.";

const EXAMPLES: &str = "\
Examples:
  millstream repair /var/lib/millstream /var/lib/millstream-repaired
  millstream repair --shard 7 /var/lib/millstream shard-7
  millstream --output json repair old new | jq .damage";

/// Write what still verifies of a damaged store to a new one
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct RepairArguments {
    /// A server's data directory, a store's or a shard's directory
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// A directory that is not there yet, or empty
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// Only the shard of this number (as `verify` says it); TARGET becomes its directory
    #[arg(long, value_name = "NUMBER")]
    shard: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// When the source cannot be read, the target not be written, or records are gone.
pub(crate) fn run(global: &Global, arguments: &RepairArguments) -> Result<(), Failure> {
    let (source, target) = (&arguments.source, &arguments.target);
    source.metadata().map_err(|error| Failure::CannotRead {
        path: source.clone(),
        source: error,
    })?;
    let begun = Instant::now();
    let expected = stored::expected(source);
    let of_server = source.join("store").is_dir();
    let whole = of_server && arguments.shard.is_none();
    let store = match whole {
        true => target.join("store"),
        false => target.clone(),
    };
    if whole && std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::Usage(format!(
            "{} is not empty; choose a directory that is not there yet",
            target.display()
        )));
    }
    let mut progress = Progress::new(!global.quiet, None);
    let mut seen = 0;
    let done = repair::repair(
        source,
        &store,
        arguments.shard.map(ShardId),
        &expected.unwrap_or_default(),
        &mut |now| {
            let message = format_args!("{} segments", now.segments);
            progress.advance(now.bytes.saturating_sub(seen), message);
            seen = now.bytes;
        },
    );
    progress.finish();
    let report = done.map_err(|error| match error {
        Error::Option { reason, .. } => Failure::Usage(reason),
        other => Failure::Stored(Box::new(other)),
    })?;
    let catalog = whole
        && millstream_server::copy_catalog(source, target)
            .map_err(|error| Failure::Serve(error.into()))?;
    let (found, _) = stored::look(global, target)?;
    let mut verified = Totals::of_all(&found);
    // What could not be made anew is told as missing from the source.
    let missing = report.missing.len() as u64 + u64::from(whole && !catalog);
    verified.damaged = verified.damaged.saturating_sub(missing);
    if global.output == Output::Json {
        output::print_json(&report_json(&report, verified.damaged))?;
    } else {
        for finding in report.damage() {
            output::print(printable(&stored::finding_text(finding)))?;
        }
        if !global.quiet {
            output::print(format_args!(
                "repaired: {}, {} in {:.1} s",
                quantity::counted(found.shards.len() as u64, "shard"),
                verified.text(),
                begun.elapsed().as_secs_f64(),
            ))?;
        }
    }
    for name in &report.cursors_left_out {
        eprintln!("note: cursor {name} is left out: both copies of its position are damaged");
    }
    if whole && !catalog {
        eprintln!("note: there is no catalog: put it back from a backup before a server starts");
    }
    if verified.damaged > 0 {
        return Err(Failure::Damaged(
            "what was written does not verify: look at the disk".into(),
        ));
    }
    let gaps = report.damage().count();
    if gaps > 0 {
        return Err(Failure::Damaged(format!(
            "{} of damage, {}; all else is in {}",
            quantity::counted(gaps as u64, "place"),
            stored::lost_text(report.damage()),
            target.display(),
        )));
    }
    Ok(())
}

fn report_json(report: &RepairReport, unverified: u64) -> Value {
    let shards: Vec<Value> = report
        .shards
        .iter()
        .map(|shard| {
            json!({
                "shard": shard.id.0,
                "directory": shard.dir,
                "segments": shard.segments,
                "records": shard.records,
                "bytes": shard.bytes,
            })
        })
        .collect();
    let damage: Vec<Value> = report.damage().map(stored::finding_json).collect();
    json!({
        "shards": shards,
        "records": report.shards.iter().map(|shard| shard.records).sum::<u64>(),
        "records_lost": report.damage().filter_map(Finding::lost).sum::<u64>(),
        "damage": damage,
        "cursors_left_out": report.cursors_left_out,
        "verified": unverified == 0,
    })
}
