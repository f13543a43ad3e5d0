//! Frames of `application/vnd.amazon.eventstream`, in which SubscribeToShard answers.
//!
//! ```text
//! total length u32, length of the headers u32, CRC-32 of these eight bytes u32     big-endian
//! headers: length of the name u8, name, 7 (a text), length of the value u16, value
//! payload
//! CRC-32 of all before it u32
//! ```

use crc32fast::Hasher;

/// The content type of a body of frames.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

const PRELUDE_LEN: usize = 12;
const CRC_LEN: usize = 4;
const TYPE_STRING: u8 = 7;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameType<'a> {
    /// An event of this name.
    Event(&'a str),
    /// An exception of this name, which ends the stream.
    Exception(&'a str),
}

/// A frame that is being written at the end of a buffer: its payload is what is written to the
/// buffer until [`FrameWriter::finish`].
#[derive(Debug)]
#[must_use = "a frame is no frame before it is finished"]
pub(crate) struct FrameWriter {
    start: usize,
    payload: usize,
}

impl FrameWriter {
    /// Begins a frame whose payload has `content_type`.
    pub(crate) fn begin(out: &mut Vec<u8>, kind: FrameType<'_>, content_type: &str) -> FrameWriter {
        let start = out.len();
        out.extend([0; PRELUDE_LEN]);
        let (message, header, name) = match kind {
            FrameType::Event(name) => ("event", ":event-type", name),
            FrameType::Exception(name) => ("exception", ":exception-type", name),
        };
        put_header(out, ":message-type", message);
        put_header(out, header, name);
        put_header(out, ":content-type", content_type);
        FrameWriter {
            start,
            payload: out.len(),
        }
    }

    /// Writes lengths and checksums.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        let total = (out.len() - self.start + CRC_LEN) as u32;
        let headers = (self.payload - self.start - PRELUDE_LEN) as u32;
        let prelude = &mut out[self.start..self.start + PRELUDE_LEN];
        prelude[0..4].copy_from_slice(&total.to_be_bytes());
        prelude[4..8].copy_from_slice(&headers.to_be_bytes());
        let crc = crc32fast::hash(&prelude[..8]);
        prelude[8..].copy_from_slice(&crc.to_be_bytes());
        let mut hasher = Hasher::new();
        hasher.update(&out[self.start..]);
        out.extend(hasher.finalize().to_be_bytes());
    }
}

/// A whole frame.
pub(crate) fn frame(kind: FrameType<'_>, content_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 160);
    let writer = FrameWriter::begin(&mut out, kind, content_type);
    out.extend(payload);
    writer.finish(&mut out);
    out
}

/// Names and values are constants of ours and names of the model: both short.
fn put_header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(name.len() as u8);
    out.extend(name.as_bytes());
    out.push(TYPE_STRING);
    out.extend((value.len() as u16).to_be_bytes());
    out.extend(value.as_bytes());
}

#[cfg(test)]
mod tests;
