//! Stored files as `inspect` and `verify` see them: through the engine, offline.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use millstream_engine::{
    Damage, Error, ShardId,
    inspect::{self, Inspection, SegmentInfo},
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
    // Routing is checked where a catalog says what it should be.
    let routing = match millstream_server::shard_ranges(path) {
        Ok(ranges) => ranges.unwrap_or_default(),
        Err(error) => {
            eprintln!("note: routing is not checked: {error}");
            HashMap::new()
        }
    };
    let inspection = inspect::inspect_routed(path, &routing, &mut |now| {
        let (done, all) = (now.segments, now.of_segments);
        progress.advance(now.bytes - seen, format_args!("segment {done} of {all}"));
        seen = now.bytes;
    });
    progress.finish();
    let inspection = inspection.map_err(|error| match error {
        Error::Option { reason, .. } => Failure::Usage(reason),
        other => Failure::Stored(Box::new(other)),
    })?;
    Ok((inspection, begun.elapsed()))
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
        Totals::of(inspection.shards.iter().flat_map(|shard| &shard.segments))
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
pub(crate) fn damage_json(shard: ShardId, damage: &Damage) -> Value {
    json!({
        "shard": shard.0,
        "file": damage.file,
        "offset": damage.offset,
        "sequence": damage.sequence.0,
        "resume": damage.resume.map(|sequence| sequence.0),
        "reason": damage.reason,
    })
}
