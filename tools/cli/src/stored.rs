//! Stored files as `inspect` and `verify` see them: through the engine, offline.

use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, Instant},
};

use millstream_engine::{
    Damage, Error, SequenceNumber, ShardId,
    inspect::{self, ExpectedShards, Finding, Inspection, SegmentInfo},
};
use serde_json::{Value, json};

use crate::{arguments::Global, failure::Failure, progress::Progress, quantity};

/// Looks at a store, a shard or a segment, all of it.
///
/// # Errors
/// When it is none, or cannot be read.
pub(crate) fn look(global: &Global, path: &Path) -> Result<(Inspection, Duration), Failure> {
    let cannot_read = |source| Failure::CannotRead {
        path: path.to_owned(),
        source,
    };
    path.metadata().map_err(cannot_read)?;
    let begun = Instant::now();
    let mut progress = Progress::new(!global.quiet, None);
    let mut seen = 0;
    let expected = expected(path);
    let shards = expected.clone().unwrap_or_default();
    let inspection = inspect::inspect_expecting(path, &shards, &mut |now| {
        let (done, all) = (now.segments, now.of_segments);
        progress.advance(now.bytes - seen, format_args!("segment {done} of {all}"));
        seen = now.bytes;
    });
    progress.finish();
    let mut inspection = inspection.map_err(|error| match error {
        Error::Option { reason, .. } => Failure::Usage(reason),
        other => Failure::Stored(Box::new(other)),
    })?;
    if !shards.is_empty() && inspection.damage().next().is_some() {
        forget_deleted(&mut inspection, path, &shards);
    }
    if expected.is_none() && path.join("store").is_dir() && !inspection.shards.is_empty() {
        inspection.damage.push(missing_catalog(path));
    }
    Ok((inspection, begun.elapsed()))
}

/// What the catalog says of the shards in a data directory; `None` where there is none.
pub(crate) fn expected(path: &Path) -> Option<ExpectedShards> {
    match millstream_server::expected_shards(path) {
        Ok(expected) => expected,
        Err(error) => {
            eprintln!("note: routing is not checked, nor whether every shard is there: {error}");
            Some(ExpectedShards::new())
        }
    }
}

/// A stream that was deleted while its shards were looked at is no damage.
fn forget_deleted(inspection: &mut Inspection, path: &Path, before: &ExpectedShards) {
    let now = expected(path).unwrap_or_default();
    let finished = |shards: &ExpectedShards, id| shards.get(&id).is_some_and(|e| e.finished);
    let gone: HashSet<ShardId> = before
        .keys()
        .copied()
        .filter(|id| finished(before, *id) && !finished(&now, *id) && !now.is_empty())
        .collect();
    inspection.shards.retain(|shard| !gone.contains(&shard.id));
    let damage = &mut inspection.damage;
    damage.retain(|finding| finding.shard.is_none_or(|id| !gone.contains(&id)));
}

fn missing_catalog(path: &Path) -> Finding {
    Finding {
        shard: None,
        damage: Damage {
            file: path.join("catalog.redb"),
            offset: 0,
            sequence: SequenceNumber(0),
            resume: None,
            reason: "the catalog, which names the streams, is missing; put it back from a backup"
                .into(),
        },
        end: Some(SequenceNumber(0)),
    }
}

/// What some segments hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Segment files.
    pub(crate) segments: u64,
    /// Batches with records.
    pub(crate) batches: u64,
    /// Records.
    pub(crate) records: u64,
    /// Bytes of batch bodies as stored.
    pub(crate) bytes: u64,
    /// Places that do not verify.
    pub(crate) damaged: u64,
}

impl Totals {
    /// Those of some segments.
    pub(crate) fn of<'a>(segments: impl IntoIterator<Item = &'a SegmentInfo>) -> Totals {
        let mut totals = Totals::default();
        for segment in segments {
            totals.segments += 1;
            totals.batches += segment.batches;
            totals.records += segment.records;
            totals.bytes += segment.stored_bytes;
            totals.damaged += segment.damage.len() as u64;
        }
        totals
    }

    /// Those of everything that was looked at.
    pub(crate) fn of_all(inspection: &Inspection) -> Totals {
        let segments = inspection.shards.iter().flat_map(|shard| &shard.segments);
        let mut totals = Totals::of(segments);
        totals.damaged = inspection.damage().count() as u64;
        totals
    }

    /// "3 segments, 20 batches, 5000 records, 1.1 GB".
    pub(crate) fn text(&self) -> String {
        format!(
            "{}, {}, {}, {}",
            quantity::counted(self.segments, "segment"),
            // "batchs" is no word.
            match self.batches {
                1 => "1 batch".to_owned(),
                many => format!("{many} batches"),
            },
            quantity::counted(self.records, "record"),
            quantity::bytes(self.bytes),
        )
    }
}

/// A place that does not verify.
pub(crate) fn finding_json(finding: &Finding) -> Value {
    let damage = &finding.damage;
    json!({
        "shard": finding.shard.map(|shard| shard.0),
        "file": damage.file,
        "offset": damage.offset,
        "sequence": damage.sequence.0,
        "end": finding.end.map(|sequence| sequence.0),
        "records_lost": finding.lost(),
        "resume": damage.resume.map(|sequence| sequence.0),
        "reason": damage.reason,
    })
}

/// A place that does not verify, in a line.
pub(crate) fn finding_text(finding: &Finding) -> String {
    let Damage {
        file,
        offset,
        sequence,
        reason,
        ..
    } = &finding.damage;
    let whose = match finding.shard {
        Some(shard) => format!("shard {}", shard.0),
        None => "the store".to_owned(),
    };
    let lost = match (finding.lost(), finding.end) {
        (Some(0), _) => "no acknowledged record is lost".to_owned(),
        (Some(1), _) => format!("1 acknowledged record is lost: {sequence}"),
        (Some(many), Some(end)) => format!(
            "{many} acknowledged records are lost: {sequence} to {}",
            end.0 - 1
        ),
        _ => format!("how many acknowledged records are lost from {sequence} on is not known"),
    };
    let file = file.display();
    format!("damaged: {whose}: {file} at byte {offset}: {reason}; {lost}")
}

/// How many acknowledged records are lost in all.
pub(crate) fn lost_text<'a>(findings: impl Iterator<Item = &'a Finding>) -> String {
    let (mut lost, mut least) = (0, "");
    for finding in findings {
        match finding.lost() {
            Some(more) => lost += more,
            None => least = "at least ",
        }
    }
    format!(
        "{least}{} lost",
        quantity::counted(lost, "acknowledged record")
    )
}
