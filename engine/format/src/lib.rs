//! The bytes of Millstream: records, batches, checksums and hash keys, with no input or output.
//!
//! The engine stores this layout, the wire carries it and the client builds it, so that a batch
//! made by a producer is written to the medium as it came. `docs/FORMAT.md` is the contract.
//!
//! - [`record`]: one record inside a batch body.
//! - [`batch`]: the header, the builder, the check of a batch made elsewhere, the stamp.
//! - [`compression`]: zstd of a batch body, with a bound on what comes out.
//! - [`hash_key`] and [`hash_range`]: from a partition key to a shard.
//! - [`base64`]: what JSON carries bytes in, decoded to where a batch has them.

pub mod base64;
pub mod batch;
mod checksum;
pub mod compression;
pub mod constants;
mod error;
pub mod hash_key;
pub mod hash_range;
pub mod record;

pub use batch::{
    BatchBuilder, BatchHeader, BatchLimits, Compression, PRODUCER_ENTRY_LEN, ProducerEntry,
    RawBody, Stamp,
};
pub use checksum::{crc32c, crc32c_append};
pub use constants::*;
pub use error::FormatError;
pub use hash_key::HashKey;
pub use hash_range::{HashRange, ShardRouter};
pub use record::{Record, RecordOutline, RecordView};
