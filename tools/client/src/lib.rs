//! The async client of Millstream's binary protocol.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use millstream_client::{Client, CreateStream, ProducerOptions};
//!
//! let client = Client::connect("127.0.0.1:7071").await?;
//! client.create_stream("clicks", CreateStream { shards: 4, ..Default::default() }).await?;
//! let producer = client.producer("clicks", ProducerOptions::default()).await?;
//! let delivery = producer.send("user-7", None, b"hello").await?;
//! let at = delivery.await?;
//! println!("shard {} sequence {}", at.shard, at.sequence);
//! producer.close().await?;
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

pub mod batch;
mod client;
mod connection;
pub mod delivery;
mod error;
mod follower;
pub mod options;
mod producer;
mod random;
mod reader;
mod tls;

pub use batch::{ReadBatch, ReadRecord};
pub use client::Client;
pub use delivery::{Delivered, Delivery, DeliveryError};
pub use error::Error;
pub use follower::Follower;
pub use millstream_format::{HashKey, HashRange, Record, RecordView};
pub use millstream_wire::credentials;
pub use millstream_wire::{
    AS_CONFIGURED, Credentials, ErrorAnswer, ErrorCode, Position, PutAnswer, PutResult,
    ShardDescription, ShardEntry, ShardMap, ShardState, StreamDescription, StreamDurability,
    StreamStatus, StreamSummary,
};
pub use options::{ClientOptions, CreateStream, FollowOptions, GetOptions, ProducerOptions};
pub use producer::{Producer, ProducerStats};
pub use reader::{Got, Reader};
pub use tls::Tls;
