//! A segment whose header is lost, by what its batches and its neighbours say.

use std::{io, sync::Arc};

use millstream_format::{BATCH_HEADER_LEN, BatchHeader};

use crate::{
    io::device::{File, Map},
    segment::{Segment, SegmentHeader},
};

/// Numbers are skipped by so many at least.
const JUMP: u64 = 1 << 32;

/// What is known around a segment whose header is lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// Bytes to which batches are padded.
    pub block: u32,
    /// Epoch of the segment before; 0 when there is none.
    pub before: u64,
    /// Sequence number after the last record before.
    pub expected: u64,
    /// Header of the segment after.
    pub next: Option<&'a SegmentHeader>,
}

/// What the batch headers in a segment say of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hearsay {
    /// A header as it may have been. Where the segment before ends is not known from it.
    pub header: SegmentHeader,
    /// The highest watermark in a batch header.
    pub watermark: u64,
}

impl Around<'_> {
    /// Whether a batch header is the segment's, and not left from a time when the file was
    /// another segment: those have sequence numbers below what is expected here.
    fn owns(&self, header: &BatchHeader, epoch: Option<u64>) -> bool {
        match (epoch, self.next) {
            (Some(epoch), _) => header.epoch == epoch,
            (None, Some(next)) => header.epoch == next.previous_epoch,
            (None, None) => {
                header.epoch != self.before
                    && header.first_sequence >= self.expected
                    && header.watermark <= header.first_sequence
            }
        }
    }

    /// Reads the batch headers of a segment; `None` when none of them is the segment's.
    pub(super) fn hear(
        &self,
        segment: &Arc<Segment>,
        file: &dyn File,
        map: &dyn Map,
    ) -> io::Result<Option<Hearsay>> {
        let block = u64::from(self.block);
        let mut heard: Option<Hearsay> = None;
        let mut offset = block;
        while let Some((from, to)) = file.next_data(offset)? {
            for at in (from / block * block..to).step_by(self.block as usize) {
                let bytes = map.bytes(at as usize, BATCH_HEADER_LEN).unwrap_or(&[]);
                let Ok(Some(batch)) = BatchHeader::decode(bytes) else {
                    continue;
                };
                if at < block || !self.owns(&batch, heard.map(|heard| heard.header.epoch)) {
                    continue;
                }
                let heard = heard.get_or_insert_with(|| Hearsay {
                    header: self.header(segment, map.len() as u64, at, &batch),
                    watermark: 0,
                });
                heard.watermark = heard.watermark.max(batch.watermark);
            }
            offset = to.max(offset + block);
        }
        Ok(heard)
    }

    fn header(
        &self,
        segment: &Segment,
        segment_bytes: u64,
        offset: u64,
        first: &BatchHeader,
    ) -> SegmentHeader {
        // Where the first batch is lost as well, its records are missed from where those of the
        // segment before end.
        let base = match offset == u64::from(self.block) {
            true => first.first_sequence,
            false => self.expected.min(first.first_sequence),
        };
        SegmentHeader {
            block: self.block,
            shard: segment.shard.0,
            ordinal: segment.ordinal,
            epoch: first.epoch,
            segment_bytes,
            base_sequence: base,
            watermark: first.watermark.min(base),
            created_ms: first.time_ms,
            previous_epoch: self.before,
            previous_end_offset: 0,
            previous_end_sequence: self.expected,
            previous_last_time_ms: 0,
            jumped: base.saturating_sub(self.expected) >= JUMP,
            trimmed: false,
        }
    }
}
