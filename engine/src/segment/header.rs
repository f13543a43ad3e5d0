//! The header of a segment, in its first block. It fits in one 512-byte sector, so that it is
//! there whole or not at all.

use millstream_format::{FormatError, crc32c};

/// First eight bytes of a segment.
const MAGIC: u64 = u64::from_le_bytes(*b"MSSEGMT1");
/// Version of the segment layout.
pub(crate) const SEGMENT_VERSION: u32 = 1;
/// Bytes of the header that are covered by its checksum, which follows them.
const LEN: usize = 124;
/// Bytes read to decode a header.
pub(crate) const SEGMENT_HEADER_LEN: usize = LEN + 4;

const FLAG_JUMPED: u32 = 1;
const FLAG_TRIMMED: u32 = 2;

const _: () = assert!(SEGMENT_HEADER_LEN <= 512);

/// What a segment says of itself and of the end of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Bytes to which batches are padded and aligned; the first batch is at this offset.
    pub block: u32,
    /// The shard.
    pub shard: u64,
    /// Place among the shard's segments.
    pub ordinal: u64,
    /// Random; in every batch of the segment.
    pub epoch: u64,
    /// Bytes of the file.
    pub segment_bytes: u64,
    /// Sequence number of the first record.
    pub base_sequence: u64,
    /// All sequence numbers below this were durable when the segment was begun.
    pub watermark: u64,
    /// Milliseconds since 1970 when it was begun.
    pub created_ms: u64,
    /// Epoch of the segment before, 0 for the first.
    pub previous_epoch: u64,
    /// Where the batches of the segment before end: byte offset.
    pub previous_end_offset: u64,
    /// Sequence number after the last record of the segment before.
    pub previous_end_sequence: u64,
    /// Time of the last record before this segment.
    pub previous_last_time_ms: u64,
    /// Sequence numbers were skipped: a `Written` shard was not closed cleanly.
    pub jumped: bool,
    /// Bytes after the end of the segment before were found at recovery, and are void.
    pub trimmed: bool,
}

impl SegmentHeader {
    /// The header in a block of zeros of the device's size.
    pub(crate) fn encode(&self, out: &mut [u8]) {
        let mut flags = 0;
        if self.jumped {
            flags |= FLAG_JUMPED;
        }
        if self.trimmed {
            flags |= FLAG_TRIMMED;
        }
        out.fill(0);
        out[0..8].copy_from_slice(&MAGIC.to_le_bytes());
        out[8..12].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.block.to_le_bytes());
        out[16..20].copy_from_slice(&flags.to_le_bytes());
        let fields = [
            self.shard,
            self.ordinal,
            self.epoch,
            self.segment_bytes,
            self.base_sequence,
            self.watermark,
            self.created_ms,
            self.previous_epoch,
            self.previous_end_offset,
            self.previous_end_sequence,
            self.previous_last_time_ms,
        ];
        for (i, field) in fields.iter().enumerate() {
            out[24 + 8 * i..32 + 8 * i].copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32c(&out[..LEN]);
        out[LEN..SEGMENT_HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header; `None` where the bytes are zero: the segment was not begun.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<SegmentHeader>, FormatError> {
        let Some(b) = bytes.first_chunk::<SEGMENT_HEADER_LEN>() else {
            return Err(FormatError::Short {
                what: "segment header",
                need: SEGMENT_HEADER_LEN,
                have: bytes.len(),
            });
        };
        if b.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u64_at(0) != MAGIC {
            return Err(FormatError::Magic { found: u32_at(0) });
        }
        let (found, computed) = (u32_at(LEN), crc32c(&b[..LEN]));
        if found != computed {
            return Err(FormatError::Checksum {
                what: "segment header",
                found,
                computed,
            });
        }
        let wrong = |what, value, rule| Err(FormatError::Field { what, value, rule });
        if u32_at(8) != SEGMENT_VERSION {
            return wrong("segment version", u32_at(8).into(), "this build reads 1");
        }
        let block = u32_at(12);
        if !block.is_power_of_two() || !(512..=65536).contains(&block) {
            return wrong(
                "segment block",
                block.into(),
                "it must be a power of two from 512 to 65536",
            );
        }
        let flags = u32_at(16);
        if flags & !(FLAG_JUMPED | FLAG_TRIMMED) != 0 || u32_at(20) != 0 {
            return wrong("segment flags", flags.into(), "this build knows fewer");
        }
        let field = |i: usize| u64_at(24 + 8 * i);
        if field(4) >= 1 << 63 {
            let rule = "no shard comes to 2^63, and the numbers of its records must have room";
            return wrong("base sequence number", field(4), rule);
        }
        Ok(Some(SegmentHeader {
            block,
            shard: field(0),
            ordinal: field(1),
            epoch: field(2),
            segment_bytes: field(3),
            base_sequence: field(4),
            watermark: field(5),
            created_ms: field(6),
            previous_epoch: field(7),
            previous_end_offset: field(8),
            previous_end_sequence: field(9),
            previous_last_time_ms: field(10),
            jumped: flags & FLAG_JUMPED != 0,
            trimmed: flags & FLAG_TRIMMED != 0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        block: 4096,
        shard: 1,
        ordinal: 2,
        epoch: 3,
        segment_bytes: 4,
        base_sequence: 5,
        watermark: 6,
        created_ms: 7,
        previous_epoch: 8,
        previous_end_offset: 9,
        previous_end_sequence: 10,
        previous_last_time_ms: 11,
        jumped: true,
        trimmed: false,
    };

    #[test]
    fn a_header_comes_back_and_every_bit_of_it_is_covered() {
        let mut block = vec![0xff; 4096];
        HEADER.encode(&mut block);
        assert_eq!(SegmentHeader::decode(&block), Ok(Some(HEADER)));
        for at in 0..SEGMENT_HEADER_LEN {
            block[at] ^= 0x10;
            assert!(SegmentHeader::decode(&block).is_err(), "byte {at}");
            block[at] ^= 0x10;
        }
    }

    #[test]
    fn zeros_are_a_segment_not_begun() {
        assert_eq!(SegmentHeader::decode(&[0; 4096]), Ok(None));
        assert!(SegmentHeader::decode(&[0; 100]).is_err());
    }
}
