//! How a store and its shards are opened. Every default is safe.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::{Clock, Random, SystemClock, SystemRandom, SystemThreads, Threads},
    io::device::{Device, DeviceChoice},
};

/// What an acknowledgement promises. Chosen for a shard when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Written and flushed to the medium: survives the power.
    #[default]
    Durable,
    /// Handed to the system: survives the process, not the power.
    Written,
}

/// How batch bodies are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompressionChoice {
    /// As they are.
    #[default]
    None,
    /// zstd at this level, 1 to 19; a body that does not shrink is stored raw.
    Zstd(i32),
}

/// When old segments go. Both bounds may be set; whichever is passed first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Drop what is older than this.
    pub age: Option<Duration>,
    /// Drop the oldest while the shard's segments hold more bytes than this.
    pub bytes: Option<u64>,
}

/// How a shard is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardOptions {
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// How batch bodies are stored from now on.
    pub compression: CompressionChoice,
    /// When old segments go.
    pub retention: Retention,
    /// Bytes of a segment file, 1 MiB to 4 GiB; for segments made from now on.
    pub segment_bytes: u64,
    /// Most bytes of data and key in a record.
    pub max_record: usize,
}

impl Default for ShardOptions {
    fn default() -> Self {
        ShardOptions {
            durability: Durability::Durable,
            compression: CompressionChoice::None,
            retention: Retention::default(),
            segment_bytes: 64 << 20,
            max_record: millstream_format::MAX_RECORD_BYTES,
        }
    }
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Which device; ignored when `environment.device` is given.
    pub device: DeviceChoice,
    /// Try direct I/O (probed, falls back to buffered and says so).
    pub direct_io: bool,
    /// Accept a network file system, whose flushes and locks may lie.
    pub allow_network: bool,
    /// Most bytes of buffers for staging, batches in flight and the tail; at least 2 MiB.
    pub memory_budget: usize,
    /// How long to wait before an acknowledgement for more records to share its write.
    /// Zero commits at once, and is best unless the device charges per write.
    pub linger: Duration,
    /// Most segments kept mapped at a time.
    pub mapped_segments: usize,
    /// Segments past retention that a shard keeps to be written again.
    pub recycled_segments: usize,
    /// How often the reaper looks for segments past retention.
    pub reap_interval: Duration,
    /// How long to wait for a lock that another process (or its last writes) holds.
    pub lock_wait: Duration,
    /// How long wall and monotonic time must agree after an open, or after a leap of the wall
    /// clock, before segments are dropped by age.
    pub clock_settle: Duration,
    /// What the store stands on.
    pub environment: Environment,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            device: DeviceChoice::Auto,
            direct_io: true,
            allow_network: false,
            memory_budget: 256 << 20,
            linger: Duration::ZERO,
            mapped_segments: 1024,
            recycled_segments: 2,
            reap_interval: Duration::from_secs(10),
            lock_wait: Duration::from_secs(5),
            clock_settle: Duration::from_secs(3600),
            environment: Environment::default(),
        }
    }
}

/// What a store stands on: the system, or a simulation of one.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The device; `None` for the system's, chosen by [`StoreOptions::device`].
    pub device: Option<Arc<dyn Device>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Threads.
    pub threads: Arc<dyn Threads>,
}

impl Default for Environment {
    fn default() -> Self {
        Environment {
            device: None,
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(SystemRandom),
            threads: Arc::new(SystemThreads),
        }
    }
}
