//! The frame: a header of fixed size, the meta, the payload.
//!
//! ```text
//!  0  length u32        bytes after this field
//!  4  crc u32           CRC-32C of bytes 8..24 and of the meta
//!  8  opcode u8         flags u8 (0)      zero u16
//! 12  meta length u32
//! 16  correlation u64
//! 24  meta, then payload
//! ```

use millstream_format::{crc32c, crc32c_append};
use thiserror::Error;

use crate::{CodecError, ErrorCode, MAX_META_BYTES, meta::MetaWriter};

/// Bytes of a frame header, the length field among them.
pub const FRAME_HEADER_LEN: usize = 24;
/// Bytes of the length field, which it does not count.
const LENGTH_LEN: usize = 4;
/// Lowest value of a length field: a header, no meta, no payload.
const MIN_LENGTH: u32 = (FRAME_HEADER_LEN - LENGTH_LEN) as u32;

/// What breaks the framing: the connection cannot go on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length field is over the limit.
    #[error("frame of {length} bytes, the limit is {limit}: send smaller ones")]
    TooLarge {
        /// What the field says.
        length: u32,
        /// The limit that holds on the connection.
        limit: u32,
    },
    /// The length field is less than a header.
    #[error(
        "frame length {length} is less than its header's {MIN_LENGTH}: this is not a Millstream frame"
    )]
    TooShort {
        /// What the field says.
        length: u32,
    },
    /// The meta does not fit in the frame, or is over its limit.
    #[error(
        "frame meta of {meta} bytes in a frame of length {length} (the limit is {MAX_META_BYTES})"
    )]
    Meta {
        /// What its length field says.
        meta: u32,
        /// Length of the frame.
        length: u32,
    },
    /// Fields that must be zero are not.
    #[error("frame flags are {found:#x}, this version knows none")]
    Flags {
        /// What was found.
        found: u32,
    },
    /// The checksum does not match.
    #[error("frame checksum is {found:#010x}, header and meta give {computed:#010x}")]
    Checksum {
        /// As sent.
        found: u32,
        /// As computed.
        computed: u32,
    },
}

impl FrameError {
    /// The code that a server answers with before it closes the connection.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            FrameError::TooLarge { .. } => ErrorCode::FrameTooLarge,
            FrameError::Checksum { .. } => ErrorCode::BadChecksum,
            _ => ErrorCode::BadFrame,
        }
    }
}

/// A decoded frame header. Its lengths are within the limits; the checksum is not checked before
/// [`FrameHeader::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The verb, an answer's or an error's opcode; not yet known to be one.
    pub opcode: u8,
    /// Ties an answer to its request.
    pub correlation: u64,
    /// Bytes of meta after the header.
    pub meta_len: usize,
    /// Bytes of payload after the meta.
    pub payload_len: usize,
    crc: u32,
    header_crc: u32,
}

impl FrameHeader {
    /// Reads a header; `limit` bounds its length field.
    ///
    /// # Errors
    /// When a length is over its limit or the fields contradict each other.
    pub fn decode(b: &[u8; FRAME_HEADER_LEN], limit: u32) -> Result<FrameHeader, FrameError> {
        let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let length = u32_at(0);
        if length > limit {
            return Err(FrameError::TooLarge { length, limit });
        }
        if length < MIN_LENGTH {
            return Err(FrameError::TooShort { length });
        }
        let found = u32_at(8) >> 8;
        if found != 0 {
            return Err(FrameError::Flags { found });
        }
        let meta = u32_at(12);
        if meta > MAX_META_BYTES || meta > length - MIN_LENGTH {
            return Err(FrameError::Meta { meta, length });
        }
        Ok(FrameHeader {
            opcode: b[8],
            correlation: u64::from(u32_at(16)) | u64::from(u32_at(20)) << 32,
            meta_len: meta as usize,
            payload_len: (length - MIN_LENGTH - meta) as usize,
            crc: u32_at(4),
            header_crc: crc32c(&b[8..]),
        })
    }

    /// Checks the checksum of header and meta.
    ///
    /// # Errors
    /// When it does not match.
    pub fn verify(&self, meta: &[u8]) -> Result<(), FrameError> {
        let computed = crc32c_append(self.header_crc, meta);
        if computed == self.crc {
            return Ok(());
        }
        Err(FrameError::Checksum {
            found: self.crc,
            computed,
        })
    }

    /// Bytes of the whole frame.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        FRAME_HEADER_LEN + self.meta_len + self.payload_len
    }
}

/// Header and meta of a frame at the front of a receive buffer, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead<'a> {
    /// The header.
    pub header: FrameHeader,
    /// The meta, which matches the checksum.
    pub meta: &'a [u8],
}

impl<'a> FrameHead<'a> {
    /// Reads header and meta from the front of `bytes`; `None` when more bytes are needed (see
    /// [`FrameHead::needed`]). The payload follows after [`FrameHead::len`] bytes and need not be
    /// there yet.
    ///
    /// # Errors
    /// What breaks the framing, as early as it can be seen.
    pub fn parse(bytes: &'a [u8], limit: u32) -> Result<Option<FrameHead<'a>>, FrameError> {
        let Some((header, rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let header = FrameHeader::decode(header, limit)?;
        let Some(meta) = rest.get(..header.meta_len) else {
            return Ok(None);
        };
        header.verify(meta)?;
        Ok(Some(FrameHead { header, meta }))
    }

    /// Bytes that [`FrameHead::parse`] needs at least, where it found too few in `bytes`.
    #[must_use]
    pub fn needed(bytes: &[u8]) -> usize {
        let Some(b) = bytes.first_chunk::<FRAME_HEADER_LEN>() else {
            return FRAME_HEADER_LEN;
        };
        let meta = u32::from_le_bytes([b[12], b[13], b[14], b[15]]).min(MAX_META_BYTES);
        FRAME_HEADER_LEN + meta as usize
    }

    /// Bytes of header and meta.
    #[must_use]
    pub fn len(&self) -> usize {
        FRAME_HEADER_LEN + self.meta.len()
    }

    /// Never: a header has 24 bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Appends header and meta of a frame to `out`; `payload_len` bytes of payload are to follow.
/// On error `out` is as it was.
pub(crate) fn encode_frame(
    out: &mut Vec<u8>,
    opcode: u8,
    correlation: u64,
    payload_len: usize,
    meta: impl FnOnce(&mut MetaWriter<'_>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let start = out.len();
    let result = append_frame(out, opcode, correlation, payload_len, meta);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn append_frame(
    out: &mut Vec<u8>,
    opcode: u8,
    correlation: u64,
    payload_len: usize,
    meta: impl FnOnce(&mut MetaWriter<'_>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let start = out.len();
    let body = start + FRAME_HEADER_LEN;
    out.resize(body, 0);
    meta(&mut MetaWriter::new(out))?;
    let meta_len = out.len() - body;
    if meta_len > MAX_META_BYTES as usize {
        return Err(CodecError::TooLong {
            what: "meta",
            len: meta_len,
        });
    }
    let length = FRAME_HEADER_LEN - LENGTH_LEN + meta_len + payload_len;
    let Ok(length) = u32::try_from(length) else {
        return Err(CodecError::TooLong {
            what: "frame",
            len: length,
        });
    };
    let frame = &mut out[start..];
    frame[0..4].copy_from_slice(&length.to_le_bytes());
    frame[8] = opcode;
    frame[12..16].copy_from_slice(&(meta_len as u32).to_le_bytes());
    frame[16..24].copy_from_slice(&correlation.to_le_bytes());
    let crc = crc32c(&frame[8..]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}
