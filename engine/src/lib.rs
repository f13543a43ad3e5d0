//! Millstream's storage engine: durable, ordered shards of records in mapped segment files.
//!
//! A [`Store`] is a directory that one process owns. It holds [`Shard`]s; a shard is an ordered
//! log of records, cut into segment files. [`Shard::append`] gives a [`Ticket`] that ends when
//! the records are durable; [`Shard::read`] gives a [`Cursor`] that lends verified [`Batch`]es
//! out of the map. The engine is synchronous and has threads of its own; a ticket can be waited
//! for on a thread or polled as a future.
//!
//! ```
//! use millstream_engine::{Position, Shard, ShardId, ShardOptions, Store, StoreOptions};
//! use millstream_engine::format::Record;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("store");
//! let store = Store::open(&path, StoreOptions::default())?;
//! let shard = store.create_shard(ShardId(1), ShardOptions::default())?;
//! let appended = shard.append(&[Record::new("key", b"data")])?.wait()?;
//! assert_eq!(appended.first.0, 0);
//!
//! let mut cursor = shard.read(Position::Oldest)?;
//! while let Some(batch) = cursor.next_batch()? {
//!     for record in batch.records() {
//!         let (sequence, record) = record?;
//!         println!("{sequence}: {:?}", record.data);
//!     }
//! }
//! store.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! Where things are:
//! - [`io`]: the device under everything, and the only unsafe code.
//! - `shard`: staging, commit, watermark; `writer`: the threads that run them.
//! - `segment`, `index`: files and what is derived from them.
//! - [`buffer`]: the embedded durable buffer on one shard of its own.
//! - `read`, `recover`, `retain`: cursors, opening, retention.
//! - [`inspect`], [`repair`], [`snapshot`]: a store from outside: looked at, saved, copied.

// Built for the models, everything below has locks, atomics and threads that a scheduler controls.
#[cfg(millstream_models)]
extern crate scheduled as crossbeam;
#[cfg(millstream_models)]
#[macro_use(thread_local)]
extern crate scheduled as std;
#[cfg(millstream_models)]
#[path = "../models/src/mod.rs"]
pub mod models;

pub mod buffer;
pub mod clock;
mod duplicate;
mod error;
mod ground;
mod index;
pub mod inspect;
pub mod io;
mod options;
mod read;
mod recover;
pub mod repair;
mod retain;
mod segment;
mod sequence;
mod shard;
mod signal;
pub mod snapshot;
mod store;
mod writer;

pub use buffer::{
    AcknowledgeMode, Buffer, BufferOpenReport, BufferOptions, BufferStats, CursorStart,
    CursorStatus, Peek, PeekedRecord, WhenFull,
};
pub use error::{Damage, Error};
pub use io::{
    device::{DeviceChoice, DeviceReport},
    pool::PoolBuffer,
};
pub use millstream_format as format;
pub use options::{
    CompressionChoice, Durability, Environment, Retention, ShardOptions, StoreOptions,
};
pub use read::{
    batch::Batch,
    cursor::{Cursor, Position},
};
pub use recover::OpenReport;
pub use sequence::{SequenceNumber, ShardId};
pub use shard::{
    Shard,
    producers::{RECENT_PRODUCERS, RECENT_PUTS},
    ready::ReadyBatch,
    status::{ShardState, ShardStatus},
    ticket::{Appended, Readable, Room, Ticket},
};
pub use store::{STORE_FORMAT, Store, StoreStats};
