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
        let found = match self.spot.take() {
            Some(spot) => Some(spot),
            None => {
                let way = self.locate(self.next)?;
                self.go(way, None)?
            }
        };
        let Some(mut spot) = found else {
            return Ok(None);
        };
        loop {
            let end = self.end_of(&spot.segment)?;
            if let Some(end) = end
                && spot.offset >= end.offset
            {
                let way = self.beyond(&spot, end)?;
                match self.go(way, Some(spot))? {
                    Some(next) => spot = next,
                    None => return Ok(None),
                }
                // Numbers may have been skipped between segments, and nothing come since.
                self.next = self.next.max(spot.sequence);
                if self.next >= self.shard.watermark.get() {
                    // Behind a jump there may be nothing yet.
                    self.spot = Some(spot);
                    return Ok(None);
                }
                continue;
            }
            // Batches end where the segment does and where the watermark stands, or before.
            let most = end.map_or_else(|| self.shard.watermark.get(), |end| end.sequence);
            match self.read(&spot, most)? {
                Read::Pass(header) => spot.step(&header),
                Read::Batch(batch) => {
                    self.next = batch.end().0;
                    spot.step(batch.header());
                    self.spot = Some(spot);
                    return Ok(Some(batch));
                }
                Read::Damage(reason) => {
                    let way = self.around(&spot, reason, end, most)?;
                    match self.go(way, Some(spot))? {
                        Some(behind) => spot = behind,
                        None => return Ok(None),
                    }
                }
            }
        }
    }

    fn newest(&self) -> Option<Batch> {
        let buffer = self.tail.then(|| self.shard.tail.find(self.next))??;
        let header = BatchHeader::decode(&buffer).ok()??;
        Batch::verify(Place::Tail(buffer), header, self.next).ok()
    }

    /// Reads what lies at the spot: from the map, and when that does not verify, once more from
    /// the medium. A batch that has numbers of `most` on does not belong there.
    fn read(&self, spot: &Spot, most: u64) -> Result<Read, Error> {
        if let Found::Batch(header) = spot.look()
            && header.end_sequence() <= most
        {
            if header.end_sequence() <= self.next {
                return Ok(Read::Pass(header));
            }
            if let Ok(batch) = spot.batch(header, self.next) {
                return Ok(Read::Batch(batch));
            }
        }
        let device = &*self.shard.ground.device;
        match spot.batch_from_medium(device, self.next) {
            Ok(batch) if batch.end().0 > most => Ok(Read::Damage(format!(
                "the batch there goes on to record {}, where all ends before {most}",
                batch.end().0 - 1,
            ))),
            Ok(batch) if batch.end().0 <= self.next => Ok(Read::Pass(*batch.header())),
            Ok(batch) => Ok(Read::Batch(batch)),
            Err(Error::Damaged { damage, .. }) => Ok(Read::Damage(damage.reason.clone())),
            Err(error) => Err(error),
        }
    }

    /// The way around what does not verify at a spot.
    fn around(
        &self,
        spot: &Spot,
        reason: String,
        end: Option<SegmentEnd>,
        most: u64,
    ) -> Result<Way, Error> {
        let limit = end.map_or(spot.map.len() as u64, |end| end.offset);
        let limit = spot.readable_end(&*self.shard.ground.device, limit);
        let behind = match (spot.resume(limit, most), end) {
            (Some(behind), _) => Some(behind),
            (None, Some(end)) => self.beyond(spot, end)?.spot,
            (None, None) => None,
        };
        Ok(Way {
            damage: Some(spot.segment.damage(spot.offset, spot.sequence, reason)),
            spot: behind,
        })
    }

    /// Goes on behind damage that does not touch what is to be read; else the damage is the
    /// error, and the cursor stays `here`.
    fn go(&mut self, way: Way, here: Option<Spot>) -> Result<Option<Spot>, Error> {
        let Some(damage) = way.damage else {
            return Ok(way.spot);
        };
        let end = self.shard.watermark.get();
        let behind = way.spot.filter(|behind| behind.sequence < end);
        if let Some(behind) = &behind
            && behind.sequence <= self.next
        {
            return Ok(Some(behind.clone()));
        }
        let damage = Damage {
            sequence: damage.sequence.max(SequenceNumber(self.next)),
            resume: behind.as_ref().map(|b| SequenceNumber(b.sequence)),
            ..damage
        };
        self.spot = here;
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

    /// The first batch of a segment, or of the first one after it that can be read.
    fn enter(&self, mut segment: Option<Arc<Segment>>) -> Result<Way, Error> {
        let mut way = Way::default();
        while let Some(at) = segment {
            match self.spot(Arc::clone(&at), None) {
                Ok(spot) => {
                    way.spot = Some(spot);
                    break;
                }
                Err(Error::Damaged { damage, .. }) => {
                    way.damage.get_or_insert_with(|| (*damage).clone());
                }
                // Retention goes before: where it removed the file, nothing is to be read there.
                Err(error) if error.is_not_found() => {
                    way.damage.get_or_insert_with(|| at.missing_file());
                }
                Err(error) => return Err(error),
            }
            segment = self.shard.segments.after(at.ordinal);
        }
        Ok(way)
    }

    /// The way from the end of a segment, where `spot` is, to the next one.
    fn beyond(&self, spot: &Spot, end: SegmentEnd) -> Result<Way, Error> {
        let next = self.shard.segments.after(spot.segment.ordinal);
        let mut way = self.enter(next)?;
        // A batch from before may lie where the last one was.
        let reached = spot.sequence.min(end.sequence);
        match (&mut way.damage, &way.spot) {
            (Some(damage), _) => damage.sequence = SequenceNumber(reached),
            (None, Some(next))
                if reached < end.sequence
                    || next.sequence > end.sequence && !next.header.jumped =>
            {
                let reason = "the last batches of the segment are not there".into();
                way.damage = Some(spot.segment.damage(end.offset, reached, reason));
            }
            (None, _) => {}
        }
        Ok(way)
    }

    /// Where to begin looking for a sequence number.
    fn locate(&self, sequence: u64) -> Result<Way, Error> {
        let device = &*self.shard.ground.device;
        let found = self
            .shard
            .segments
            .find(device, |h| h.base_sequence <= sequence)?;
        let way = self.enter(found)?;
        let (None, Some(first)) = (&way.damage, &way.spot) else {
            return Ok(way);
        };
        let entry = first
            .segment
            .with_index(device, |index| index.seek(sequence))?;
        let spot = self.spot(Arc::clone(&first.segment), entry)?;
        // The index is derived: what it says counts only when a batch there says the same.
        match spot.look() {
            Found::Batch(_) => Ok(Way::to(spot)),
            _ => Ok(way),
        }
    }

    /// The sequence number of the first record at or after a time.
    fn find_time(&self, time_ms: u64) -> Result<u64, Error> {
        let end = self.shard.watermark.get();
        let device = &*self.shard.ground.device;
        let before = |h: &crate::segment::SegmentHeader| h.previous_last_time_ms < time_ms;
        let found = self.shard.segments.find(device, before)?;
        let way = self.enter(found)?;
        let first = match way {
            Way {
                damage: None,
                spot: Some(first),
            } => first,
            // Of what is lost nobody knows the time: reading from there tells.
            Way {
                damage: Some(_), ..
            } => return Ok(self.oldest().min(end)),
            Way { .. } => return Ok(end),
        };
        let entry = first
            .segment
            .with_index(device, |index| index.seek_time(time_ms))?;
        let mut spot = self.spot(Arc::clone(&first.segment), entry)?;
        if !matches!(spot.look(), Found::Batch(_)) {
            spot = first;
        }
        while spot.sequence < end {
            if let Some(segment_end) = self.end_of(&spot.segment)?
                && spot.offset >= segment_end.offset
            {
                match self.beyond(&spot, segment_end)? {
                    Way {
                        damage: None,
                        spot: Some(next),
                    } => spot = next,
                    _ => break,
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

/// From one place of the log to the next that can be read.
#[derive(Debug, Default)]
struct Way {
    /// What lies between, where it cannot be read.
    damage: Option<Damage>,
    /// `None` when nothing follows, or not yet.
    spot: Option<Spot>,
}

impl Way {
    fn to(spot: Spot) -> Way {
        Way {
            damage: None,
            spot: Some(spot),
        }
    }
}

enum Read {
    /// A batch wholly before what is to be read.
    Pass(BatchHeader),
    Batch(Batch),
    Damage(String),
}
