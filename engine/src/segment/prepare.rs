//! Blocks ahead of the head: given to the file before a batch is submitted, so that a full
//! medium is back-pressure and not a failed write, and zeroed where writes are few and small, so
//! that a write changes no metadata.
//!
//! The writer asks ([`Prepared::room`]) before it submits. The preparer claims a range before
//! it zeroes it; the writer never enters a range whose zeroing has begun.

use std::time::Duration;

/// First chunk of a segment; later ones double while writing outruns them.
const FIRST_CHUNK: u64 = 64 * 1024;
/// Largest chunk.
const MAX_CHUNK: u64 = 32 * 1024 * 1024;
/// Largest range zeroed at a time: what a writer may have to wait for.
const MAX_ZEROING: u64 = 1024 * 1024;
/// Above this rate of use, zeroing ahead would cost the device more than it saves.
const ZEROING_RATE: u64 = 64 * 1024 * 1024;

/// What the writer may do with the range that it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Write.
    Ready,
    /// Wait for the preparer.
    Wanted,
    /// It does not fit in the segment.
    Never,
}

/// What the preparer is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Give blocks to this range (offset, length).
    Allocate(u64, u64),
    /// Write zeros over this range and sync; it is claimed.
    Zero(u64, u64),
    /// Nothing.
    Rest,
}

/// The state of one segment's blocks. Offsets in bytes; all are multiples of the block.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    segment_bytes: u64,
    /// Where the next batch goes.
    head: u64,
    /// Below this the file has blocks.
    allocated: u64,
    /// Between the head and this, blocks have been written once.
    written: u64,
    /// The range that the preparer is zeroing.
    zeroing: Option<(u64, u64)>,
    /// What the writer waits for.
    wanted: u64,
    /// Up to where blocks were asked for when the medium had no room; 0 since it has.
    refused: u64,
    chunk: u64,
    /// Head and time when blocks were last given, to tell the rate of use.
    last: (u64, Duration),
    /// Whether use is slow enough for zeroing to pay.
    zero_ahead: bool,
}

impl Prepared {
    /// A segment whose head is at `head`, with blocks up to `allocated`, of which those up to
    /// `written` have been written before.
    pub(crate) fn new(segment_bytes: u64, head: u64, allocated: u64, written: u64) -> Prepared {
        Prepared {
            segment_bytes,
            head,
            allocated,
            written,
            zeroing: None,
            wanted: 0,
            refused: 0,
            chunk: FIRST_CHUNK,
            last: (head, Duration::ZERO),
            zero_ahead: true,
        }
    }

    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Keeps the pace of the segment before.
    pub(crate) fn inherit_pace(&mut self, before: &Prepared) {
        self.chunk = before.chunk;
        self.zero_ahead = before.zero_ahead;
        self.last = (self.head, before.last.1);
    }

    /// Whether a batch of `len` bytes may go to the head now.
    pub(crate) fn room(&mut self, len: u64) -> Room {
        let end = self.head + len;
        if end > self.segment_bytes {
            return Room::Never;
        }
        let being_zeroed = self
            .zeroing
            .is_some_and(|(from, to)| from < end && self.head < to);
        if end > self.allocated || being_zeroed {
            self.wanted = self.wanted.max(end);
            return Room::Wanted;
        }
        Room::Ready
    }

    /// Bytes at the head that may be written now.
    pub(crate) fn ready_bytes(&self) -> u64 {
        let zeroing = self.zeroing.filter(|(_, to)| *to > self.head);
        let end = zeroing.map_or(self.allocated, |(from, _)| from.min(self.allocated));
        end.saturating_sub(self.head)
    }

    /// The writer submits `len` bytes at the head, for which there is room.
    pub(crate) fn advance(&mut self, len: u64) {
        self.head += len;
        if self.head >= self.wanted {
            self.wanted = 0;
        }
    }

    /// Whether the preparer should be told.
    pub(crate) fn is_low(&self) -> bool {
        let few = self.allocated < self.segment_bytes
            && self.allocated.saturating_sub(self.head) < self.chunk / 2;
        // It also keeps the pace, by which it is decided whether to zero.
        let look = (self.chunk / 8).max(FIRST_CHUNK);
        few || (self.to_zero().is_some() && self.head >= self.last.0 + look)
    }

    /// Whether more than half of the segment is used, so that the next one should be made.
    pub(crate) fn is_half_used(&self) -> bool {
        self.head > self.segment_bytes / 2
    }

    fn to_zero(&self) -> Option<(u64, u64)> {
        // A writer that waits does not wait for zeros as well.
        let lead = if self.wanted > 0 { FIRST_CHUNK } else { 0 };
        let from = self.written.max(self.head + lead);
        (from < self.allocated).then(|| (from, self.allocated.min(from + MAX_ZEROING)))
    }

    /// What the preparer should do now; a range to be zeroed is claimed by asking.
    pub(crate) fn next_chore(&mut self, now: Duration) -> Chore {
        let starved = self.is_starved();
        let left = self.allocated.saturating_sub(self.head);
        self.keep_pace(now, starved);
        let refused = self.refused > self.allocated;
        if self.allocated < self.segment_bytes && (starved || refused || left < self.chunk / 2) {
            let target = self
                .wanted
                .max(self.refused)
                .max(self.head + self.chunk)
                .min(self.segment_bytes);
            if target > self.allocated {
                return Chore::Allocate(self.allocated, target - self.allocated);
            }
        }
        if self.zero_ahead
            && self.zeroing.is_none()
            && let Some((from, to)) = self.to_zero()
        {
            self.zeroing = Some((from, to));
            return Chore::Zero(from, to - from);
        }
        Chore::Rest
    }

    fn keep_pace(&mut self, now: Duration, starved: bool) {
        let used = self.head.saturating_sub(self.last.0);
        let took = now.saturating_sub(self.last.1).as_micros().max(1) as u64;
        if used >= FIRST_CHUNK {
            self.zero_ahead = used.saturating_mul(1_000_000) / took < ZEROING_RATE;
            if starved || took < 100_000 {
                self.chunk = (self.chunk * 2).min(MAX_CHUNK);
            }
        }
        if used >= FIRST_CHUNK || took > 1_000_000 {
            self.last = (self.head, now);
        }
    }

    /// The blocks of a chore are there.
    pub(crate) fn allocated(&mut self, offset: u64, len: u64) {
        self.allocated = self.allocated.max(offset + len);
        self.refused = 0;
    }

    /// The zeros of a chore are on the medium, or the attempt is over.
    pub(crate) fn zeroed(&mut self, done: bool) {
        if let Some((_, to)) = self.zeroing.take() {
            if done {
                self.written = self.written.max(to);
            } else {
                self.zero_ahead = false;
            }
        }
    }

    /// Asks for all blocks of the segment, written once, whatever the pace.
    pub(crate) fn want_all(&mut self) {
        self.chunk = self.segment_bytes;
        self.zero_ahead = true;
    }

    /// Bytes at the head that were written before.
    pub(crate) fn written_ahead(&self) -> u64 {
        self.written.saturating_sub(self.head)
    }

    /// Whether the medium had no room when it was asked last.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused > 0
    }

    /// Whether the writer waits for blocks.
    pub(crate) fn is_starved(&self) -> bool {
        self.wanted > self.allocated
    }

    /// The medium has no room: ask for little the next time. What the writer waited for is taken
    /// back.
    pub(crate) fn refused(&mut self) {
        self.refused = self.refused.max(self.wanted);
        self.wanted = 0;
        self.chunk = FIRST_CHUNK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_batch_waits_for_blocks_and_not_for_zeros() {
        let mut p = Prepared::new(64 * MIB, 4096, 4096, 4096);
        assert_eq!(p.room(8192), Room::Wanted);
        let Chore::Allocate(offset, len) = p.next_chore(Duration::from_secs(1)) else {
            panic!("no blocks asked for");
        };
        assert!(offset == 4096 && len >= 8192);
        p.allocated(offset, len);
        let _ = p.next_chore(Duration::from_secs(1));
        assert_eq!(p.room(8192), Room::Ready);
        p.advance(8192);
        assert_eq!(p.head(), 12288);
    }

    #[test]
    fn a_batch_never_enters_a_range_being_zeroed() {
        let mut p = Prepared::new(64 * MIB, 4096, 4096 + MIB, 4096);
        let Chore::Zero(from, len) = p.next_chore(Duration::from_secs(1)) else {
            panic!("no zeroing");
        };
        assert_eq!((from, len), (4096, MIB));
        assert_eq!((p.room(8192), p.ready_bytes()), (Room::Wanted, 0));
        p.zeroed(true);
        assert_eq!((p.room(8192), p.ready_bytes()), (Room::Ready, MIB));
    }

    #[test]
    fn the_zeroing_begins_behind_the_head() {
        let mut p = Prepared::new(64 * MIB, 4096, 4096 + MIB, 4096);
        assert_eq!(p.room(65536), Room::Ready);
        p.advance(65536);
        let Chore::Zero(from, _) = p.next_chore(Duration::from_secs(9)) else {
            panic!("no zeroing");
        };
        assert_eq!(from, 4096 + 65536);
    }

    #[test]
    fn chunks_grow_under_load_and_stop_at_the_end_of_the_segment() {
        let mut p = Prepared::new(4 * MIB, 4096, 4096, 4096);
        let mut now = Duration::ZERO;
        let mut chunks = Vec::new();
        loop {
            match p.room(65536) {
                Room::Ready => p.advance(65536),
                Room::Never => break,
                Room::Wanted => match p.next_chore(now) {
                    Chore::Allocate(offset, len) => {
                        chunks.push(len);
                        p.allocated(offset, len);
                        now += Duration::from_micros(100);
                    }
                    Chore::Zero(..) => p.zeroed(true),
                    Chore::Rest => panic!("the writer waits and nobody works"),
                },
            }
        }
        assert!(chunks.len() < 10 && chunks.windows(2).any(|w| w[1] > w[0]));
        assert!(p.is_half_used());
    }
}
