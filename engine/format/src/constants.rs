//! Every size and limit of the format, in one place for writers and readers.

/// First four bytes of a batch, little-endian: "MSB1".
pub const BATCH_MAGIC: u32 = u32::from_le_bytes(*b"MSB1");
/// Version of the batch layout that this build writes, and the only one it reads.
pub const BATCH_VERSION: u8 = 1;
/// Bytes of a batch header.
pub const BATCH_HEADER_LEN: usize = 64;
/// Bytes in front of a record's key: data length, key length, flags.
pub const RECORD_HEADER_LEN: usize = 8;
/// Bytes of an explicit hash key, present when a record's flag says so.
pub const EXPLICIT_HASH_LEN: usize = 16;
/// Records start at multiples of this many bytes from the start of the body.
pub const RECORD_ALIGN: usize = 8;
/// Largest partition key in bytes: 256 characters of up to four bytes.
pub const MAX_KEY_BYTES: usize = 1024;
/// Most characters in a partition key.
pub const MAX_KEY_CHARS: usize = 256;
/// Largest record in bytes, data and partition key together (10 MiB, as Kinesis allows at most).
pub const MAX_RECORD_BYTES: usize = 10 * 1024 * 1024;
/// Largest body of a batch in bytes, compressed or not: with its header and padding, 16 MiB.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024 - 4096;
/// Most producer entries in one batch.
pub const MAX_PRODUCERS: usize = u16::MAX as usize;

const _: () = assert!(BATCH_HEADER_LEN.is_multiple_of(RECORD_ALIGN));
const _: () = assert!(
    MAX_RECORD_BYTES + RECORD_HEADER_LEN + EXPLICIT_HASH_LEN + RECORD_ALIGN < MAX_BODY_BYTES
);
const _: () = assert!(MAX_KEY_BYTES <= u16::MAX as usize);
