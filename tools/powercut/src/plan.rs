//! The shards, and how each is opened: the writer and the check must agree.

use std::time::Duration;

use millstream_engine::{
    AcknowledgeMode, BufferOptions, CompressionChoice, Durability, Retention, ShardId,
    ShardOptions, StoreOptions, WhenFull,
};

use crate::DeviceName;

/// Stands for the buffer in marks.
pub(crate) const BUFFER: ShardId = ShardId(u64::MAX);
/// The cursors of the buffer, by their numbers in marks: one is durable at once and follows
/// closely, the other lags.
pub(crate) const CURSORS: [&str; 2] = ["close", "far"];
/// Shards from this number on are made, filled a little and deleted.
pub(crate) const FIRST_SHORT: u64 = 100;
/// Bytes of a segment: the least, so that rolls are many.
pub(crate) const SEGMENT_BYTES: u64 = 1 << 20;
/// The producer of the shard of producers.
pub(crate) const PRODUCER: u64 = 0x50_4f57_4552;

/// How a shard is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// One small record at a time, each waited for.
    Single,
    /// Batches, several in flight.
    Batches,
    /// Numbered puts, some of them sent twice.
    Producer,
    /// Of the level `Written`.
    Written,
    /// Batches made by the caller.
    Ready,
    /// Compressed batches.
    Compressed,
    /// Made, filled a little, deleted.
    Short,
    /// Pushes to the buffer.
    Buffer,
}

/// The shards that live from the beginning to the end.
pub(crate) const LASTING: [(ShardId, Style); 6] = [
    (ShardId(1), Style::Single),
    (ShardId(2), Style::Batches),
    (ShardId(3), Style::Producer),
    (ShardId(4), Style::Written),
    (ShardId(5), Style::Ready),
    (ShardId(6), Style::Compressed),
];

impl Style {
    pub(crate) fn of(shard: ShardId) -> Style {
        match LASTING.iter().find(|(id, _)| *id == shard) {
            Some((_, style)) => *style,
            None if shard == BUFFER => Style::Buffer,
            None => Style::Short,
        }
    }

    /// Sizes of its records, from and below.
    pub(crate) fn record_bytes(self) -> (usize, usize) {
        match self {
            Style::Single | Style::Producer | Style::Short => (16, 600),
            Style::Batches | Style::Written | Style::Compressed => (16, 3000),
            Style::Ready => (100, 9000),
            Style::Buffer => (16, 2000),
        }
    }

    /// Most records of an append.
    pub(crate) fn most_records(self) -> u64 {
        match self {
            Style::Single => 1,
            Style::Producer | Style::Short | Style::Buffer => 8,
            Style::Batches | Style::Written | Style::Compressed => 40,
            Style::Ready => 24,
        }
    }

    /// Most appends in flight.
    pub(crate) fn depth(self) -> usize {
        match self {
            Style::Single | Style::Short => 1,
            Style::Producer => 4,
            _ => 8,
        }
    }

    /// What retention leaves of it.
    pub(crate) fn kept_bytes(self) -> Option<u64> {
        match self {
            Style::Single | Style::Written => Some(2 << 20),
            Style::Batches | Style::Ready => Some(6 << 20),
            Style::Producer | Style::Compressed => Some(4 << 20),
            Style::Short | Style::Buffer => None,
        }
    }

    pub(crate) fn durability(self) -> Durability {
        match self {
            Style::Written => Durability::Written,
            _ => Durability::Durable,
        }
    }
}

pub(crate) fn store_options(device: DeviceName) -> StoreOptions {
    StoreOptions {
        device: device.choice(),
        memory_budget: 16 << 20,
        reap_interval: Duration::from_millis(200),
        ..StoreOptions::default()
    }
}

/// How a shard is opened; the check does without retention, so that it sees what there is.
pub(crate) fn shard_options(shard: ShardId, retention: bool) -> ShardOptions {
    let style = Style::of(shard);
    ShardOptions {
        durability: style.durability(),
        compression: match style {
            Style::Compressed => CompressionChoice::Zstd(1),
            _ => CompressionChoice::None,
        },
        retention: Retention {
            age: None,
            bytes: style.kept_bytes().filter(|_| retention),
        },
        segment_bytes: SEGMENT_BYTES,
        ..ShardOptions::default()
    }
}

pub(crate) fn buffer_options(device: DeviceName) -> BufferOptions {
    BufferOptions {
        cap_bytes: 8 << 20,
        when_full: WhenFull::RejectNew,
        acknowledge: AcknowledgeMode::Durable,
        memory_budget: 4 << 20,
        device: device.choice(),
        ..BufferOptions::default()
    }
}
