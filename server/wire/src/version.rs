//! Versions of the protocol, and every limit that both sides keep.

/// First bytes of the meta of a Hello.
pub const MAGIC: [u8; 8] = *b"MSTREAM\0";
/// Highest version of the protocol that this build speaks.
pub const VERSION: u16 = 2;
/// Lowest version of the protocol that this build speaks.
pub const LOWEST_VERSION: u16 = 1;
/// First version in which a server may ask a client who it is.
pub const CHALLENGE_VERSION: u16 = 2;
/// Longest frame that a side accepts unless told otherwise: a batch of the largest size, and room
/// for its meta. Counted like the length field: without that field's own four bytes.
pub const DEFAULT_FRAME_LIMIT: u32 = 17 << 20;
/// Lowest frame limit that can be agreed on.
pub const MIN_FRAME_LIMIT: u32 = 64 << 10;
/// Most bytes of meta in a frame.
pub const MAX_META_BYTES: u32 = 1 << 20;
/// Most records in one Put, so that its answer fits in the meta.
pub const MAX_PUT_RECORDS: u32 = 32_768;
/// Most batches in one PutBatches.
pub const MAX_PUT_BATCHES: usize = 1024;
/// Most shards in one answer; the rest is asked for by first index.
pub const MAX_SHARDS_PER_PAGE: usize = 8192;
/// Most streams in one answer; the rest is asked for by the last name.
pub const MAX_STREAMS_PER_PAGE: usize = 1000;
/// Longest message in an error in bytes; longer ones are cut when they are encoded.
pub const MAX_MESSAGE_BYTES: usize = 1024;
/// Longest stream name in bytes.
pub const MAX_STREAM_NAME_BYTES: usize = 128;
/// Requests that a connection may have unanswered, unless the server says otherwise.
pub const DEFAULT_WINDOW: u32 = 256;

/// The version to speak with a peer that offers `min` to `max`: the highest that both know.
#[must_use]
pub fn choose_version(min: u16, max: u16) -> Option<u16> {
    let highest = max.min(VERSION);
    (min.max(LOWEST_VERSION) <= highest).then_some(highest)
}
