//! The cap: what a push may take of the medium, and what goes to make room.
//!
//! The segment that is written to counts as if it were full, sealed ones count what they take. A
//! push is let in when it surely fits in the active segment, or when one more segment is within
//! the cap; so no roll ever goes beyond it. The gate orders pushes and is not held over input or
//! output; the ledger is held by whoever makes room.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use millstream_format::{BATCH_HEADER_LEN, Record};

use super::{
    SHARD,
    cursors::Cursors,
    options::{BufferOpenReport, BufferOptions, MAX_CURSORS, WhenFull},
};
use crate::{
    error::Error,
    io::device::Access,
    segment::{Segment, list::lock},
    sequence::SequenceNumber,
    shard::{Shard, ticket::Ticket},
};

/// Blocks for directories, the store's and lock file, a successor's and a cursor's first blocks.
const OTHER_BLOCKS: u64 = 24;
/// Blocks that a file may take beside its bytes, for the map of its extents.
const EXTENT_BLOCKS: u64 = 4;
/// What the preparer may give to a segment just opened although it is left.
const LEAVING_CHUNK: u64 = 128 << 10;
/// Bytes of a segment for one entry of its index, and bytes of that entry, with room to spare.
const INDEX: (u64, u64) = (64 << 10, 32);

/// A sealed segment.
#[derive(Debug, Clone, Copy)]
struct Sealed {
    ordinal: u64,
    base: u64,
    end: u64,
    bytes: u64,
}

/// The sealed segments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sealed: VecDeque<Sealed>,
    /// Where the segment after them begins. A quiet shard's stamp may begin another one at any
    /// moment: whoever asks where the sealed ones end must not look at the live one.
    active_base: u64,
    /// The lock of the store is given back, or will be: no file is touched any more.
    closed: bool,
}

impl Ledger {
    pub(super) fn check_open(&self) -> Result<(), Error> {
        match self.closed {
            true => Err(Error::Closed { shard: SHARD }),
            false => Ok(()),
        }
    }
}

/// The segment that is written to.
#[derive(Debug, Clone, Copy)]
struct Active {
    ordinal: u64,
    base: u64,
    bytes: u64,
    head: u64,
    /// It was made for a larger cap, and is given up for a smaller one.
    leaving: bool,
}

/// Pushes that were let in and whose place is not settled.
#[derive(Debug, Default)]
struct Gate {
    pending: VecDeque<(Ticket, u64)>,
    pending_bytes: u64,
    /// The active segment that may have a successor.
    may_roll: Option<u64>,
    /// The active segment when it would be beyond the cap if it were filled: a recovery has begun
    /// it, or the cap was lowered.
    beyond: Option<u64>,
}

impl Gate {
    fn settle(&mut self) {
        while let Some((ticket, bytes)) = self.pending.front()
            && ticket.outcome().is_some()
        {
            self.pending_bytes -= bytes;
            self.pending.pop_front();
        }
    }

    fn oldest(&self) -> Option<Ticket> {
        self.pending.front().map(|(ticket, _)| ticket.another())
    }
}

/// What a push has to do before it is tried again.
enum Before {
    WaitFor(Ticket),
    WaitForMemory,
    MakeRoom(u64, Option<Ticket>),
}

#[derive(Debug)]
pub(super) struct Space {
    shard: Shard,
    cursors: Arc<Cursors>,
    block: u64,
    cap: u64,
    when_full: WhenFull,
    segment_bytes: u64,
    gate: Mutex<Gate>,
    ledger: Mutex<Ledger>,
    dropped: AtomicU64,
}

impl Space {
    pub(super) fn new(shard: Shard, cursors: Arc<Cursors>, options: &BufferOptions) -> Space {
        Space {
            block: shard.core.ground.block as u64,
            shard,
            cursors,
            cap: options.cap_bytes,
            when_full: options.when_full,
            segment_bytes: options.segment_bytes(),
            gate: Mutex::default(),
            ledger: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    /// At an open: gets to know the segments, and goes below a cap that was lowered.
    pub(super) fn settle(&self) -> Result<(), Error> {
        let mut ledger = self.hold_fresh()?;
        let core = &self.shard.core;
        if core.ended().is_some() {
            return Ok(());
        }
        if self.active().bytes > self.segment_bytes {
            lock(&core.log).roll_wanted = true;
            core.call_writer();
        }
        self.reclaim(&mut ledger)?;
        while self.when_full == WhenFull::DropOldest
            && self.held(&ledger)? > self.cap
            && self.drop_oldest(&mut ledger)?
        {}
        if self.held(&ledger)? > self.cap {
            lock(&self.gate).beyond = Some(self.active().ordinal);
        }
        Ok(())
    }

    /// At an open, before anything else: sets each cursor to a place that there is.
    pub(super) fn settle_cursors(&self, report: &mut BufferOpenReport) -> Result<(), Error> {
        let ledger = self.hold_fresh()?;
        // Of a damaged shard nobody knows the end; it takes no records that could be passed over.
        if self.shard.core.ended().is_some() {
            return Ok(());
        }
        let end = self.shard.end().0;
        let next_held = |next| self.next_held(&ledger, next);
        self.cursors.settle(end, next_held, report)
    }

    /// While it is held no record goes, and no cursor is made or removed.
    pub(super) fn hold(&self) -> std::sync::MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// The same, with the segments as they are now.
    pub(super) fn hold_fresh(&self) -> Result<std::sync::MutexGuard<'_, Ledger>, Error> {
        let mut ledger = self.hold();
        self.refresh(&mut ledger)?;
        Ok(ledger)
    }

    /// Appends when the cap leaves room, or else makes some.
    pub(super) fn append(&self, records: &[Record<'_>]) -> Result<Ticket, Error> {
        let bytes: usize = records.iter().map(Record::encoded_len).sum();
        let need = ((BATCH_HEADER_LEN + bytes) as u64).next_multiple_of(self.block);
        if need > self.shard.core.batch_limit as u64 {
            // Too large for a batch: the shard has the words for it.
            return self.shard.try_append(records);
        }
        loop {
            let before = match self.enter(records, need)? {
                Ok(ticket) => return Ok(ticket),
                Err(before) => before,
            };
            match before {
                // What became of it is told to whoever pushed it.
                Before::WaitFor(ticket) => drop(ticket.wait()),
                Before::WaitForMemory => self.shard.room().wait(),
                Before::MakeRoom(ordinal, oldest) => match (self.make_room(ordinal), oldest) {
                    (Ok(()), _) => {}
                    // What is on its way was counted as if nothing of it would share a block.
                    (Err(Error::BufferFull { .. }), Some(oldest)) => drop(oldest.wait()),
                    (Err(error), _) => return Err(error),
                },
            }
        }
    }

    fn enter(&self, records: &[Record<'_>], need: u64) -> Result<Result<Ticket, Before>, Error> {
        let mut gate = lock(&self.gate);
        gate.settle();
        let active = self.active();
        // Two more blocks, for stamps: one that is due now, and one when all is quiet again.
        let most = gate.pending_bytes + need + 2 * self.block;
        let beyond = gate.beyond == Some(active.ordinal);
        if beyond || active.leaving || most > active.bytes.saturating_sub(active.head) {
            // A roll wastes the rest of a segment, a second one the cap: what is on its way must
            // fit in one.
            let crowded = gate.pending_bytes + need > self.segment_bytes / 2;
            if let (true, Some(oldest)) = (crowded, gate.oldest()) {
                return Ok(Err(Before::WaitFor(oldest)));
            }
            if beyond || gate.may_roll != Some(active.ordinal) {
                return Ok(Err(Before::MakeRoom(active.ordinal, gate.oldest())));
            }
        }
        match self.shard.try_append(records) {
            Ok(ticket) => {
                gate.pending.push_back((ticket.another(), need));
                gate.pending_bytes += need;
                Ok(Ok(ticket))
            }
            Err(Error::Full { .. }) => Ok(Err(Before::WaitForMemory)),
            Err(error) => Err(error),
        }
    }

    fn active(&self) -> Active {
        let log = lock(&self.shard.core.log);
        Active {
            ordinal: log.segment.ordinal,
            base: log.header.base_sequence,
            bytes: log.header.segment_bytes,
            head: log.prepared.head(),
            leaving: log.roll_wanted && log.header.segment_bytes > self.segment_bytes,
        }
    }

    fn index_bytes(&self, segment_bytes: u64) -> u64 {
        let (every, entry) = INDEX;
        ((segment_bytes / every + 2) * entry).next_multiple_of(self.block)
    }

    /// What a segment that is written to takes at most, with its index and the next one's.
    fn charge(&self, segment_bytes: u64) -> u64 {
        segment_bytes + 2 * self.index_bytes(segment_bytes) + EXTENT_BLOCKS * self.block
    }

    /// What the active segment counts for.
    fn charge_active(&self) -> Result<u64, Error> {
        let active = self.active();
        let core = &self.shard.core;
        if active.leaving
            && let Some(segment) = core.segments.get(active.ordinal)
        {
            let bytes = self.allocated(&segment)? + LEAVING_CHUNK;
            return Ok(bytes + self.index_bytes(active.bytes));
        }
        Ok(self.charge(active.bytes))
    }

    fn allocated(&self, segment: &Segment) -> Result<u64, Error> {
        let device = &*self.shard.core.ground.device;
        let file = device.open(&segment.path, Access::Read);
        match file.and_then(|file| file.allocated_bytes()) {
            // It is missing, which whoever reads there is told.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            other => other.map_err(Error::io("measuring the segment", &segment.path)),
        }
    }

    /// Bytes that count towards the cap.
    pub(super) fn held(&self, ledger: &Ledger) -> Result<u64, Error> {
        let others = 2 * (MAX_CURSORS as u64 + 1) + OTHER_BLOCKS;
        let sealed: u64 = ledger.sealed.iter().map(|s| s.bytes).sum();
        Ok(others * self.block + sealed + self.charge_active()?)
    }

    /// Lets the active segment have a successor, when that is within the cap or can be made so.
    fn make_room(&self, ordinal: u64) -> Result<(), Error> {
        let mut ledger = self.hold();
        let mut flushed = false;
        ledger.check_open()?;
        // Nothing is dropped for a push that will be refused.
        if let Some(error) = self.shard.core.ended() {
            return Err(error);
        }
        loop {
            if self.active().ordinal != ordinal {
                return Ok(());
            }
            self.refresh(&mut ledger)?;
            let held = self.held(&ledger)?;
            if self.admit(ordinal, held) {
                return Ok(());
            }
            if self.reclaim(&mut ledger)? > 0 {
                continue;
            }
            if !flushed {
                // Lazy acknowledgements free nothing before they are on the medium.
                self.cursors.flush()?;
                flushed = true;
                continue;
            }
            if self.when_full == WhenFull::DropOldest && self.drop_oldest(&mut ledger)? {
                continue;
            }
            let cap = self.cap;
            return Err(Error::BufferFull { held, cap });
        }
    }

    /// Lets the active segment be filled, or have a successor, when that is within the cap.
    fn admit(&self, ordinal: u64, held: u64) -> bool {
        let mut gate = lock(&self.gate);
        if gate.beyond == Some(ordinal) {
            if held <= self.cap {
                gate.beyond = None;
            }
            return gate.beyond.is_none();
        }
        if held + self.charge(self.segment_bytes) <= self.cap {
            gate.may_roll = Some(ordinal);
            return true;
        }
        false
    }

    /// Nothing goes from now on.
    pub(super) fn close(&self) {
        self.hold().closed = true;
    }

    /// Brings the ledger up to the shard's segments.
    fn refresh(&self, ledger: &mut Ledger) -> Result<(), Error> {
        let core = &self.shard.core;
        let active = self.active();
        ledger.active_base = active.base;
        let Some(first) = core.segments.first() else {
            return Ok(());
        };
        let sealed = &mut ledger.sealed;
        while sealed.front().is_some_and(|s| s.ordinal < first.ordinal) {
            sealed.pop_front();
        }
        let known = sealed.back().map_or(first.ordinal, |s| s.ordinal + 1);
        if known >= active.ordinal {
            return Ok(());
        }
        // Once it was had, the preparer gives no more blocks to a segment that is sealed.
        drop(lock(&core.preparing));
        for segment in core.segments.range(known..active.ordinal) {
            let before = sealed.back().map_or(0, |s| s.end);
            sealed.push_back(self.measure(&segment, before)?);
        }
        Ok(())
    }

    fn measure(&self, segment: &Arc<Segment>, before: u64) -> Result<Sealed, Error> {
        let core = &self.shard.core;
        let device = &*core.ground.device;
        let bytes = self.allocated(segment)?;
        // Damage is told by whoever reads there; the buffer goes on.
        let range = segment.header(device).and_then(|header| {
            let end = core.segment_end(segment)?;
            Ok((header, end.map_or(header.base_sequence, |e| e.sequence)))
        });
        let (base, end, index) = match range {
            Ok((header, end)) => (
                header.base_sequence,
                end,
                self.index_bytes(header.segment_bytes),
            ),
            Err(error) => {
                tracing::warn!(%error, "a segment's range is not known");
                (before, before, 0)
            }
        };
        Ok(Sealed {
            ordinal: segment.ordinal,
            base,
            end,
            bytes: bytes + index,
        })
    }

    /// Drops segments that every cursor has acknowledged; how many. Where the shard is damaged
    /// or a write has failed, everything stays as evidence.
    fn reclaim(&self, ledger: &mut Ledger) -> Result<usize, Error> {
        if self.shard.core.ended().is_some() {
            return Ok(0);
        }
        let Some(floor) = self.cursors.durable_floor() else {
            return Ok(0);
        };
        let dropped = self.shard.trim(SequenceNumber(floor))?;
        if dropped > 0 {
            self.refresh(ledger)?;
        }
        Ok(dropped)
    }

    /// The same after an acknowledgement, which has succeeded whatever becomes of this: what does
    /// not go now goes the next time.
    pub(super) fn reclaim_acknowledged(&self) {
        let core = &self.shard.core;
        let worthwhile = self.cursors.durable_floor().is_some_and(|floor| {
            let oldest = core.segments.first().filter(|_| core.segments.len() > 1);
            let end = oldest.and_then(|first| core.segment_end(&first).ok().flatten());
            end.is_some_and(|end| end.sequence <= floor)
        });
        if !worthwhile {
            return;
        }
        let mut ledger = self.hold();
        if !ledger.closed
            && let Err(error) = self.reclaim(&mut ledger)
        {
            tracing::warn!(%error, "an acknowledged segment was not removed; it will be tried again");
        }
    }

    /// Drops the oldest sealed segment; `false` when there is none that can go. The cursors that
    /// had not acknowledged all of it count the rest, on the medium, before it goes.
    fn drop_oldest(&self, ledger: &mut Ledger) -> Result<bool, Error> {
        let core = &self.shard.core;
        let Some(oldest) = ledger.sealed.front().copied() else {
            return Ok(false);
        };
        // The header of its successor is on its way.
        if ledger.sealed.len() == 1 && lock(&core.log).committed().offset == 0 {
            return Ok(false);
        }
        let now = core.ground.clock.monotonic();
        for cursor in self.cursors.known() {
            cursor.pass_dropped(oldest.base, oldest.end, now);
        }
        self.cursors.flush()?;
        if self.shard.trim(SequenceNumber(oldest.end))? == 0 {
            return Ok(false);
        }
        self.dropped
            .fetch_add(oldest.end - oldest.base, Ordering::Relaxed);
        self.refresh(ledger)?;
        Ok(true)
    }

    /// Records dropped at the cap since the open.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Records from `next` on: numbers may have been skipped between segments.
    pub(super) fn records_from(&self, ledger: &Ledger, next: u64) -> u64 {
        let active = (ledger.active_base, self.shard.end().0);
        let sealed = ledger.sealed.iter().map(|s| (s.base, s.end));
        let ranges = sealed.chain([active]);
        ranges
            .map(|(base, end)| end.saturating_sub(base.max(next)))
            .fold(0, u64::saturating_add)
    }

    /// The first record at or after `next` that is held, or the end.
    pub(super) fn next_held(&self, ledger: &Ledger, next: u64) -> u64 {
        let holds = ledger
            .sealed
            .iter()
            .find(|s| s.end > next && s.end > s.base);
        next.max(holds.map_or(ledger.active_base, |s| s.base))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{Buffer, CursorStart};

    #[test]
    fn a_segment_that_begins_while_the_ledger_is_held_hides_no_records() {
        let dir = tempfile::tempdir().unwrap();
        let buffer = Buffer::open(dir.path(), BufferOptions::default()).unwrap();
        buffer.create_cursor("one", CursorStart::Oldest).unwrap();
        for _ in 0..3 {
            buffer.push(b"record").unwrap();
        }
        let space = &buffer.inner.space;
        let ledger = space.hold_fresh().unwrap();
        let before = space.active().ordinal;
        let core = &space.shard.core;
        lock(&core.log).roll_wanted = true;
        core.call_writer();
        while space.active().ordinal == before {
            thread::yield_now();
        }
        assert_eq!(space.records_from(&ledger, 1), 2);
        assert_eq!(space.next_held(&ledger, 1), 1);
    }
}
