//! A segment whose header is lost, read by what its batches and its neighbours say.

use std::{path::Path, sync::Arc};

use millstream_format::{BATCH_HEADER_LEN, BatchHeader};

use super::{Segment, SegmentHeader, file_name};
use crate::{
    index::Checkpoint,
    io::device::{Access, Device, Map},
    read::{end::end_of_batches, walk::Spot},
    sequence::JUMP,
};

/// Most lost headers in a row that are made again one from the other.
const MOST_IN_A_ROW: u32 = 8;

/// What is known of a segment from the one before it.
struct Before {
    epoch: u64,
    segment_bytes: u64,
    /// Its first batch.
    start: Spot,
    /// Sequence number after its last record, as far as its batches go on without a hole.
    end: u64,
}

impl Segment {
    /// The header as far as it can be made again; `None` when nothing in the file is certain to
    /// belong to this segment. Where the segment before ends is not known from it: an end offset
    /// of 0.
    pub(super) fn remade_header(self: &Arc<Self>, device: &dyn Device) -> Option<SegmentHeader> {
        self.remade_in_a_row(device, MOST_IN_A_ROW)
    }

    fn remade_in_a_row(self: &Arc<Self>, device: &dyn Device, most: u32) -> Option<SegmentHeader> {
        let most = most.checked_sub(1)?;
        let dir = self.path.parent()?;
        let next = self.ordinal.checked_add(1).and_then(|ordinal| {
            let next = Segment::new(self.shard, dir, ordinal);
            next.read_header(device).ok()?
        });
        let before = self.ordinal.checked_sub(1).and_then(|ordinal| {
            let before = Segment::new(self.shard, dir, ordinal);
            before.look_back(device, most)
        });
        let block = next.map_or(device.report().block as u32, |next| next.block);
        let map = device.open(&self.path, Access::Read).ok()?.map().ok()?;
        let mut spot = Spot {
            segment: Arc::clone(self),
            header: SegmentHeader {
                block,
                shard: self.shard.0,
                ordinal: self.ordinal,
                epoch: 0,
                // It may have been cut short: then it is not as long as the one before.
                segment_bytes: before
                    .as_ref()
                    .map_or(0, |before| before.segment_bytes)
                    .max(map.len() as u64),
                base_sequence: 0,
                watermark: 0,
                created_ms: 0,
                previous_epoch: before.as_ref().map_or(0, |before| before.epoch),
                previous_end_offset: 0,
                previous_end_sequence: 0,
                previous_last_time_ms: 0,
                jumped: false,
                trimmed: false,
            },
            map,
            offset: block.into(),
            sequence: 0,
        };
        let ours = |batch: &BatchHeader| match (&next, &before) {
            (Some(next), _) => batch.epoch == next.previous_epoch,
            // What a recycled file held before is older than the segment before.
            (None, Some(before)) => {
                batch.epoch != before.epoch && batch.first_sequence >= before.end
            }
            (None, None) => self.ordinal == 0,
        };
        // A shard's first file is never one that held something before: what has the lowest
        // numbers is its own, whatever was written over it.
        let lowest = next.is_none() && before.is_none();
        let first = first_batch(&mut spot, lowest, ours)?;
        let indexed = indexed_base(device, dir, self.ordinal, first.epoch, block.into());
        let base = match (indexed, before.as_ref()) {
            // Whatever lies in the place of the first batch by now.
            (Some(base), _) => base,
            (None, _) if spot.offset == u64::from(block) => first.first_sequence,
            // The first batch is damaged, too. What this one knows to be durable in the segment
            // before goes on behind a hole.
            (None, Some(before)) => {
                let (start, until) = (before.start.clone(), first.first_sequence);
                end_of_batches(start, until, Some(first.watermark)).sequence
            }
            (None, None) => match self.is_oldest(device, dir)? {
                true => 0,
                false => first.first_sequence,
            },
        };
        let base = base.min(first.first_sequence);
        Some(SegmentHeader {
            epoch: first.epoch,
            base_sequence: base,
            watermark: first.watermark.min(base),
            created_ms: first.time_ms,
            previous_end_sequence: base,
            // Not less than it was: whoever seeks a time begins a segment earlier at worst.
            previous_last_time_ms: first.time_ms,
            jumped: before.is_some_and(|before| base >= before.end.saturating_add(JUMP)),
            ..spot.header
        })
    }

    fn look_back(self: Arc<Self>, device: &dyn Device, most: u32) -> Option<Before> {
        let header = match self.read_header(device) {
            Ok(Some(header)) => header,
            _ => self.remade_in_a_row(device, most)?,
        };
        let map = device.open(&self.path, Access::Read).ok()?.map().ok()?;
        let spot = Spot {
            segment: Arc::clone(&self),
            header,
            map,
            offset: header.block.into(),
            sequence: header.base_sequence,
        };
        Some(Before {
            epoch: header.epoch,
            segment_bytes: header.segment_bytes,
            end: end_of_batches(spot.clone(), u64::MAX, None).sequence,
            start: spot,
        })
    }

    /// Whether there is no file of a segment before it.
    fn is_oldest(&self, device: &dyn Device, dir: &Path) -> Option<bool> {
        let older = |name: &str| match file_name::parse(name) {
            Some(file_name::Name::Segment(ordinal)) => ordinal < self.ordinal,
            _ => false,
        };
        let entries = device.list(dir).ok()?;
        Some(!entries.iter().any(|entry| older(&entry.name)))
    }
}

/// The first record of a segment by its index, where that begins with the first batch.
fn indexed_base(
    device: &dyn Device,
    dir: &Path,
    ordinal: u64,
    epoch: u64,
    block: u64,
) -> Option<u64> {
    let checkpoint = Checkpoint::load(device, dir, ordinal, epoch)?;
    let first = checkpoint.index.entries().first()?;
    (first.offset == block).then_some(first.sequence)
}

/// Moves to the first batch that verifies and is `ours`; or to the one with the `lowest` numbers of
/// all, where no others were in the file before.
fn first_batch(
    spot: &mut Spot,
    lowest: bool,
    ours: impl Fn(&BatchHeader) -> bool,
) -> Option<BatchHeader> {
    let block = u64::from(spot.header.block);
    let map: Arc<dyn Map> = Arc::clone(&spot.map);
    let mut first: Option<(u64, BatchHeader)> = None;
    while let Some(bytes) = map.bytes(usize::try_from(spot.offset).ok()?, BATCH_HEADER_LEN) {
        if let Ok(Some(header)) = BatchHeader::decode(bytes)
            && ours(&header)
            && header.watermark <= header.first_sequence
            && first.is_none_or(|(_, first)| header.first_sequence < first.first_sequence)
        {
            spot.sequence = header.first_sequence;
            spot.header.epoch = header.epoch;
            if spot.batch(header, 0).is_ok() {
                first = Some((spot.offset, header));
                if !lowest {
                    break;
                }
            }
        }
        spot.offset += block;
    }
    let (offset, header) = first?;
    spot.offset = offset;
    spot.sequence = header.first_sequence;
    spot.header.epoch = header.epoch;
    Some(header)
}
