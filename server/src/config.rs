//! The configuration: what a file (TOML) or flags can say, with a safe default for each key.
//!
//! `docs/OPERATING.md` lists every key; a test holds the two together.

mod fronts;
mod quantity;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use millstream_engine::{
    CompressionChoice, DeviceChoice, Durability,
    format::{BATCH_HEADER_LEN, MAX_BODY_BYTES, MAX_RECORD_BYTES, compression},
};
use serde::Deserialize;
use thiserror::Error;

pub(crate) use fronts::CertificateSource;
pub use fronts::{KinesisConfig, TlsConfig};

/// Everything that a server is told. Build one with [`Config::default`] and set fields, or read a
/// file with [`Config::load`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Directory of the data; made when it is missing.
    pub data: PathBuf,
    /// Address and port of the binary protocol; port 0 takes any free one.
    pub listen: String,
    /// Listen on addresses other than loopback although nobody is asked who they are, or the line
    /// is open.
    pub insecure: bool,
    /// File with the access keys and secrets of the clients that may come in; without it, anybody
    /// may.
    pub credentials: Option<PathBuf>,
    /// Most time that a shutdown gives to requests that were accepted.
    #[serde(deserialize_with = "quantity::duration")]
    pub shutdown_grace: Duration,
    /// The store under the streams.
    pub store: StoreConfig,
    /// What new streams are given when the request leaves it open, and checks on entry.
    pub streams: StreamsConfig,
    /// What bounds the server.
    pub limits: LimitsConfig,
    /// The AWS API.
    pub kinesis: KinesisConfig,
    /// The certificate of both ports.
    pub tls: TlsConfig,
}

/// The `[store]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StoreConfig {
    /// How the disk is written: io_uring where the system grants it, or one by name.
    #[serde(deserialize_with = "quantity::device")]
    pub device: DeviceChoice,
    /// Try to write past the page cache; where the disk refuses, the log says so.
    pub direct_io: bool,
    /// Accept a data directory on a network file system.
    pub allow_network: bool,
    /// Bytes of memory for batches on their way to the disk and the newest ones read from memory.
    #[serde(deserialize_with = "quantity::bytes")]
    pub memory_budget: usize,
    /// How long a write waits for more records to share it.
    #[serde(deserialize_with = "quantity::duration")]
    pub linger: Duration,
    /// Bytes of a segment file made from now on.
    #[serde(deserialize_with = "quantity::bytes")]
    pub segment_bytes: usize,
    /// Bytes of segments made ahead for each shard of a new stream.
    #[serde(deserialize_with = "quantity::bytes")]
    pub prepare: usize,
    /// Most segments kept mapped for reading.
    pub mapped_segments: usize,
    /// Segments past retention that a shard keeps to be written again.
    pub recycled_segments: usize,
    /// How often segments past retention are looked for.
    #[serde(deserialize_with = "quantity::duration")]
    pub reap_interval: Duration,
    /// How long to wait for a data directory that another process holds.
    #[serde(deserialize_with = "quantity::duration")]
    pub lock_wait: Duration,
    /// How long the clock must have been steady before records are dropped by age.
    #[serde(deserialize_with = "quantity::duration")]
    pub clock_settle: Duration,
}

/// The `[streams]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StreamsConfig {
    /// Compression of streams whose creator leaves it open.
    #[serde(deserialize_with = "quantity::compression")]
    pub compression: CompressionChoice,
    /// Durability of streams whose creator leaves it open.
    #[serde(deserialize_with = "quantity::durability")]
    pub durability: Durability,
    /// Hash every key of a ready batch again, and refuse a batch that is in the wrong shard.
    pub verify_routing: bool,
}

/// The `[limits]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// Bytes of a frame.
    #[serde(deserialize_with = "quantity::bytes")]
    pub frame_bytes: usize,
    /// Connections at a time; more are closed at once.
    pub connections: usize,
    /// Requests of a connection that are not answered yet; more are refused.
    pub requests_in_flight: u32,
    /// Followers of a connection.
    pub followers: usize,
    /// Bytes of payloads being received, over all connections; 0 for half of the memory budget.
    #[serde(deserialize_with = "quantity::bytes")]
    pub bytes_in_flight: usize,
    /// Bytes of payloads on their way out to one connection.
    #[serde(deserialize_with = "quantity::bytes")]
    pub output_bytes: usize,
    /// Streams in the catalog.
    pub streams: usize,
    /// Shards in the catalog.
    pub shards: usize,
    /// Reads of data that is not in memory, at a time.
    pub reads: usize,
    /// How long a put waits for room before it is refused as overloaded.
    #[serde(deserialize_with = "quantity::duration")]
    pub put_wait: Duration,
    /// Most time that a get waits for new records.
    #[serde(deserialize_with = "quantity::duration")]
    pub get_wait: Duration,
    /// How long a new connection may take to say hello.
    #[serde(deserialize_with = "quantity::duration")]
    pub handshake_timeout: Duration,
    /// How long a frame may take from its first byte to its last.
    #[serde(deserialize_with = "quantity::duration")]
    pub receive_timeout: Duration,
    /// How long a client may read nothing of what it asked for.
    #[serde(deserialize_with = "quantity::duration")]
    pub send_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: PathBuf::from("millstream-data"),
            listen: "127.0.0.1:7071".to_owned(),
            insecure: false,
            credentials: None,
            shutdown_grace: Duration::from_secs(10),
            store: StoreConfig::default(),
            streams: StreamsConfig::default(),
            limits: LimitsConfig::default(),
            kinesis: KinesisConfig::default(),
            tls: TlsConfig::default(),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            device: DeviceChoice::Auto,
            direct_io: true,
            allow_network: false,
            memory_budget: 256 << 20,
            linger: Duration::ZERO,
            segment_bytes: 64 << 20,
            prepare: 0,
            mapped_segments: 1024,
            recycled_segments: 2,
            reap_interval: Duration::from_secs(10),
            lock_wait: Duration::from_secs(5),
            clock_settle: Duration::from_secs(3600),
        }
    }
}

impl Default for StreamsConfig {
    fn default() -> Self {
        StreamsConfig {
            compression: CompressionChoice::None,
            durability: Durability::Durable,
            verify_routing: false,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            frame_bytes: 17 << 20,
            connections: 10_000,
            requests_in_flight: 1024,
            followers: 1024,
            bytes_in_flight: 0,
            output_bytes: 2 << 20,
            streams: 10_000,
            shards: 200_000,
            reads: 8,
            put_wait: Duration::from_secs(5),
            get_wait: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            receive_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
        }
    }
}

/// Smallest memory budget: two batches of a small shard.
const MEMORY_MIN: usize = 2 << 20;
/// Sizes that a segment may have.
const SEGMENT_BYTES: std::ops::RangeInclusive<usize> = 1 << 20..=4 << 30;
/// Sizes that the frame limit may have: a batch with its frame fits in the largest.
const FRAME_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=64 << 20;
/// Room that a frame's header and meta need beside the payload.
const FRAME_OVERHEAD: usize = 64 << 10;

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, or [`Config::parse`] refuses it.
    pub fn load(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Config::parse(&text).map_err(|error| ConfigError::InFile {
            path: path.to_owned(),
            error: Box::new(error),
        })
    }

    /// Reads TOML text. Values are checked by [`Config::check`] when the server starts.
    ///
    /// # Errors
    /// When it is not TOML, has a key that there is not, or a value of the wrong form; the error
    /// names the key and the line.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Text(Box::new(error)))
    }

    /// Checks that every value is within its limits.
    ///
    /// # Errors
    /// The first key whose value cannot be, and what would do.
    pub fn check(&self) -> Result<(), ConfigError> {
        let value = |key: &'static str, reason: String| Err(ConfigError::Value { key, reason });
        let (store, limits) = (&self.store, &self.limits);
        if store.memory_budget < MEMORY_MIN {
            return value("store.memory_budget", "at least 2 MiB".to_owned());
        }
        if !SEGMENT_BYTES.contains(&store.segment_bytes)
            || !store.segment_bytes.is_multiple_of(4096)
        {
            let reason = "1 MiB to 4 GiB, a multiple of 4096".to_owned();
            return value("store.segment_bytes", reason);
        }
        if let CompressionChoice::Zstd(level) = self.streams.compression
            && !compression::LEVELS.contains(&level)
        {
            return value("streams.compression", "zstd levels are 1 to 19".to_owned());
        }
        if !FRAME_BYTES.contains(&limits.frame_bytes) {
            return value("limits.frame_bytes", "64 KiB to 64 MiB".to_owned());
        }
        let at_least_one = [
            ("limits.connections", limits.connections),
            (
                "limits.requests_in_flight",
                limits.requests_in_flight as usize,
            ),
            ("limits.followers", limits.followers),
            ("limits.output_bytes", limits.output_bytes),
            ("limits.streams", limits.streams),
            ("limits.shards", limits.shards),
            ("limits.reads", limits.reads),
        ];
        for (key, number) in at_least_one {
            if number == 0 || number > u32::MAX as usize {
                return value(key, "1 to 4294967295".to_owned());
            }
        }
        if limits.bytes_in_flight > store.memory_budget {
            let reason = "at most store.memory_budget, from which it is taken".to_owned();
            return value("limits.bytes_in_flight", reason);
        }
        for (key, time) in [
            ("limits.handshake_timeout", limits.handshake_timeout),
            ("limits.receive_timeout", limits.receive_timeout),
            ("limits.send_timeout", limits.send_timeout),
            ("store.reap_interval", store.reap_interval),
        ] {
            if time.is_zero() {
                return value(key, "more than zero".to_owned());
            }
        }
        self.kinesis.check()?;
        self.tls.check()
    }

    /// Bytes of payloads that may be being received at a time.
    #[must_use]
    pub fn bytes_in_flight(&self) -> usize {
        match self.limits.bytes_in_flight {
            0 => self.store.memory_budget / 2,
            bytes => bytes,
        }
    }

    /// The frame limit in effect: the configured one, or less where the memory is small.
    #[must_use]
    pub fn frame_limit(&self) -> usize {
        self.limits
            .frame_bytes
            .min(self.bytes_in_flight() + FRAME_OVERHEAD)
    }

    /// Largest batch that a shard of this server takes: a quarter of a segment and of the memory.
    #[must_use]
    pub fn batch_limit(&self) -> usize {
        (self.store.segment_bytes / 4)
            .min(self.store.memory_budget / 4)
            .min(self.frame_limit().saturating_sub(FRAME_OVERHEAD))
            .min(BATCH_HEADER_LEN + MAX_BODY_BYTES)
    }

    /// Largest record in bytes of data and key.
    #[must_use]
    pub fn record_limit(&self) -> usize {
        // The batch's header and producer entry, the record's header and hash, and padding to a
        // block of the device.
        const AROUND: usize = 8192;
        self.batch_limit()
            .saturating_sub(AROUND)
            .min(MAX_RECORD_BYTES)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path}: {source}", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in a file.
    #[error("configuration file {path}: {error}", path = .path.display())]
    InFile {
        /// Which.
        path: PathBuf,
        /// What.
        error: Box<ConfigError>,
    },
    /// Not TOML, a key that there is not, or a value of the wrong form.
    #[error("{0}")]
    Text(Box<toml::de::Error>),
    /// A value outside its limits.
    #[error("{key} must be {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What would do.
        reason: String,
    },
}

#[cfg(test)]
mod tests;
