//! What the writer knows of a shard: the active segment, what is in flight, and how far it is
//! durable.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    index::Entry,
    io::{device::File, pool::PoolBuffer},
    segment::{Segment, SegmentHeader, list::SegmentEnd, prepare::Prepared},
};

/// Most writes of a shard that are unacknowledged.
const SLOTS: usize = 2;
/// While one write is in flight, a second one begins from so many bytes on: smaller ones would
/// only take each other's records, and each costs as much as a larger one.
const OVERLAP: usize = 64 * 1024;
/// While so few records are in flight, a second write begins when it has as many bytes.
const FEW: u64 = 8;
/// A checkpoint of the active segment's index is due when so many bytes came since the last one
/// and some time has passed,
const CHECKPOINT_BYTES: u64 = 8 << 20;
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(500);
/// or when so many came: this much is scanned faster than a process starts.
const CHECKPOINT_MOST: u64 = 16 << 20;

/// A batch in flight.
#[derive(Debug)]
pub(crate) struct FlightBatch {
    pub entry: Entry,
    pub end: u64,
    /// Bytes without padding.
    pub bytes: usize,
    /// Its number among the shard's.
    pub number: u32,
    pub buffer: Arc<PoolBuffer>,
}

/// A write in flight.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) token: u64,
    pub(super) batches: Vec<FlightBatch>,
    /// Bytes of the batches without padding.
    pub(super) bytes: usize,
    pub(super) records: u64,
    pub(super) end: SegmentEnd,
    pub(super) done: bool,
}

/// The segment after the active one, made ahead: a file whose header is zeros.
#[derive(Debug)]
pub(crate) struct Successor {
    pub file: Arc<dyn File>,
    pub segment_bytes: u64,
    /// Bytes from the start that have blocks, and that were written before.
    pub allocated: u64,
    pub written: u64,
}

/// The writer's state of a shard.
#[derive(Debug)]
pub(crate) struct Log {
    pub segment: Arc<Segment>,
    pub header: SegmentHeader,
    /// Opened by the preparer when the first write needs blocks.
    pub(super) file: Option<Arc<dyn File>>,
    pub prepared: Prepared,
    /// Sequence number after the last record that was submitted.
    pub(super) next: u64,
    /// Time of the last record that was submitted.
    pub(super) last_time_ms: u64,
    pub(super) flight: VecDeque<Flight>,
    /// After what is durable in the active segment.
    pub(super) committed: SegmentEnd,
    pub successor: Option<Successor>,
    /// Begin a new segment although there is room in this one.
    pub roll_wanted: bool,
    /// Whether everything in the active segment is on the medium: before it may be sealed, where
    /// writes are not flushed one by one. No older segment has holes.
    pub flushed: bool,
    /// The highest watermark in a header that was submitted.
    pub(super) stamped: u64,
    /// Whether the last batch is the mark of a clean close.
    pub(super) closed: bool,
    pub(super) checkpointed: u64,
    pub(super) checkpointed_at: Duration,
    pub(super) failed: bool,
}

impl Log {
    /// A log that goes on in `segment` after `committed`.
    pub(crate) fn new(
        segment: Arc<Segment>,
        header: SegmentHeader,
        prepared: Prepared,
        committed: SegmentEnd,
        stamped: u64,
        closed: bool,
    ) -> Log {
        Log {
            segment,
            header,
            file: None,
            prepared,
            next: committed.sequence,
            last_time_ms: committed.last_time_ms,
            flight: VecDeque::new(),
            committed,
            successor: None,
            roll_wanted: false,
            flushed: false,
            stamped,
            closed,
            checkpointed: committed.offset,
            checkpointed_at: Duration::ZERO,
            failed: false,
        }
    }

    pub(super) fn block(&self) -> usize {
        self.header.block as usize
    }

    /// What is durable in the active segment.
    pub(crate) fn committed(&self) -> SegmentEnd {
        self.committed
    }

    /// Whether the active segment holds a record.
    pub(crate) fn has_records(&self) -> bool {
        self.committed.sequence > self.header.base_sequence
    }

    /// The active segment, open for writing, if it is.
    pub(crate) fn file(&self) -> Option<Arc<dyn File>> {
        self.file.clone()
    }

    pub(crate) fn set_file(&mut self, file: Arc<dyn File>) {
        self.file = Some(file);
    }

    /// Whether the preparer should make the next segment. Not before the header of the active one
    /// is durable: of two files without a header, one behind the other, the first has lost it.
    pub(crate) fn wants_successor(&self) -> bool {
        self.successor.is_none()
            && self.committed.offset > 0
            && (self.roll_wanted || self.prepared.is_half_used())
    }

    /// Whether the active segment waits to be flushed, so that it can be sealed.
    pub(crate) fn wants_flush(&self) -> bool {
        self.roll_wanted && !self.flushed && self.successor.is_some() && self.flight.is_empty()
    }

    /// Whether a checkpoint is worth writing: `worth` bytes are durable since the last one, which
    /// is then counted as written.
    pub(crate) fn take_checkpoint(&mut self, worth: u64, now: Duration) -> bool {
        let worthy = self.committed.offset >= self.checkpointed + worth;
        if worthy {
            self.checkpointed = self.committed.offset;
            self.checkpointed_at = now;
        }
        worthy
    }

    /// Whether a checkpoint of the index is due.
    pub(crate) fn is_checkpoint_due(&self, clock: &dyn Clock) -> bool {
        let unindexed = self.committed.offset.saturating_sub(self.checkpointed);
        unindexed >= CHECKPOINT_MOST
            || (unindexed >= CHECKPOINT_BYTES
                && clock.monotonic() >= self.checkpointed_at + CHECKPOINT_PAUSE)
    }

    /// Takes no more writes; for a shard that is closed alone.
    pub(crate) fn retire(&mut self) {
        self.failed = true;
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.flight.is_empty()
    }

    /// Bytes that must be staged for the next write to begin now.
    pub(super) fn threshold(&self) -> usize {
        match self.flight.back() {
            None => 0,
            Some(_) if self.flight.len() >= SLOTS => usize::MAX,
            Some(flight) if flight.records <= FEW => flight.bytes,
            Some(_) => OVERLAP,
        }
    }
}
