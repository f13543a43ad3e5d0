//! Streams, shards and consumers as the catalog has them.

use millstream_engine::{CompressionChoice, Durability, format::HashRange};

/// Where a stream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamStatus {
    /// Its shards are being made.
    Creating,
    /// In use.
    Active,
    /// In use, while its shards or its settings change.
    Updating,
    /// Its shards are being removed.
    Deleting,
}

/// Who says how many shards a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamMode {
    /// Its owner.
    Provisioned,
    /// The server.
    OnDemand,
}

/// A set of shard-level metrics, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Metrics(pub u8);

/// A stream as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamRow {
    /// Never used again.
    pub id: u64,
    pub name: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    pub retention_hours: u32,
    pub status: StreamStatus,
    pub compression: CompressionChoice,
    pub durability: Durability,
    pub mode: StreamMode,
    /// Most KiB of data and key in a record; `None` for what the server takes.
    pub max_record_kib: Option<u32>,
    /// The key that records are said to be encrypted with.
    pub encryption_key: Option<String>,
    /// Shard-level metrics that were asked for.
    pub monitoring: Metrics,
    /// Throughput that was asked for ahead, MiB per second.
    pub warm_mibps: Option<u32>,
    /// When the newest consumer was made, seconds since 1970: the next one is made later, so that
    /// no two have the same name and time.
    pub last_consumer_s: u64,
}

impl StreamRow {
    /// Whether its shards are made, and not being removed.
    pub(crate) fn is_served(&self) -> bool {
        matches!(self.status, StreamStatus::Active | StreamStatus::Updating)
    }
}

/// A shard as the catalog has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardRow {
    /// Its number in its stream, from 0, never used again there.
    pub number: u32,
    /// Its number in the store, never used again.
    pub id: u64,
    pub range: HashRange,
    /// Seconds since 1970, at least one more than its parents'.
    pub created_s: u64,
    /// Since when it takes records, milliseconds since 1970.
    pub opened_ms: u64,
    /// The numbers of the shards that it follows: of a split one, of a merge two.
    pub parents: [Option<u32>; 2],
    pub life: ShardLife,
}

/// Where a shard is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardLife {
    /// It is being made, and takes over when its parents are closed.
    Opening,
    /// It takes records.
    Open,
    /// Its children take the records; it is kept while it has some.
    Closed {
        /// Milliseconds since 1970.
        at_ms: u64,
        /// The sequence number after its last record.
        end: u64,
    },
}

/// Where a consumer is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumerStatus {
    Creating,
    Active,
    Deleting,
}

/// A registered consumer of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerRow {
    pub name: String,
    /// Seconds since 1970; with the name it tells consumers apart.
    pub created_s: u64,
    pub status: ConsumerStatus,
}

/// A stream with everything that hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WholeStream {
    pub row: StreamRow,
    /// In the order of their numbers.
    pub shards: Vec<ShardRow>,
    /// In the order of names.
    pub consumers: Vec<ConsumerRow>,
    /// How many open shards it is to have, while that is being worked on.
    pub target: Option<u32>,
}

/// What a stream is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewStream {
    pub name: String,
    pub created_ms: u64,
    pub shards: u32,
    pub retention_hours: u32,
    pub compression: CompressionChoice,
    pub durability: Durability,
    pub mode: StreamMode,
    pub max_record_kib: Option<u32>,
    pub warm_mibps: Option<u32>,
    pub tags: Vec<(String, String)>,
}

/// What tags and policies hang on: a stream, or a consumer of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub stream: u64,
    /// `None` for the stream itself.
    pub consumer: Option<String>,
}

impl Owner {
    pub(crate) fn stream(id: u64) -> Owner {
        Owner {
            stream: id,
            consumer: None,
        }
    }

    /// The columns of its key: no consumer has an empty name.
    pub(super) fn key(&self) -> (u64, &str) {
        (self.stream, self.consumer.as_deref().unwrap_or_default())
    }
}
