//! The walk from batch to batch through one segment.

use millstream_format::{BATCH_HEADER_LEN, BatchHeader, BatchLimits, HashRange};

use super::{
    files::exists,
    report::{Finding, Note, NoteKind},
    survey::Visitor,
};
use crate::{
    error::{Damage, Error},
    io::device::{Device, File},
    read::{
        batch::Batch,
        walk::{Found, Spot},
    },
    segment::list::SegmentEnd,
    sequence::SequenceNumber,
};

/// Where the next segment says that the batches of this one end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Certain {
    pub offset: u64,
    pub sequence: u64,
}

/// What is known of a segment before it is walked.
pub(super) struct SegmentWalk<'a> {
    pub device: &'a dyn Device,
    pub file: &'a dyn File,
    /// The range of the shard.
    pub range: Option<HashRange>,
    /// The power may take the end of it.
    pub lossy: bool,
    pub certain: Option<Certain>,
    /// Below this its index knows records, which were acknowledged.
    pub noted: u64,
}

/// Records that by their keys belong elsewhere.
#[derive(Default)]
struct Misrouted {
    records: u64,
    first: u64,
}

impl SegmentWalk<'_> {
    /// Walks from a spot; `None` when the segment was dropped meanwhile.
    pub(super) fn run(
        &self,
        mut spot: Spot,
        previous_time_ms: u64,
        visitor: &mut dyn Visitor,
    ) -> Result<Option<SegmentEnd>, Error> {
        let length = spot.map.len() as u64;
        let short = length < spot.header.segment_bytes;
        let mut short_told = false;
        let end = self.certain.map_or(length, |certain| certain.offset);
        let mut watermark = spot.header.watermark.max(self.noted);
        let mut last_time_ms = spot.header.previous_last_time_ms.max(previous_time_ms);
        let mut misrouted = Misrouted::default();
        while spot.offset < end {
            let reason = match self.check(&spot, last_time_ms) {
                Ok(batch) => {
                    let header = *batch.header();
                    watermark = watermark.max(header.watermark);
                    last_time_ms = header.time_ms;
                    self.route(&batch, &mut misrouted);
                    visitor.batch(&spot, &batch)?;
                    spot.step(&header);
                    continue;
                }
                Err(reason) => reason,
            };
            let behind = spot.resume(end.min(length), self.most());
            let beyond = self
                .watermark_beyond(&spot, end.min(length))
                .map_err(Error::io("reading the segment", &spot.segment.path))?;
            let seen = watermark.max(beyond);
            if self.certain.is_none() && (seen <= spot.sequence || self.lossy) {
                if seen > spot.sequence {
                    visitor.note(lost_tail(&spot, &reason, seen));
                } else if behind.is_some() {
                    visitor.note(torn_tail(&spot, &reason));
                }
                break;
            }
            // A batch that was not there a moment ago may be by now: the store is in use. Or the
            // segment was dropped, and is written again as another one.
            if self.check(&spot, last_time_ms).is_ok() {
                continue;
            }
            if !exists(self.device, &spot.segment.path) {
                return Ok(None);
            }
            let next = match (&behind, self.certain) {
                (Some(behind), _) => behind.sequence,
                (None, Some(certain)) => certain.sequence.max(spot.sequence),
                (None, None) => seen.max(spot.sequence),
            };
            let mut damage = Damage {
                file: spot.segment.path.clone(),
                offset: spot.offset,
                sequence: SequenceNumber(spot.sequence),
                resume: behind.as_ref().map(|b| SequenceNumber(b.sequence)),
                reason,
            };
            if short && behind.is_none() {
                short_told = true;
                damage.offset = length;
                damage.reason = cut_short(length, spot.header.segment_bytes);
            }
            visitor.damage(Finding {
                shard: Some(spot.segment.shard),
                damage,
                end: Some(SequenceNumber(next)),
            });
            match behind {
                Some(behind) => spot = behind,
                None => {
                    spot.sequence = next;
                    spot.offset = self.certain.map_or(spot.offset, |certain| certain.offset);
                    break;
                }
            }
        }
        if let Some(certain) = self.certain
            && (spot.sequence, spot.offset) != (certain.sequence, certain.offset)
        {
            let reason = format!(
                "the next segment says that this one ends with record {} at byte {}",
                certain.sequence, certain.offset
            );
            visitor.damage(at(&spot, spot.offset, certain.sequence, reason));
            spot.sequence = spot.sequence.max(certain.sequence);
        }
        if length != spot.header.segment_bytes && !short_told {
            let reason = cut_short(length, spot.header.segment_bytes);
            visitor.damage(at(&spot, length, spot.sequence, reason));
        }
        if misrouted.records > 0 {
            visitor.note(Note {
                kind: NoteKind::Misrouted,
                text: format!(
                    "{} of its records, the first of them {}, belong to another shard by their keys: whoever put them routed wrongly",
                    misrouted.records, misrouted.first
                ),
            });
        }
        Ok(Some(SegmentEnd {
            offset: spot.offset,
            sequence: spot.sequence,
            last_time_ms,
        }))
    }

    /// No record of the segment has this number or a higher one.
    fn most(&self) -> u64 {
        self.certain.map_or(u64::MAX, |certain| certain.sequence)
    }

    /// Checks one batch wholly: header, checksum, framing, time.
    fn check(&self, spot: &Spot, last_time_ms: u64) -> Result<Batch, String> {
        let seen = match spot.look() {
            Found::Batch(header) => spot.batch(header, 0),
            Found::Nothing => Err("there is no batch".to_owned()),
            Found::Broken(reason) => Err(reason),
        };
        // The page cache may be behind direct writes of a process that has the store open.
        let batch = match seen {
            Ok(batch) => batch,
            Err(_) => spot
                .batch_from_medium(self.device, 0)
                .map_err(|error| match error {
                    Error::Damaged { damage, .. } => damage.reason.clone(),
                    other => other.to_string(),
                })?,
        };
        if batch.end().0 > self.most() {
            let last = batch.end().0 - 1;
            return Err(format!(
                "the batch there goes on to record {last}, and the next segment begins before"
            ));
        }
        let body = batch.body().map_err(|e| e.to_string())?;
        body.check(&BatchLimits::default())
            .map_err(|e| e.to_string())?;
        if batch.time_ms() < last_time_ms {
            return Err("its time is before that of the batch before".into());
        }
        Ok(batch)
    }

    fn route(&self, batch: &Batch, misrouted: &mut Misrouted) {
        let (Some(range), Ok(body)) = (self.range, batch.body()) else {
            return;
        };
        for (sequence, record) in (batch.header().first_sequence..).zip(body.records().flatten()) {
            if !range.contains(record.as_record().hash_key()) {
                if misrouted.records == 0 {
                    misrouted.first = sequence;
                }
                misrouted.records += 1;
            }
        }
    }

    /// The highest watermark in a header behind a place that does not verify.
    fn watermark_beyond(&self, spot: &Spot, end: u64) -> std::io::Result<u64> {
        let block = u64::from(spot.header.block);
        let mut highest = 0;
        let mut offset = spot.offset + block;
        while offset < end
            && let Some((from, to)) = self.file.next_data(offset)?
        {
            let from = (from / block * block).max(offset);
            for at in (from..to.min(end)).step_by(block as usize) {
                if let Some(bytes) = spot.map.bytes(at as usize, BATCH_HEADER_LEN)
                    && let Ok(Some(header)) = BatchHeader::decode(bytes)
                    && header.epoch == spot.header.epoch
                    && header.watermark <= header.first_sequence
                {
                    highest = highest.max(header.watermark);
                }
            }
            offset = to.max(offset + block);
        }
        Ok(highest)
    }
}

fn at(spot: &Spot, offset: u64, end: u64, reason: String) -> Finding {
    let end = end.max(spot.sequence);
    Finding {
        shard: Some(spot.segment.shard),
        damage: Damage {
            file: spot.segment.path.clone(),
            offset,
            sequence: SequenceNumber(spot.sequence),
            resume: Some(SequenceNumber(end)),
            reason,
        },
        end: Some(SequenceNumber(end)),
    }
}

fn cut_short(length: u64, said: u64) -> String {
    format!("the file has {length} bytes, its header says {said}")
}

fn torn_tail(spot: &Spot, reason: &str) -> Note {
    Note {
        kind: NoteKind::TornTail,
        text: format!(
            "a torn tail at byte {}: {reason}; what follows was never known to be acknowledged",
            spot.offset
        ),
    }
}

fn lost_tail(spot: &Spot, reason: &str, seen: u64) -> Note {
    Note {
        kind: NoteKind::LostTail,
        text: format!(
            "records {} to {} were written but not flushed, and are lost from byte {} on: {reason}",
            spot.sequence,
            seen - 1,
            spot.offset
        ),
    }
}
