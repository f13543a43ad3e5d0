//! The segments of a shard as its directory has them: which is the active one, what is missing
//! between them, and what cannot be read behind it.

use std::{path::Path, sync::Arc};

use super::{names, scan::Scan, verdict::Verdict};
use crate::{
    error::{Damage, Error},
    ground::Ground,
    index::Checkpoint,
    options::{Durability, ShardOptions},
    read::{
        end::{end_of_batches, segment_end},
        walk::Spot,
    },
    segment::{Segment, SegmentHeader, SegmentList},
    sequence::{SequenceNumber, ShardId},
};

pub(super) struct Chain {
    /// Those before the active one, oldest first; an entry for missing ones among them.
    pub segments: Vec<Arc<Segment>>,
    /// The last one whose header is there, or can be made again.
    pub active: Arc<Segment>,
    pub header: SegmentHeader,
    /// What is wrong with its header, where that was made again.
    remade: Option<Damage>,
    /// Why its file is not as long as it was.
    short: Option<String>,
    /// One whose header is zeros, behind all others: it was made ahead, perhaps.
    pub ahead: Option<u64>,
    /// What lies behind the active one and cannot be read, newest first.
    lost: Vec<Arc<Segment>>,
    /// The sequence number that the index of a segment behind the active one ends with.
    indexed_end: u64,
}

impl Chain {
    pub(super) fn find(ground: &Ground, id: ShardId, dir: &Path) -> Result<Chain, Error> {
        let device = &*ground.device;
        let (ordinals, indexed) = names(device, dir)?;
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        for ordinal in &ordinals {
            let after = segments.last().map(|before| before.ordinal + 1);
            if let Some(missing) = after.filter(|expected| expected != ordinal) {
                segments.push(Segment::missing(id, dir, missing));
            }
            segments.push(Segment::new(id, dir, *ordinal));
        }
        // An index is made when its segment has long had its name.
        if let (Some(last), Some(indexed)) = (ordinals.last(), indexed)
            && indexed > *last
        {
            segments.push(Segment::missing(id, dir, last + 1));
        }
        let (mut ahead, mut lost, mut remade) = (None, Vec::<Arc<Segment>>::new(), None);
        let header = loop {
            let Some(last) = segments.last() else {
                // The oldest of them is where the damage begins.
                return Err(match lost.last().map(|oldest| oldest.header(device)) {
                    Some(Err(error)) => error,
                    _ => Error::NoShard { shard: id },
                });
            };
            let damage = match last.read_header(device) {
                Ok(Some(header)) => break header,
                // One that has an index was begun.
                Ok(None)
                    if ahead.is_none()
                        && lost.is_empty()
                        && indexed.is_none_or(|indexed| indexed < last.ordinal) =>
                {
                    ahead = Some(last.ordinal);
                    segments.pop();
                    continue;
                }
                Ok(None) => last.damage(0, 0, "the segment header is all zeros".into()),
                Err(Error::Damaged { damage, .. }) => (*damage).clone(),
                Err(error) if error.is_not_found() => last.damage(0, 0, String::new()),
                Err(error) => return Err(error),
            };
            match last.header(device) {
                Ok(header) => {
                    remade = Some(damage);
                    break header;
                }
                Err(Error::Damaged { .. }) => lost.extend(segments.pop()),
                Err(error) => return Err(error),
            }
        };
        segments.pop();
        let checkpoint = indexed.filter(|indexed| *indexed > header.ordinal);
        let checkpoint = checkpoint.and_then(|indexed| Checkpoint::of(device, dir, indexed));
        Ok(Chain {
            segments,
            active: Segment::begun(id, dir, header),
            header,
            remade,
            short: None,
            ahead,
            lost,
            indexed_end: checkpoint.map_or(0, |checkpoint| checkpoint.end_sequence),
        })
    }

    /// Makes the active segment durable as it is seen, and walks it.
    /// `options` are those with which the shard is opened today.
    pub(super) fn scan(
        &mut self,
        ground: &Ground,
        ceiling: Option<u64>,
        options: &ShardOptions,
    ) -> Result<Scan, Error> {
        let scan = Scan::run(
            ground,
            &self.active,
            &self.header,
            ceiling,
            options.durability,
        )?;
        let (len, said) = (scan.file_bytes, self.header.segment_bytes);
        let short = match &self.remade {
            None => len < said,
            // What its header said is not known.
            Some(_) => {
                let odd = !len.is_multiple_of(self.header.block.into());
                odd || len < said && len != options.segment_bytes
            }
        };
        self.short = short.then(|| format!("the file has {len} bytes of {said}"));
        // What the scan touched counts as resident until it is unmapped; a reader maps it again.
        ground.maps.unmap(&self.active);
        Ok(scan)
    }

    /// The segment that seemed made ahead is proven to hold what was acknowledged. Whether it is
    /// the active one now: else it is lost.
    pub(super) fn go_ahead(&mut self, ground: &Ground, dir: &Path) -> Result<bool, Error> {
        let Some(ordinal) = self.ahead.take() else {
            return Ok(false);
        };
        let id = self.active.shard;
        let ahead = Segment::new(id, dir, ordinal);
        let header = match ahead.header(&*ground.device) {
            Ok(header) => header,
            Err(Error::Damaged { .. }) => {
                self.lost.insert(0, ahead);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let reason = "the segment header is all zeros, yet acknowledged batches follow it";
        self.remade = Some(ahead.damage(0, 0, reason.into()));
        let before = std::mem::replace(&mut self.active, Segment::begun(id, dir, header));
        before.forget_index();
        self.segments.push(before);
        self.segments.extend(self.lost.drain(..).rev());
        self.header = header;
        Ok(true)
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> impl Iterator<Item = Arc<Segment>> {
        let upto = self.segments.iter().chain([&self.active]);
        upto.chain(self.lost.iter().rev()).cloned()
    }

    /// The first damage, with its numbers.
    pub(super) fn damage(
        &self,
        ground: &Ground,
        durability: Durability,
        scan: &Scan,
        verdict: &Verdict,
    ) -> Result<Option<Damage>, Error> {
        let list = SegmentList::new(self.all());
        let placed = |damage: Damage, at: &Segment| {
            let sequence = end_before(ground, &list, durability, at)?;
            let resume = self.resume(ground, at)?.map(SequenceNumber);
            let sequence = SequenceNumber(sequence.unwrap_or(self.header.base_sequence));
            Ok(Some(Damage {
                sequence,
                resume,
                ..damage
            }))
        };
        let missing = |segment: &Arc<Segment>| Some((segment.lost()?, Arc::clone(segment)));
        if let Some((damage, at)) = self.segments.iter().find_map(missing) {
            return placed(damage, &at);
        }
        if let Some(damage) = &self.remade {
            return placed(damage.clone(), &self.active);
        }
        if let Verdict::Damaged(damage) = verdict {
            return Ok(Some(damage.clone()));
        }
        if let Some(reason) = &self.short {
            let (offset, sequence) = (scan.end.offset, scan.end.sequence);
            return Ok(Some(self.active.damage(offset, sequence, reason.clone())));
        }
        match self.lost.last().and_then(missing) {
            Some((damage, at)) => placed(damage, &at),
            None => Ok(None),
        }
    }

    /// The first record of the first segment from one on that can be read.
    fn resume(&self, ground: &Ground, from: &Segment) -> Result<Option<u64>, Error> {
        for segment in self.all().filter(|s| s.ordinal >= from.ordinal) {
            match segment.header(&*ground.device) {
                Ok(header) => return Ok(Some(header.base_sequence)),
                Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Where the segment behind the active one is lost, and the last, says where that one ends: at the first
    /// hole behind which nothing is known to be durable. Nobody else would know what the scan saw.
    pub(super) fn end_before_lost(&self, ground: &Ground, scan: &Scan) -> Result<(), Error> {
        // What one further on knows to be durable may have been in those between.
        let next = self.active.ordinal + 1;
        if !matches!(&*self.lost, [only] if only.ordinal == next) {
            return Ok(());
        }
        let spot = Spot {
            segment: Arc::clone(&self.active),
            header: self.header,
            map: ground.maps.map(&*ground.device, &self.active)?,
            offset: scan.end.offset,
            sequence: scan.end.sequence,
        };
        let mut end = end_of_batches(spot, u64::MAX, Some(scan.watermark));
        end.last_time_ms = end.last_time_ms.max(scan.end.last_time_ms);
        self.active.set_end(end);
        Ok(())
    }

    /// Where records are lost at the end, of which nobody knows how many: the number after the
    /// last that is known.
    pub(super) fn lost_end(&self) -> Option<u64> {
        (self.short.is_some() || !self.lost.is_empty()).then_some(self.indexed_end)
    }
}

/// Where the last segment before `at` ends of which that is known.
fn end_before(
    ground: &Ground,
    list: &SegmentList,
    durability: Durability,
    at: &Segment,
) -> Result<Option<u64>, Error> {
    for segment in list.range(0..at.ordinal).iter().rev() {
        match segment_end(ground, list, durability, segment) {
            Ok(end) => return Ok(end.map(|end| end.sequence)),
            Err(Error::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
