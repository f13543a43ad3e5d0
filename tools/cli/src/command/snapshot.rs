//! `millstream snapshot`: a consistent copy of a data directory that is in use.

use std::{path::PathBuf, time::Instant};

use clap::Args;
use millstream_engine::{Error, snapshot};
use serde_json::json;

use crate::{
    arguments::{Global, Output},
    failure::Failure,
    output,
    progress::Progress,
    quantity,
};

const LONG_ABOUT: &str = "\
Copies a server's data directory, or a store, to a directory that is not there yet, while it is in
use. Every record that was acknowledged before the command began is in the copy; each shard is copied
at a moment of its own. Where both are on one file system, segments that are not written any more
share their bytes with the original, which costs neither time nor room; --copy makes a copy that
stands for itself. The copy is durable when the command ends, and is served like any other directory.

Exit codes: 0 done, 1 it failed, or the copy is as damaged as the original, 2 cannot read.";

const EXAMPLES: &str = "\
Examples:
  millstream snapshot /var/lib/millstream /var/lib/millstream-snapshots/monday
  millstream snapshot --copy /var/lib/millstream /backup/millstream
  millstream verify /backup/millstream";

/// Copy a data directory or a store that is in use
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct SnapshotArguments {
    /// A server's data directory, or a store's directory
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// A directory that is not there yet, or empty
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// Share no bytes with the original
    #[arg(long)]
    copy: bool,
}

/// Runs the command.
///
/// # Errors
/// When the source cannot be read, or the target not be written.
pub(crate) fn run(global: &Global, arguments: &SnapshotArguments) -> Result<(), Failure> {
    let (source, target) = (&arguments.source, &arguments.target);
    source.metadata().map_err(|error| Failure::CannotRead {
        path: source.clone(),
        source: error,
    })?;
    let begun = Instant::now();
    let mut progress = Progress::new(!global.quiet, None);
    let mut seen = 0;
    let mut told = |now: millstream_engine::inspect::Progress| {
        progress.advance(
            now.bytes.saturating_sub(seen),
            format_args!("segment {} of {}", now.segments, now.of_segments),
        );
        seen = now.bytes;
    };
    let link = !arguments.copy;
    let done = if source.join("catalog.redb").exists() {
        millstream_server::snapshot(source, target, link, &mut told).map_err(Failure::Serve)
    } else {
        snapshot::snapshot(source, target, link, &mut told).map_err(|error| match error {
            Error::Option { reason, .. } => Failure::Usage(reason),
            other => Failure::Stored(Box::new(other)),
        })
    };
    progress.finish();
    let report = done?;
    if global.output == Output::Json {
        let damaged: Vec<u64> = report.damaged.iter().map(|id| id.0).collect();
        output::print_json(&json!({
            "shards": report.shards,
            "segments_linked": report.linked,
            "segments_copied": report.copied,
            "bytes_copied": report.copied_bytes,
            "damaged_shards": damaged,
            "cursors_left_out": report.cursors_left_out,
        }))?;
    } else if !global.quiet {
        output::print(format_args!(
            "snapshot: {}, {} shared, {} copied ({}) in {:.1} s",
            quantity::counted(report.shards, "shard"),
            quantity::counted(report.linked, "segment"),
            report.copied,
            quantity::bytes(report.copied_bytes),
            begun.elapsed().as_secs_f64(),
        ))?;
    }
    for name in &report.cursors_left_out {
        eprintln!("note: cursor {name} is left out: both copies of its position are damaged");
    }
    if !report.damaged.is_empty() {
        return Err(Failure::Damaged(format!(
            "{} damaged, and so is the copy: `millstream verify` tells where",
            quantity::counted(report.damaged.len() as u64, "shard"),
        )));
    }
    Ok(())
}
