//! Positions, and the cursor that reads on from one.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use millstream_format::BatchHeader;

use super::{
    batch::{Batch, Place},
    walk::{Found, Spot},
};
use crate::{
    error::{Damage, Error},
    segment::{Segment, list::SegmentEnd},
    sequence::SequenceNumber,
    shard::{Shard, ShardCore},
};

/// Where to begin reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At the oldest record that is kept.
    Oldest,
    /// After the newest record: what is appended from now on.
    AfterLatest,
    /// At this sequence number, or the oldest kept when that is gone.
    At(SequenceNumber),
    /// After this sequence number.
    After(SequenceNumber),
    /// At the first record of this time (milliseconds since 1970) or later.
    AtTime(u64),
}

/// Reads the batches of a shard in order, up to the watermark.
#[derive(Debug, Clone)]
pub struct Cursor {
    shard: Arc<ShardCore>,
    next: u64,
    /// Where the batch of `next` is to be looked for, when that is known.
    spot: Option<Spot>,
    /// Where reading can go on behind the damage that was met last.
    behind_damage: Option<Spot>,
    /// Whether batches may be lent out of the buffers of the tail.
    tail: bool,
}

impl Cursor {
    pub(crate) fn new(shard: &Arc<ShardCore>, position: Position) -> Result<Cursor, Error> {
        let mut cursor = Cursor {
            shard: Arc::clone(shard),
            next: 0,
            spot: None,
            behind_damage: None,
            tail: true,
        };
        cursor.next = match position {
            Position::Oldest => cursor.oldest(),
            Position::AfterLatest => shard.watermark.get(),
            Position::At(sequence) => sequence.0,
            Position::After(sequence) => sequence.0.saturating_add(1),
            Position::AtTime(time_ms) => cursor.find_time(time_ms)?,
        };
        Ok(cursor)
    }

    fn oldest(&self) -> u64 {
        self.shard.oldest.load(Ordering::Acquire)
    }

    /// Sequence number of the next record to be read.
    #[must_use]
    pub fn position(&self) -> SequenceNumber {
        SequenceNumber(self.next)
    }

    /// Reads from the maps alone: what is lent from now on holds no buffer of the budget.
    pub(crate) fn leave_tail(&mut self) {
        self.tail = false;
    }

    /// Goes on at `sequence`, for instance behind damage.
    pub fn skip_to(&mut self, sequence: SequenceNumber) {
        self.next = sequence.0;
        self.spot = self
            .behind_damage
            .take()
            .filter(|s| s.sequence <= self.next);
    }

    /// Waits until there is something to read; `false` when `timeout` passes first.
    ///
    /// # Errors
    /// When the shard takes no more appends and everything has been read.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool, Error> {
        let shard = Shard {
            core: Arc::clone(&self.shard),
        };
        shard.wait_readable(SequenceNumber(self.next), timeout)
    }

    /// The batch with the next records; `None` when all that is readable has been read.
    ///
    /// # Errors
    /// [`Error::Damaged`] names a gap; the cursor stays before it, and
    /// [`Cursor::skip_to`] its `resume` goes on behind it.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            match self.try_next() {
                Ok(Some(batch)) => return Ok(Some(batch)),
                // Retention overtook the cursor in between.
                _ if self.next < self.oldest() => self.spot = None,
                other => return other,
            }
        }
    }

    fn try_next(&mut self) -> Result<Option<Batch>, Error> {
        // In this order: what the watermark covers has its place in the segments by then.
        if self.next >= self.shard.watermark.get() {
            return Ok(None);
        }
        let oldest = self.oldest();
        if self.next < oldest {
            self.next = oldest;
            self.spot = None;
        }
        if self.next >= self.shard.watermark.get() {
            return Ok(None);
        }
        if let Some(batch) = self.newest() {
            self.next = batch.end().0;
            self.spot = None;
            return Ok(Some(batch));
        }
        let mut spot = match self.spot.take() {
            Some(spot) => spot,
            None => match self.locate(self.next)? {
                Some(spot) => spot,
                None => return Ok(None),
            },
        };
        loop {
            if let Some(end) = self.end_of(&spot.segment)?
                && spot.offset >= end.offset
            {
                match self.start_of(spot.segment.ordinal + 1)? {
                    Some(next) => spot = next,
                    None => return Ok(None),
                }
                // Numbers may have been skipped between segments.
                self.next = self.next.max(spot.sequence);
                continue;
            }
            match self.read(&spot)? {
                Read::Pass(header) => spot.step(&header),
                Read::Batch(batch) => {
                    self.next = batch.end().0;
                    spot.step(batch.header());
                    self.spot = Some(spot);
                    return Ok(Some(batch));
                }
                Read::Damage(reason) => spot = self.pass_damage(spot, reason)?,
            }
        }
    }

    fn newest(&self) -> Option<Batch> {
        let buffer = self.tail.then(|| self.shard.tail.find(self.next))??;
        let header = BatchHeader::decode(&buffer).ok()??;
        Batch::verify(Place::Tail(buffer), header, self.next).ok()
    }

    /// Reads what lies at the spot: from the map, and when that does not verify, once more from
    /// the medium.
    fn read(&self, spot: &Spot) -> Result<Read, Error> {
        if let Found::Batch(header) = spot.look() {
            if header.end_sequence() <= self.next {
                return Ok(Read::Pass(header));
            }
            if let Ok(batch) = spot.batch(header, self.next) {
                return Ok(Read::Batch(batch));
            }
        }
        let device = &*self.shard.ground.device;
        match spot.batch_from_medium(device, self.next) {
            Ok(batch) if batch.end().0 <= self.next => Ok(Read::Pass(*batch.header())),
            Ok(batch) => Ok(Read::Batch(batch)),
            Err(Error::Damaged { damage, .. }) => Ok(Read::Damage(damage.reason.clone())),
            Err(error) => Err(error),
        }
    }

    /// The spot behind damage that does not touch what is to be read; else the damage.
    fn pass_damage(&mut self, spot: Spot, reason: String) -> Result<Spot, Error> {
        let limit = self
            .end_of(&spot.segment)?
            .map_or(spot.map.len() as u64, |e| e.offset);
        let behind = match spot.resume(limit) {
            Some(behind) => Some(behind),
            None => self.start_of(spot.segment.ordinal + 1)?,
        };
        let behind = behind.filter(|b| b.sequence < self.shard.watermark.get());
        if let Some(behind) = &behind
            && behind.sequence <= self.next
        {
            return Ok(behind.clone());
        }
        let damage = Damage {
            file: spot.segment.path.clone(),
            offset: spot.offset,
            sequence: SequenceNumber(spot.sequence.max(self.next)),
            resume: behind.as_ref().map(|b| SequenceNumber(b.sequence)),
            reason,
        };
        self.spot = Some(spot);
        self.behind_damage = behind;
        Err(Error::Damaged {
            shard: self.shard.id,
            damage: Arc::new(damage),
        })
    }

    /// Where the batches of a segment end; `None` for the active one.
    fn end_of(&self, segment: &Arc<Segment>) -> Result<Option<SegmentEnd>, Error> {
        self.shard.segment_end(segment)
    }

    fn spot(&self, segment: Arc<Segment>, at: Option<crate::index::Entry>) -> Result<Spot, Error> {
        let ground = &self.shard.ground;
        let header = segment.header(&*ground.device)?;
        let map = ground.maps.map(&*ground.device, &segment)?;
        let (offset, sequence) = match at {
            Some(entry) => (entry.offset, entry.sequence),
            None => (u64::from(header.block), header.base_sequence),
        };
        Ok(Spot {
            segment,
            header,
            map,
            offset,
            sequence,
        })
    }

    /// The first batch of a segment; `None` when there is no such segment yet.
    fn start_of(&self, ordinal: u64) -> Result<Option<Spot>, Error> {
        match self.shard.segments.get(ordinal) {
            Some(segment) => self.spot(segment, None).map(Some),
            None => Ok(None),
        }
    }

    /// Where to begin looking for a sequence number.
    fn locate(&self, sequence: u64) -> Result<Option<Spot>, Error> {
        let device = &*self.shard.ground.device;
        let found = self
            .shard
            .segments
            .find(device, |h| h.base_sequence <= sequence)?;
        let Some(segment) = found else {
            return Ok(None);
        };
        let entry = segment.with_index(device, |index| index.seek(sequence))?;
        let spot = self.spot(Arc::clone(&segment), entry)?;
        // The index is derived: what it says counts only when a batch there says the same.
        match spot.look() {
            Found::Batch(_) => Ok(Some(spot)),
            _ => self.spot(segment, None).map(Some),
        }
    }

    /// The sequence number of the first record at or after a time.
    fn find_time(&self, time_ms: u64) -> Result<u64, Error> {
        let end = self.shard.watermark.get();
        let device = &*self.shard.ground.device;
        let before = |h: &crate::segment::SegmentHeader| h.previous_last_time_ms < time_ms;
        let Some(segment) = self.shard.segments.find(device, before)? else {
            return Ok(end);
        };
        let entry = segment.with_index(device, |index| index.seek_time(time_ms))?;
        let mut spot = self.spot(Arc::clone(&segment), entry)?;
        if !matches!(spot.look(), Found::Batch(_)) {
            spot = self.spot(segment, None)?;
        }
        while spot.sequence < end {
            if let Some(segment_end) = self.end_of(&spot.segment)?
                && spot.offset >= segment_end.offset
            {
                match self.start_of(spot.segment.ordinal + 1)? {
                    Some(next) => spot = next,
                    None => break,
                }
                continue;
            }
            match spot.look() {
                Found::Batch(h) if h.count > 0 && h.time_ms >= time_ms => break,
                Found::Batch(h) => spot.step(&h),
                // Reading from here tells what is wrong.
                _ => break,
            }
        }
        Ok(spot.sequence.min(end).max(self.oldest()))
    }
}

enum Read {
    /// A batch wholly before what is to be read.
    Pass(BatchHeader),
    Batch(Batch),
    Damage(String),
}

impl ShardCore {
    /// Where the batches of a segment end; `None` for the active one.
    pub(crate) fn segment_end(&self, segment: &Arc<Segment>) -> Result<Option<SegmentEnd>, Error> {
        if let Some(end) = segment.end() {
            return Ok(Some(end));
        }
        let Some(next) = self.segments.get(segment.ordinal + 1) else {
            return Ok(segment.end());
        };
        let header = next.header(&*self.ground.device)?;
        let end = match header.previous_end_offset {
            // The header was lost.
            0 => self.walk_to_end(segment)?,
            offset => SegmentEnd {
                offset,
                sequence: header.previous_end_sequence,
                last_time_ms: header.previous_last_time_ms,
            },
        };
        segment.set_end(end);
        Ok(Some(end))
    }

    /// Where the batches of a sealed segment end by what they say themselves. Behind damage that
    /// is the end of the file: readers then meet the damage, and what follows it.
    fn walk_to_end(&self, segment: &Arc<Segment>) -> Result<SegmentEnd, Error> {
        let device = &*self.ground.device;
        let header = segment.header(device)?;
        let mut spot = Spot {
            segment: Arc::clone(segment),
            header,
            map: self.ground.maps.map(device, segment)?,
            offset: header.block.into(),
            sequence: header.base_sequence,
        };
        let mut last_time_ms = header.previous_last_time_ms;
        while let Found::Batch(batch) = spot.look() {
            last_time_ms = last_time_ms.max(batch.time_ms);
            spot.step(&batch);
        }
        let next = self.segments.get(segment.ordinal + 1);
        let next = next.map(|next| next.header(device)).transpose()?;
        let whole = next.is_none_or(|next| next.base_sequence <= spot.sequence);
        Ok(SegmentEnd {
            offset: if whole {
                spot.offset
            } else {
                spot.map.len() as u64
            },
            sequence: next.map_or(spot.sequence, |next| next.base_sequence),
            last_time_ms,
        })
    }
}
