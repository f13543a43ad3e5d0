//! Where the batches of a sealed segment end: by the header of the next one, and where that is
//! lost, by what the batches say themselves.

use std::{path::Path, sync::Arc};

use millstream_format::{BATCH_HEADER_LEN, BatchHeader};

use super::walk::{Found, Spot};
use crate::{
    error::Error,
    ground::Ground,
    index::Checkpoint,
    options::Durability,
    segment::{Segment, SegmentList, list::SegmentEnd},
    shard::ShardCore,
};

impl ShardCore {
    /// Where the batches of a segment end; `None` for the active one.
    pub(crate) fn segment_end(&self, segment: &Arc<Segment>) -> Result<Option<SegmentEnd>, Error> {
        segment_end(
            &self.ground,
            &self.segments,
            self.options.durability,
            segment,
        )
    }
}

/// Where the batches of a segment end; `None` for the last one.
pub(crate) fn segment_end(
    ground: &Ground,
    segments: &SegmentList,
    durability: Durability,
    segment: &Arc<Segment>,
) -> Result<Option<SegmentEnd>, Error> {
    if let Some(end) = segment.end() {
        return Ok(Some(end));
    }
    let Some(next) = segments.after(segment.ordinal) else {
        return Ok(segment.end());
    };
    let end = match next.header(&*ground.device) {
        Ok(header) if header.previous_end_offset > 0 && next.ordinal == segment.ordinal + 1 => {
            SegmentEnd {
                offset: header.previous_end_offset,
                sequence: header.previous_end_sequence,
                last_time_ms: header.previous_last_time_ms,
            }
        }
        Ok(_) | Err(Error::Damaged { .. }) => walk_to_end(ground, segments, durability, segment)?,
        Err(error) => return Err(error),
    };
    segment.set_end(end);
    Ok(Some(end))
}

fn walk_to_end(
    ground: &Ground,
    segments: &SegmentList,
    durability: Durability,
    segment: &Arc<Segment>,
) -> Result<SegmentEnd, Error> {
    let device = &*ground.device;
    let header = segment.header(device)?;
    let spot = Spot {
        segment: Arc::clone(segment),
        header,
        map: ground.maps.map(device, segment)?,
        offset: header.block.into(),
        sequence: header.base_sequence,
    };
    // No record of this segment has a number that a later one has; and what the next one knew to
    // be durable is not cut off by a hole. One further on also knows what the missing ones held.
    let (mut most, mut known) = (u64::MAX, 0);
    let mut later = segments.after(segment.ordinal);
    while let Some(next) = later {
        match next.header(device) {
            Ok(header) => {
                most = header.base_sequence;
                if next.ordinal == segment.ordinal + 1 {
                    known = header.watermark;
                }
                break;
            }
            Err(Error::Damaged { .. }) => later = segments.after(next.ordinal),
            Err(error) => return Err(error),
        }
    }
    let acknowledged = (durability == Durability::Durable).then(|| {
        // What an index covers had been acknowledged when it was made.
        let dir = segment.path.parent().unwrap_or(Path::new("."));
        let checkpoint = Checkpoint::load(device, dir, segment.ordinal, header.epoch);
        checkpoint.map_or(known, |checkpoint| checkpoint.end_sequence.max(known))
    });
    Ok(end_of_batches(spot, most, acknowledged))
}

/// Where the batches from a spot on end, by what they say themselves: at the first place with no
/// batch up to record `most` behind which none is known to have been acknowledged. What lies
/// further on may have been cut off, and its numbers given to other records. All below
/// `acknowledged` had been, and all below the watermarks shown; where it is `None` they prove
/// nothing, and the first hole is the end.
pub(crate) fn end_of_batches(mut spot: Spot, most: u64, acknowledged: Option<u64>) -> SegmentEnd {
    let length = spot.map.len() as u64;
    let mut shown = None;
    let mut last_time_ms = spot.header.previous_last_time_ms;
    loop {
        match spot.look() {
            Found::Batch(batch) if batch.end_sequence() <= most && spot.batch(batch, 0).is_ok() => {
                last_time_ms = last_time_ms.max(batch.time_ms);
                spot.step(&batch);
                continue;
            }
            _ => {}
        }
        let Some(known) = acknowledged else { break };
        let shown = *shown.get_or_insert_with(|| highest_watermark(&spot));
        match spot.resume(length, most) {
            Some(behind) if behind.sequence < known.max(shown).min(most) => spot = behind,
            _ => break,
        }
    }
    SegmentEnd {
        offset: spot.offset,
        sequence: spot.sequence,
        last_time_ms,
    }
}

/// The highest watermark in the headers of the segment's batches, from the spot on.
fn highest_watermark(spot: &Spot) -> u64 {
    let block = spot.header.block as usize;
    let from = usize::try_from(spot.offset).unwrap_or(usize::MAX);
    let mut highest = 0;
    for offset in (from..spot.map.len()).step_by(block) {
        let bytes = spot.map.bytes(offset, BATCH_HEADER_LEN).unwrap_or(&[]);
        if let Ok(Some(header)) = BatchHeader::decode(bytes)
            && header.epoch == spot.header.epoch
            && header.watermark <= header.first_sequence
        {
            highest = highest.max(header.watermark);
        }
    }
    highest
}
