//! Where sequence numbers are given: the open batch of small appends, and the queue of batches
//! that are whole, staged or ready, in the order in which they will lie on the medium.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use millstream_format::{
    BATCH_HEADER_LEN, BatchBuilder, BatchHeader, Compression, PRODUCER_ENTRY_LEN, ProducerEntry,
    Record, compression,
};

use super::{
    producers::{Admission, Producers, RecentPut},
    ready::ReadyBatch,
    ticket::{Appended, Generation},
};
use crate::{
    clock::Clock,
    error::{Damage, Error},
    io::{
        device::MAX_SLICES,
        pool::{Pool, PoolBuffer},
    },
    options::CompressionChoice,
    sequence::{SequenceNumber, ShardId},
};

/// The smallest and largest staging buffer, header included.
const SMALLEST: usize = 16 * 1024;
const LARGEST: usize = 1024 * 1024 + BATCH_HEADER_LEN;
/// Bytes of one write, about; a larger batch goes alone.
const WRITE_BYTES: usize = 1024 * 1024;
/// Whole batches that may wait for the writer, in bytes; one more batch always may.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// Whether a shard takes appends.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Open,
    NoSpace,
    ReadOnly(Arc<Damage>),
    Poisoned(Arc<str>),
    Closed,
}

impl Condition {
    pub(crate) fn error(&self, shard: ShardId) -> Option<Error> {
        Some(match self {
            Condition::Open => return None,
            Condition::NoSpace => Error::NoSpace { shard },
            Condition::ReadOnly(damage) => Error::ReadOnly {
                shard,
                damage: Arc::clone(damage),
            },
            Condition::Poisoned(cause) => Error::Poisoned {
                shard,
                cause: Arc::clone(cause),
            },
            Condition::Closed => Error::Closed { shard },
        })
    }
}

/// A whole batch with its sequence numbers and time, that has no place in a segment yet.
#[derive(Debug)]
pub(crate) struct Whole {
    pub buffer: PoolBuffer,
    pub header: BatchHeader,
    /// Whether its body was offered to the compressor.
    pub compressed: bool,
    /// Its number among the shard's, by which those who wait for it are woken.
    pub number: u32,
}

#[derive(Debug)]
struct OpenBatch {
    builder: BatchBuilder<PoolBuffer>,
    first: u64,
    since: Duration,
}

/// What the shard's lock guards.
#[derive(Debug)]
pub(crate) struct Stage {
    pub shard: ShardId,
    pub condition: Condition,
    /// Whether appends have ended for good.
    pub sealed: bool,
    pub generation: Arc<Generation>,
    /// Generations that ended while writes of theirs were in flight.
    older: Vec<Weak<Generation>>,
    pub producers: Producers,
    open: Option<OpenBatch>,
    queue: VecDeque<Whole>,
    queued_bytes: usize,
    /// Batches that were ever queued, and so the number of the open one.
    batches: u32,
    /// The next sequence number to be given.
    next: u64,
    last_time_ms: u64,
    /// Bytes of the next staging buffer.
    hint: usize,
    /// Most bytes of a batch with its header.
    batch_limit: usize,
    /// From how many staged bytes on the writer is to be called: below that, the end of a write
    /// brings it here anyway.
    pub call_at: usize,
}

impl Stage {
    pub(crate) fn new(shard: ShardId, next: u64, last_time_ms: u64, batch_limit: usize) -> Stage {
        Stage {
            shard,
            condition: Condition::Open,
            sealed: false,
            generation: Generation::new(),
            older: Vec::new(),
            producers: Producers::default(),
            open: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            batches: 0,
            next,
            last_time_ms,
            hint: SMALLEST,
            batch_limit,
            call_at: 0,
        }
    }

    /// The next sequence number to be given.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn last_time_ms(&self) -> u64 {
        self.last_time_ms
    }

    /// Whether nothing waits for the writer.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_none() && self.queue.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.queued_bytes < QUEUE_BYTES / 2
    }

    /// Whether a put is new, or where it went when it was taken.
    fn admit(&self, producer: Option<(u64, u64)>) -> Result<Option<Appended>, Error> {
        if self.sealed && matches!(self.condition, Condition::Open | Condition::NoSpace) {
            return self.admit_sealed(producer).map(Some);
        }
        if let Some(error) = self.condition.error(self.shard) {
            return Err(error);
        }
        let Some((id, number)) = producer else {
            return Ok(None);
        };
        Ok(match self.producers.admit(self.shard, id, number)? {
            Admission::New => None,
            Admission::Duplicate(put) => Some(taken(put)),
        })
    }

    /// A sealed shard takes nothing, but still knows what it took.
    fn admit_sealed(&self, producer: Option<(u64, u64)>) -> Result<Appended, Error> {
        let sealed = Error::Sealed { shard: self.shard };
        let Some((id, number)) = producer else {
            return Err(sealed);
        };
        match self.producers.admit(self.shard, id, number) {
            Ok(Admission::Duplicate(put)) => Ok(taken(put)),
            Err(error @ Error::TakenBefore { .. }) => Err(error),
            _ => Err(sealed),
        }
    }

    fn take_numbers(&mut self, count: u32, producer: Option<(u64, u64)>) -> Appended {
        let first = self.next;
        self.next = self.next.saturating_add(u64::from(count));
        if let Some((producer, number)) = producer {
            self.producers.note(RecentPut {
                producer,
                number,
                first,
                count,
            });
        }
        Appended {
            first: SequenceNumber(first),
            count,
            duplicate: false,
        }
    }

    /// Opens a batch with room for `bytes` of records and a producer entry, if there is none.
    fn make_room(
        &mut self,
        bytes: usize,
        pool: &Arc<Pool>,
        clock: &dyn Clock,
    ) -> Result<&mut OpenBatch, Error> {
        let full = Error::Full { shard: self.shard };
        if self
            .open
            .as_ref()
            .is_some_and(|open| !open.builder.fits(bytes, 1))
        {
            if self.queued_bytes >= QUEUE_BYTES {
                return Err(full);
            }
            self.close_open(clock);
            self.hint = (self.hint * 2).min(LARGEST);
        }
        if self.open.is_none() {
            let need = BATCH_HEADER_LEN + bytes + PRODUCER_ENTRY_LEN;
            let want = self.hint.min(self.batch_limit).max(need);
            // Less than what would be best is better than nothing.
            let buffer = pool.get_idle(want).or_else(|| pool.get(need)).ok_or(full)?;
            self.open = Some(OpenBatch {
                builder: BatchBuilder::new(buffer),
                first: self.next,
                since: clock.monotonic(),
            });
        }
        self.open.as_mut().ok_or(Error::Full { shard: self.shard })
    }

    /// First lane: encodes checked records into the open batch, all or none.
    pub(crate) fn append(
        &mut self,
        records: &[Record<'_>],
        bytes: usize,
        producer: Option<(u64, u64)>,
        pool: &Arc<Pool>,
        clock: &dyn Clock,
    ) -> Result<Appended, Error> {
        if let Some(before) = self.admit(producer)? {
            return Ok(before);
        }
        let open = self.make_room(bytes, pool, clock)?;
        let first = open.builder.count();
        for record in records {
            let fits = open.builder.push(record);
            debug_assert!(fits, "room was made for all");
        }
        let count = open.builder.count() - first;
        if let Some((id, number)) = producer {
            open.builder.push_producer(ProducerEntry {
                producer: id,
                number,
                first,
                count,
            });
        }
        Ok(self.take_numbers(count, producer))
    }

    /// Second lane: takes the batch as it is, or copies it when it is small.
    // The batch comes back by value: boxing it would cost every put an allocation.
    #[allow(clippy::result_large_err)]
    pub(crate) fn append_ready(
        &mut self,
        ready: ReadyBatch,
        compressed: bool,
        pool: &Arc<Pool>,
        clock: &dyn Clock,
    ) -> Result<Appended, (Error, ReadyBatch)> {
        let producer = ready.producer().map(|entry| (entry.producer, entry.number));
        match self.admit(producer) {
            Ok(None) => {}
            Ok(Some(before)) => return Ok(before),
            Err(error) => return Err((error, ready)),
        }
        let count = ready.count();
        if ready.is_small()
            && let Some(raw) = ready.raw()
        {
            let records = raw.record_bytes();
            let open = match self.make_room(records.len(), pool, clock) {
                Ok(open) => open,
                Err(error) => return Err((error, ready)),
            };
            let first = open.builder.count();
            let fits = open.builder.push_encoded(records, count);
            debug_assert!(fits, "room was made for all");
            if let Some(entry) = ready.producer() {
                open.builder.push_producer(ProducerEntry { first, ..entry });
            }
            return Ok(self.take_numbers(count, producer));
        }
        if self.queued_bytes >= QUEUE_BYTES {
            return Err((Error::Full { shard: self.shard }, ready));
        }
        self.close_open(clock);
        let ReadyBatch {
            buffer, mut header, ..
        } = ready;
        header.first_sequence = self.next;
        header.time_ms = self.time(clock);
        let appended = self.take_numbers(count, producer);
        self.enqueue(buffer, header, compressed);
        Ok(appended)
    }

    fn time(&mut self, clock: &dyn Clock) -> u64 {
        self.last_time_ms = self.last_time_ms.max(clock.wall_ms());
        self.last_time_ms
    }

    fn close_open(&mut self, clock: &dyn Clock) {
        let Some(open) = self.open.take() else { return };
        let (buffer, mut header) = open.builder.finish();
        if header.batch_len() < self.hint / 4 {
            self.hint = (self.hint / 2).max(SMALLEST);
        }
        header.first_sequence = open.first;
        header.time_ms = self.time(clock);
        self.enqueue(buffer, header, false);
    }

    fn enqueue(&mut self, buffer: PoolBuffer, header: BatchHeader, compressed: bool) {
        self.queued_bytes += header.batch_len();
        self.queue.push_back(Whole {
            buffer,
            header,
            compressed,
            number: self.batches,
        });
        self.batches = self.batches.wrapping_add(1);
    }

    /// Number of the batch that was appended to last.
    pub(crate) fn last_batch(&self) -> u32 {
        match self.open {
            Some(_) => self.batches,
            None => self.batches.wrapping_sub(1),
        }
    }

    /// When the open batch began, if it is all that waits.
    pub(crate) fn lingering_since(&self) -> Option<Duration> {
        let open = self.open.as_ref()?;
        self.queue.is_empty().then_some(open.since)
    }

    /// Bytes on the medium of the batch that would be taken first, at most.
    pub(crate) fn first_len(&self, block: usize) -> Option<usize> {
        match (self.queue.front(), &self.open) {
            (Some(whole), _) => Some(whole.header.padded_len(block)),
            (None, Some(open)) => Some(open.builder.len().next_multiple_of(block)),
            (None, None) => None,
        }
    }

    /// Bytes that wait for the writer, without padding.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.queued_bytes + self.open.as_ref().map_or(0, |open| open.builder.len())
    }

    /// Takes what the next write is to hold: whole batches, the open one last, up to `room` bytes
    /// on the medium.
    pub(crate) fn take(&mut self, room: usize, block: usize, clock: &dyn Clock) -> Vec<Whole> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        loop {
            if self.queue.is_empty() {
                self.close_open(clock);
            }
            let Some(first) = self.queue.front() else {
                break;
            };
            let len = first.header.padded_len(block);
            let too_much = bytes + len > WRITE_BYTES.min(room) && !taken.is_empty();
            if too_much || bytes + len > room || taken.len() == MAX_SLICES {
                break;
            }
            bytes += len;
            if let Some(whole) = self.queue.pop_front() {
                self.queued_bytes -= whole.header.batch_len();
                taken.push(whole);
            }
        }
        taken
    }

    /// Takes back what was not handed to the device: its waiters are told `cause`, its sequence
    /// numbers will be given again.
    pub(crate) fn roll_back(&mut self, cause: Error) {
        let first = match (self.queue.front(), &self.open) {
            (Some(whole), _) => whole.header.first_sequence,
            (None, Some(open)) => open.first,
            (None, None) => return,
        };
        self.generation.fail(first, cause);
        let ended = std::mem::replace(&mut self.generation, Generation::new());
        self.older.retain(|older| older.strong_count() > 0);
        self.older.push(Arc::downgrade(&ended));
        self.producers.roll_back(first);
        self.next = first;
        self.queue.clear();
        self.queued_bytes = 0;
        self.open = None;
    }

    /// After a failed write: nothing at or above `watermark` will be acknowledged.
    pub(crate) fn fail(&mut self, watermark: u64, condition: Condition) {
        if let Some(error) = condition.error(self.shard) {
            for older in self.older.drain(..).filter_map(|older| older.upgrade()) {
                older.fail(watermark, error.clone());
            }
            self.generation.fail(watermark, error);
        }
        self.condition = condition;
        self.queue.clear();
        self.queued_bytes = 0;
        self.open = None;
    }
}

/// Where a put went that was taken before.
fn taken(put: RecentPut) -> Appended {
    Appended {
        first: SequenceNumber(put.first),
        count: put.count,
        duplicate: true,
    }
}

/// Compresses the body of a batch in place of the raw one, when that makes it shorter.
pub(crate) fn compress(
    choice: CompressionChoice,
    buffer: PoolBuffer,
    header: &mut BatchHeader,
    pool: &Arc<Pool>,
) -> PoolBuffer {
    let CompressionChoice::Zstd(level) = choice else {
        return buffer;
    };
    let raw_len = header.raw_len as usize;
    let Some(mut out) = pool.get(BATCH_HEADER_LEN + raw_len) else {
        return buffer; // no memory for it: raw is right too
    };
    let raw = &buffer[BATCH_HEADER_LEN..BATCH_HEADER_LEN + raw_len];
    match compression::compress(level, raw, &mut out[BATCH_HEADER_LEN..]) {
        Ok(Some(len)) => {
            header.compression = Compression::Zstd;
            header.stored_len = len as u32;
            header.body_crc =
                millstream_format::crc32c(&out[BATCH_HEADER_LEN..BATCH_HEADER_LEN + len]);
            out
        }
        Ok(None) => buffer,
        Err(error) => {
            tracing::warn!(%error, "a batch is stored uncompressed");
            buffer
        }
    }
}
