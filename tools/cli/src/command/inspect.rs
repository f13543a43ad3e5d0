//! `millstream inspect`: what is in a store, shard or segment, without a server.

use std::path::PathBuf;

use clap::Args;
use millstream_engine::{
    SequenceNumber,
    inspect::{Inspection, SegmentInfo, SegmentState, ShardInfo},
};
use serde_json::{Value, json};

use crate::{
    arguments::{Global, Output},
    failure::Failure,
    output, quantity,
    stored::{self, Totals},
    table::{Side, Table, printable},
};

const LONG_ABOUT: &str = "\
Shows what is in a store, a shard's directory or a segment file: without a server, and without
changing anything. It reads all of it. A store that a server has open may be looked at too; the
newest batches may then be missing.";

const EXAMPLES: &str = "\
Examples:
  millstream inspect millstream-data
  millstream inspect millstream-data/store/shards/0000000000000001
  millstream --output json inspect millstream-data";

/// Show what is in a store, shard or segment, offline
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct InspectArguments {
    /// A store's directory, a shard's directory or a segment file
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the path cannot be read.
pub(crate) fn run(global: &Global, arguments: &InspectArguments) -> Result<(), Failure> {
    let (found, _) = stored::look(global, &arguments.path)?;
    if global.output == Output::Json {
        return output::print_json(&inspection_json(&found));
    }
    output::print(inspection_text(&found))?;
    let damaged = found.damage().count();
    if damaged > 0 {
        eprintln!(
            "{} of damage: `millstream verify` tells where",
            quantity::counted(damaged as u64, "place")
        );
    }
    Ok(())
}

fn inspection_text(found: &Inspection) -> String {
    match (&found.store, found.shards.as_slice()) {
        (None, [shard]) => shard_text(shard),
        _ => store_text(found),
    }
}

fn store_text(found: &Inspection) -> String {
    let mut table = Table::new(&[
        ("SHARD", Side::Right),
        ("SEGMENTS", Side::Right),
        ("BATCHES", Side::Right),
        ("RECORDS", Side::Right),
        ("FIRST", Side::Right),
        ("END", Side::Right),
        ("BYTES", Side::Right),
        ("OLDEST", Side::Left),
        ("NEWEST", Side::Left),
        ("STATE", Side::Left),
    ]);
    for shard in &found.shards {
        let mut totals = Totals::of(&shard.segments);
        totals.damaged += shard.damage.len() as u64;
        let began = |segment: &&SegmentInfo| segment.state != SegmentState::MadeAhead;
        let first = shard.segments.iter().find(began);
        let last = shard.segments.iter().rfind(began);
        let times = || shard.segments.iter();
        table.row([
            shard.id.0.to_string(),
            totals.segments.to_string(),
            totals.batches.to_string(),
            totals.records.to_string(),
            or_dash(first.map(|segment| segment.first_sequence.0)),
            or_dash(last.map(|segment| segment.end_sequence.0)),
            quantity::bytes(totals.bytes),
            time_or_dash(times().find_map(|segment| segment.first_time_ms)),
            time_or_dash(times().rev().find_map(|segment| segment.last_time_ms)),
            match (totals.damaged, last) {
                (0, Some(segment)) if segment.closed => "closed",
                (0, _) => "open, or not closed cleanly",
                _ => "damaged",
            }
            .to_owned(),
        ]);
    }
    let mut out = String::new();
    if let Some(store) = &found.store {
        out = format!(
            "store   {}\nformat  {}, identity {:016x}\nholds   {}, {}\n\n",
            printable(&store.path.display().to_string()),
            store.format,
            store.id,
            quantity::counted(found.shards.len() as u64, "shard"),
            Totals::of_all(found).text(),
        );
    }
    out + &table.to_string()
}

fn shard_text(shard: &ShardInfo) -> String {
    let mut table = Table::new(&[
        ("SEGMENT", Side::Left),
        ("STATE", Side::Left),
        ("BATCHES", Side::Right),
        ("RECORDS", Side::Right),
        ("FIRST", Side::Right),
        ("END", Side::Right),
        ("BYTES", Side::Right),
        ("ZSTD", Side::Right),
        ("OLDEST", Side::Left),
        ("NEWEST", Side::Left),
        ("NOTES", Side::Left),
    ]);
    for segment in &shard.segments {
        let begun = segment.state != SegmentState::MadeAhead;
        let sequence = |sequence: SequenceNumber| or_dash(begun.then_some(sequence.0));
        let name = segment.file.file_name().unwrap_or_default();
        table.row([
            name.to_string_lossy().into_owned(),
            state(segment.state).to_owned(),
            segment.batches.to_string(),
            segment.records.to_string(),
            sequence(segment.first_sequence),
            sequence(segment.end_sequence),
            quantity::bytes(segment.stored_bytes),
            segment.compressed.to_string(),
            time_or_dash(segment.first_time_ms),
            time_or_dash(segment.last_time_ms),
            remarks(segment),
        ]);
    }
    format!(
        "shard      {}\ndirectory  {}\nholds      {}, {}\n\n{table}",
        shard.id.0,
        printable(&shard.dir.display().to_string()),
        Totals::of(&shard.segments).text(),
        quantity::counted(shard.spares as u64, "spare file"),
    )
}

/// What is special about a segment.
fn remarks(segment: &SegmentInfo) -> String {
    let mut remarks = Vec::new();
    if segment.jumped {
        remarks.push("sequence numbers were skipped before it".to_owned());
    }
    if segment.trimmed {
        remarks.push("the one before was trimmed".to_owned());
    }
    if !segment.damage.is_empty() {
        remarks.push("DAMAGED".to_owned());
    }
    remarks.extend(segment.notes.iter().map(|note| note.text.clone()));
    remarks.join("; ")
}

fn state(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Sealed => "sealed",
        SegmentState::Active => "active",
        SegmentState::MadeAhead => "made ahead",
    }
}

fn or_dash(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn time_or_dash(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".to_owned(), quantity::time)
}

fn inspection_json(found: &Inspection) -> Value {
    let store = found.store.as_ref().map(|store| {
        json!({
            "path": store.path,
            "format": store.format,
            "id": format!("{:016x}", store.id),
        })
    });
    let shards: Vec<Value> = found.shards.iter().map(shard_json).collect();
    json!({ "store": store, "shards": shards })
}

fn shard_json(shard: &ShardInfo) -> Value {
    let segments: Vec<Value> = shard.segments.iter().map(segment_json).collect();
    json!({
        "shard": shard.id.0,
        "directory": shard.dir,
        "spare_files": shard.spares,
        "records": Totals::of(&shard.segments).records,
        "segments": segments,
    })
}

fn segment_json(segment: &SegmentInfo) -> Value {
    json!({
        "file": segment.file,
        "state": state(segment.state),
        "ordinal": segment.ordinal,
        "epoch": format!("{:016x}", segment.epoch),
        "block_bytes": segment.block,
        "segment_bytes": segment.segment_bytes,
        "created": quantity::time(segment.created_ms),
        "sequence_numbers_skipped": segment.jumped,
        "previous_trimmed": segment.trimmed,
        "first": segment.first_sequence.0,
        "end": segment.end_sequence.0,
        "end_offset": segment.end_offset,
        "oldest": segment.first_time_ms.map(quantity::time),
        "newest": segment.last_time_ms.map(quantity::time),
        "batches": segment.batches,
        "stamps": segment.stamps,
        "compressed_batches": segment.compressed,
        "records": segment.records,
        "raw_bytes": segment.raw_bytes,
        "stored_bytes": segment.stored_bytes,
        "closed": segment.closed,
        "damaged_places": segment.damage.len(),
        "notes": segment.notes.iter().map(|note| &note.text).collect::<Vec<_>>(),
    })
}
