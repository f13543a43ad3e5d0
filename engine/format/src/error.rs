use thiserror::Error;

/// What is wrong with bytes that should be a record or a batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end before what they announce.
    #[error("{what}: {have} bytes, {need} needed")]
    Short {
        /// What was being read.
        what: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// The first four bytes are not a batch's.
    #[error("not a batch: magic {found:#010x}")]
    Magic {
        /// What was found.
        found: u32,
    },
    /// A batch of another version.
    #[error("batch version {found}, this build reads {BATCH_VERSION}", BATCH_VERSION = crate::BATCH_VERSION)]
    Version {
        /// What was found.
        found: u8,
    },
    /// A checksum that does not match.
    #[error("{what} checksum is {found:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// Header or body.
        what: &'static str,
        /// As stored.
        found: u32,
        /// As computed.
        computed: u32,
    },
    /// A field with a value that no writer makes.
    #[error("{what} is {value}, {rule}")]
    Field {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What it must be.
        rule: &'static str,
    },
    /// A record over a limit.
    #[error("record {index}: {what} of {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Which record of its batch or request, from 0.
        index: u32,
        /// Data, key, record or batch.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A record's bytes break the framing.
    #[error("record {index} of the batch: {reason}")]
    Record {
        /// Which record of its batch, from 0.
        index: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// zstd refused.
    #[error("zstd: {reason}")]
    Compression {
        /// What it said, or which bound was broken.
        reason: String,
    },
}
