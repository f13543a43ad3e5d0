//! The compaction thread: drops or recycles segments past retention, rolls segments that would
//! outlive it, and writes checkpoints of indexes.

use std::{
    io,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use super::policy::ClockWatch;
use crate::{
    clock::{Turn, Work},
    error::Error,
    ground::Ground,
    index::{Checkpoint, SparseIndex},
    inspect::files::exists,
    io::device::Access,
    options::{Durability, Retention},
    read::cursor::{Cursor, Position},
    segment::{
        Segment, file_name,
        list::{SegmentEnd, lock},
    },
    shard::{ShardCore, producers::Producers, staging::Condition},
    signal::Signal,
};

/// A segment is rolled when its first record is older than this part of the retention.
const ROLLS_PER_RETENTION: u64 = 24;
/// Bytes since the last checkpoint of an active segment that make another worth writing.
const CHECKPOINT_WORTH: u64 = 1 << 20;

/// What others ask of the reaper.
#[derive(Debug)]
pub(crate) struct Control {
    watch: Mutex<ClockWatch>,
}

impl Control {
    pub(crate) fn confirm_clock(&self) {
        lock(&self.watch).confirm();
    }

    /// Looks at every open shard; how many segments were dropped.
    pub(crate) fn reap(&self, ground: &Ground) -> Result<usize, Error> {
        let shards = ground.open_shards();
        let newest = shards
            .iter()
            .map(|s| s.last_time_ms.load(Ordering::Acquire))
            .max();
        let (wall, monotonic) = (ground.clock.wall_ms(), ground.clock.monotonic());
        let trusted = lock(&self.watch).is_trusted(wall, monotonic, newest.unwrap_or(0));
        let mut dropped = Ok(0);
        for shard in shards {
            match (shard.reap(wall, trusted), &mut dropped) {
                (Ok(more), Ok(sum)) => *sum += more,
                (Err(error), Ok(_)) => dropped = Err(error),
                (_, Err(_)) => {}
            }
        }
        dropped
    }
}

/// The reaper's work.
pub(crate) struct Reaper {
    ground: Arc<Ground>,
    control: Arc<Control>,
    signal: Arc<Signal>,
    interval: Duration,
    next: Duration,
}

impl Reaper {
    pub(crate) fn new(
        ground: Arc<Ground>,
        interval: Duration,
        settle: Duration,
    ) -> (Reaper, Arc<Control>) {
        let signal = Arc::new(Signal::default());
        ground.reaper.connect(Arc::clone(&signal) as _);
        let control = Arc::new(Control {
            watch: Mutex::new(ClockWatch::new(settle)),
        });
        let next = ground.clock.monotonic() + interval;
        let reaper = Reaper {
            ground,
            control: Arc::clone(&control),
            signal,
            interval,
            next,
        };
        (reaper, control)
    }
}

impl Work for Reaper {
    fn turn(&mut self, wait: bool) -> Turn {
        if self.ground.is_stopped() {
            return Turn::Done;
        }
        if wait && self.ground.reaper.is_empty() {
            let now = self.ground.clock.monotonic();
            self.signal
                .wait(self.next.saturating_sub(now).min(self.interval));
        }
        while let Some(shard) = self.ground.reaper.take() {
            shard.with_reaper.store(false, Ordering::SeqCst);
            if let Err(error) = shard.write_checkpoints() {
                tracing::warn!(%error, "an index was not written; it will be made again from the segment");
            }
        }
        let now = self.ground.clock.monotonic();
        if now >= self.next {
            self.next = now + self.interval;
            if !self.ground.is_closing()
                && let Err(error) = self.control.reap(&self.ground)
            {
                tracing::warn!(%error, "looking for segments past retention");
            }
        }
        Turn::Again
    }
}

impl ShardCore {
    /// Bytes of batches in the segments.
    pub(crate) fn bytes(&self) -> u64 {
        let log = lock(&self.log);
        let (active, committed) = (log.segment.ordinal, log.committed().offset);
        drop(log);
        let sealed = self.segments.range(0..active);
        let ends = sealed
            .iter()
            .filter_map(|segment| self.segment_end(segment).ok()?);
        // What headers say is not to be relied on.
        ends.fold(committed, |bytes, end| bytes.saturating_add(end.offset))
    }

    /// Drops segments past retention; how many.
    fn reap(self: &Arc<Self>, now_ms: u64, clock_trusted: bool) -> Result<usize, Error> {
        let _alone = lock(&self.reaping);
        if self.retired.load(Ordering::SeqCst) || self.is_evidence() {
            return Ok(0);
        }
        let Retention { age, bytes } = *lock(&self.retention);
        let age_ms = age
            .filter(|_| clock_trusted)
            .map(|age| age.as_millis() as u64);
        let mut held = if bytes.is_some() { self.bytes() } else { 0 };
        let mut dropped = 0;
        while let Some(first) = self.segments.first() {
            let Some(end) = self.known_end(&first)? else {
                break;
            };
            let too_old = age_ms.is_some_and(|age| end.last_time_ms.saturating_add(age) < now_ms);
            let too_much = bytes.is_some_and(|most| held > most);
            if !(too_old || too_much) {
                break;
            }
            drop(first);
            if !self.drop_first(end)? {
                break;
            }
            held = held.saturating_sub(end.offset);
            dropped += 1;
        }
        if let Some(age) = age_ms {
            let horizon_ms = now_ms.saturating_sub(age);
            if self.may_be_older_than(horizon_ms)? {
                let horizon = Cursor::new(self, Position::AtTime(horizon_ms))?;
                self.oldest
                    .fetch_max(horizon.position().0, Ordering::AcqRel);
            }
            self.roll_when_old(now_ms, age / ROLLS_PER_RETENTION)?;
        }
        Ok(dropped)
    }

    /// Whether a record may be older than a time, as far as can be told without a look at records:
    /// thousands of quiet shards are not to be mapped again and again.
    fn may_be_older_than(&self, time_ms: u64) -> Result<bool, Error> {
        if self.oldest.load(Ordering::Acquire) >= self.watermark.get() {
            return Ok(false);
        }
        let Some(first) = self.segments.first() else {
            return Ok(false);
        };
        match first.header(&*self.ground.device) {
            Ok(header) => Ok(header.created_ms < time_ms),
            Err(Error::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where the batches of a sealed segment end, if anything says so: one of which nobody knows
    /// is not dropped.
    fn known_end(&self, segment: &Arc<Segment>) -> Result<Option<SegmentEnd>, Error> {
        match self.segment_end(segment) {
            Err(Error::Damaged { .. }) => Ok(None),
            other => other,
        }
    }

    /// Whether its files are evidence, and stay as they are.
    fn is_evidence(&self) -> bool {
        matches!(lock(&self.stage).condition, Condition::ReadOnly(_))
    }

    /// Drops sealed segments whose records are all below `before`; how many.
    pub(crate) fn trim(&self, before: u64) -> Result<usize, Error> {
        let _alone = lock(&self.reaping);
        if self.retired.load(Ordering::SeqCst) || self.is_evidence() {
            return Ok(0);
        }
        let mut dropped = 0;
        while let Some(first) = self.segments.first() {
            let end = self.known_end(&first)?;
            let Some(end) = end.filter(|end| end.sequence <= before) else {
                break;
            };
            drop(first);
            if !self.drop_first(end)? {
                break;
            }
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Drops the first segment, which ends at `end`, unless the shard would not outlive a crash
    /// without it. Readers see the new oldest record first.
    fn drop_first(&self, end: SegmentEnd) -> Result<bool, Error> {
        let Some(next) = self.segments.second() else {
            return Ok(false);
        };
        let log = lock(&self.log);
        if Arc::ptr_eq(&log.segment, &next) && log.committed().offset == 0 {
            // The header of the successor is still on its way to the medium.
            return Ok(false);
        }
        drop(log);
        let device = &*self.ground.device;
        let base = match next.header(device) {
            Ok(header) => {
                self.keep_producers(&next, header.epoch)?;
                header.base_sequence
            }
            Err(Error::Damaged { .. }) => end.sequence,
            Err(error) => return Err(error),
        };
        self.oldest.fetch_max(base, Ordering::AcqRel);
        let Some(first) = self.segments.pop_first() else {
            return Ok(false);
        };
        let disposed = self.dispose(&first);
        if disposed.is_err() && device.open(&first.path, Access::Read).is_ok() {
            // A file that stays must stay on the list, or it would be missed at the next open.
            self.segments.push_front(first);
        }
        disposed.map(|()| true)
    }

    /// What the segments before `next` say of producers goes with them: before that it is to be in
    /// the index of that one.
    fn keep_producers(&self, next: &Arc<Segment>, epoch: u64) -> Result<(), Error> {
        if lock(&self.stage).producers.is_empty() {
            return Ok(());
        }
        let device = &*self.ground.device;
        let sealed = self.segment_end(next)?;
        let stored = Checkpoint::load(device, &self.dir, next.ordinal, epoch);
        if let (Some(end), Some(stored)) = (sealed, stored)
            && stored.end_sequence == end.sequence
        {
            return Ok(());
        }
        next.with_index(device, |_| ())?;
        let end = sealed.unwrap_or_else(|| lock(&self.log).committed());
        self.checkpoint(next, end, true)
    }

    /// Keeps a dropped segment's file to be written again, or unlinks it. A file that a reader
    /// still has mapped is never written again.
    fn dispose(&self, segment: &Arc<Segment>) -> Result<(), Error> {
        let device = &*self.ground.device;
        let io = || Error::io("dropping the segment", &segment.path);
        let held = Arc::strong_count(segment) > 1 || segment.is_mapped_elsewhere();
        self.ground.maps.unmap(segment);
        let index = self.dir.join(file_name::index(segment.ordinal));
        match device.remove_file(&index) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io()(e)),
            _ => {}
        }
        let mut spares = lock(&self.spares);
        let spare = self.dir.join(file_name::spare(segment.ordinal));
        let wanted = !held && spares.len() < self.ground.recycled_segments;
        // A file that has the name already is none that this shard gave it to.
        if wanted && !exists(device, &spare) {
            device.rename(&segment.path, &spare).map_err(io())?;
            spares.push(spare);
        } else {
            device.remove_file(&segment.path).map_err(io())?;
        }
        drop(spares);
        device.sync_dir(&self.dir).map_err(io())
    }

    /// Begins a new segment when the first record of the active one is older than `limit_ms`:
    /// a slow shard would keep its records long past retention.
    fn roll_when_old(self: &Arc<Self>, now_ms: u64, limit_ms: u64) -> Result<(), Error> {
        let mut log = lock(&self.log);
        if log.roll_wanted || log.is_failed() || !log.has_records() {
            return Ok(());
        }
        let segment = Arc::clone(&log.segment);
        let first = segment.with_index(&*self.ground.device, |index| {
            index.entries().first().map(|entry| entry.time_ms)
        })?;
        if first.is_some_and(|time_ms| time_ms.saturating_add(limit_ms) < now_ms) {
            log.roll_wanted = true;
            drop(log);
            self.call_writer();
        }
        Ok(())
    }

    /// Writes the indexes of segments sealed since, and of the active one when that saves the next
    /// open something.
    pub(crate) fn write_checkpoints(&self) -> Result<(), Error> {
        let _alone = lock(&self.reaping);
        if self.retired.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut sealed = std::mem::take(&mut *lock(&self.sealed));
        while let Some(segment) = sealed.pop() {
            if let Err(error) = self.checkpoint_sealed(&segment) {
                // The next call tries again.
                lock(&self.sealed).push(segment);
                lock(&self.sealed).append(&mut sealed);
                return Err(error);
            }
        }
        self.checkpoint_active()
    }

    fn checkpoint_sealed(&self, segment: &Arc<Segment>) -> Result<(), Error> {
        // It may be past retention by now.
        let kept = self.segments.get(segment.ordinal).is_some();
        let Some(end) = segment.end().filter(|_| kept) else {
            return Ok(());
        };
        // It is the last one: what it says of producers is asked for after a crash, too.
        self.checkpoint(segment, end, true)?;
        segment.forget_index();
        Ok(())
    }

    fn checkpoint_active(&self) -> Result<(), Error> {
        let mut log = lock(&self.log);
        if !log.take_checkpoint(CHECKPOINT_WORTH, self.ground.clock.monotonic()) {
            return Ok(());
        }
        let (segment, committed) = (Arc::clone(&log.segment), log.committed());
        drop(log);
        self.checkpoint(&segment, committed, false)
    }

    fn checkpoint(
        &self,
        segment: &Arc<Segment>,
        end: SegmentEnd,
        durable: bool,
    ) -> Result<(), Error> {
        let device = &*self.ground.device;
        if segment.end().is_none() && self.options.durability == Durability::Written {
            // Recovery begins where an index ends: nothing before that may be missing.
            let file = lock(&self.log).file();
            let flushed = file.map_or(Ok(()), |file| self.flush(&*file));
            flushed.map_err(Error::io("flushing the segment", &segment.path))?;
        }
        let entries = segment.index_now().entries().to_vec();
        let entries = entries
            .into_iter()
            .filter(|entry| entry.offset < end.offset);
        // What is not durable yet must not pass for taken after a crash.
        let mut producers = Producers::default();
        for put in lock(&self.stage).producers.to_puts() {
            if put.first + u64::from(put.count) <= end.sequence {
                producers.note(put);
            }
        }
        let checkpoint = Checkpoint {
            epoch: segment.header(device)?.epoch,
            ordinal: segment.ordinal,
            end_offset: end.offset,
            end_sequence: end.sequence,
            last_time_ms: end.last_time_ms,
            index: SparseIndex::from_entries(entries.collect()).unwrap_or_default(),
            producers,
        };
        checkpoint.store(device, &self.dir, durable)
    }
}
