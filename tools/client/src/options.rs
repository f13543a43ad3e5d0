//! What can be chosen. Every default is safe.

use std::time::Duration;

use millstream_wire::{Credentials, DEFAULT_FRAME_LIMIT, StreamDurability};

use crate::Tls;

/// How a client connects.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Longest frame that the client accepts and sends, in bytes.
    pub frame_limit: u32,
    /// How long making a connection, with its handshake, may take.
    pub connect_timeout: Duration,
    /// How long an answer may take beyond what a request itself waits for; then the connection
    /// counts as lost.
    pub answer_timeout: Duration,
    /// Pause before the second attempt to connect; each further one doubles it.
    pub backoff_min: Duration,
    /// Longest pause between attempts to connect.
    pub backoff_max: Duration,
    /// How long a request (other than a producer's) is tried again while there is no connection.
    pub retry_for: Duration,
    /// Name that the server logs.
    pub name: String,
    /// Whom to trust over TLS; `None` for a line in the clear.
    pub tls: Option<Tls>,
    /// Who the client is, for a server that asks.
    pub credentials: Option<Credentials>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            frame_limit: DEFAULT_FRAME_LIMIT,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_secs(2),
            retry_for: Duration::from_secs(10),
            name: concat!("millstream-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            tls: None,
            credentials: None,
        }
    }
}

/// A stream to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateStream {
    /// Number of shards, 1 to 100,000.
    pub shards: u32,
    /// Hours that records are kept, 24 to 8,760.
    pub retention_hours: u32,
    /// 0 for none, else the zstd level.
    pub compression: u8,
    /// What an acknowledgement promises.
    pub durability: StreamDurability,
}

impl Default for CreateStream {
    fn default() -> Self {
        CreateStream {
            shards: 1,
            retention_hours: 24,
            compression: 0,
            durability: StreamDurability::Durable,
        }
    }
}

/// How a producer batches and how long it tries.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// A batch is sent when it has this many bytes.
    pub batch_bytes: usize,
    /// A batch is sent when it has this many records.
    pub batch_records: u32,
    /// A batch is sent when its first record has waited this long and no other batch of its shard
    /// is under way; while one is, it goes on filling.
    pub linger: Duration,
    /// Most bytes of batches open and in flight; `send` waits while they are used up.
    pub memory_bytes: usize,
    /// Most batches of one shard that are sent and not answered, 1 to 32.
    pub in_flight_per_shard: usize,
    /// How long a batch is tried again, from its first send on; `None` for ever.
    pub retry_for: Option<Duration>,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        ProducerOptions {
            batch_bytes: 512 << 10,
            batch_records: u32::MAX,
            linger: Duration::from_millis(5),
            memory_bytes: 64 << 20,
            in_flight_per_shard: 4,
            retry_for: Some(Duration::from_secs(120)),
        }
    }
}

/// What one read asks for.
#[derive(Debug, Clone)]
pub struct GetOptions {
    /// Most records; 0 for no limit but the bytes.
    pub max_records: u32,
    /// Most bytes of batches, except that one batch always comes whole.
    pub max_bytes: u32,
    /// How long the server waits for the first record.
    pub wait: Duration,
}

impl Default for GetOptions {
    fn default() -> Self {
        GetOptions {
            max_records: 0,
            max_bytes: 4 << 20,
            wait: Duration::ZERO,
        }
    }
}

/// How a follower's memory is bounded.
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// Most bytes of batches that the server may send ahead of what was taken, except that one
    /// batch always comes whole.
    pub credit: u64,
}

impl Default for FollowOptions {
    fn default() -> Self {
        FollowOptions { credit: 8 << 20 }
    }
}
