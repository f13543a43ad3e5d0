//! Streams and shards as answers tell of them.

use millstream_format::{HashKey, HashRange};

use crate::{
    CodecError, MAX_SHARDS_PER_PAGE,
    meta::{MetaReader, MetaWriter},
};

/// In place of a CreateStream's compression: compression and durability are as the server's
/// configuration says.
pub const AS_CONFIGURED: u8 = u8::MAX;

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamDurability {
    /// On the medium: survives the power.
    #[default]
    Durable,
    /// Handed to the system: survives the process, not the power.
    Written,
}

impl StreamDurability {
    pub(crate) fn encode(self, out: &mut MetaWriter<'_>) {
        out.u8(match self {
            StreamDurability::Durable => 0,
            StreamDurability::Written => 1,
        });
    }

    pub(crate) fn decode(meta: &mut MetaReader<'_>) -> Result<StreamDurability, CodecError> {
        match meta.u8("durability")? {
            0 => Ok(StreamDurability::Durable),
            1 => Ok(StreamDurability::Written),
            value => Err(CodecError::Value {
                what: "durability",
                value: value.into(),
            }),
        }
    }
}

/// Where a stream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStatus {
    /// Its shards are being made.
    Creating,
    /// In use.
    Active,
    /// Its shards are being deleted.
    Deleting,
}

impl StreamStatus {
    fn encode(self, out: &mut MetaWriter<'_>) {
        out.u8(match self {
            StreamStatus::Creating => 0,
            StreamStatus::Active => 1,
            StreamStatus::Deleting => 2,
        });
    }

    fn decode(meta: &mut MetaReader<'_>) -> Result<StreamStatus, CodecError> {
        match meta.u8("stream status")? {
            0 => Ok(StreamStatus::Creating),
            1 => Ok(StreamStatus::Active),
            2 => Ok(StreamStatus::Deleting),
            value => Err(CodecError::Value {
                what: "stream status",
                value: value.into(),
            }),
        }
    }
}

/// A shard in a shard map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardEntry {
    /// Its number in the store, never used again.
    pub id: u64,
    /// Its number in the stream, which it keeps, and no other one gets.
    pub index: u32,
    /// The hash keys that it takes.
    pub range: HashRange,
}

impl ShardEntry {
    pub(crate) const LEN: usize = 44;

    fn encode(&self, out: &mut MetaWriter<'_>) {
        out.u64(self.id);
        out.u32(self.index);
        out.u128(self.range.start.0);
        out.u128(self.range.end.0);
    }

    fn decode(meta: &mut MetaReader<'_>) -> Result<ShardEntry, CodecError> {
        Ok(ShardEntry {
            id: meta.u64("shard id")?,
            index: meta.u32("shard index")?,
            range: HashRange {
                start: HashKey(meta.u128("hash range")?),
                end: HashKey(meta.u128("hash range")?),
            },
        })
    }
}

/// A page of the shards of a stream that take records, by ascending hash range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardMap {
    /// The stream's number; another one means that it was deleted and made again.
    pub stream: u64,
    /// Changes whenever other shards take records.
    pub version: u64,
    /// Most bytes of data and key in a record.
    pub max_record_bytes: u32,
    /// Shards of the whole map.
    pub total: u32,
    /// Those of this page, at most [`MAX_SHARDS_PER_PAGE`].
    pub shards: Vec<ShardEntry>,
}

impl ShardMap {
    pub(crate) fn encode(&self, out: &mut MetaWriter<'_>) -> Result<(), CodecError> {
        out.u64(self.stream);
        out.u64(self.version);
        out.u32(self.max_record_bytes);
        out.u32(self.total);
        out.count("shards", self.shards.len())?;
        for shard in &self.shards {
            shard.encode(out);
        }
        Ok(())
    }

    pub(crate) fn decode(meta: &mut MetaReader<'_>) -> Result<ShardMap, CodecError> {
        let (stream, version) = (meta.u64("stream id")?, meta.u64("map version")?);
        let max_record_bytes = meta.u32("record limit")?;
        let total = meta.u32("shards in all")?;
        let count = meta.count("shards", ShardEntry::LEN, MAX_SHARDS_PER_PAGE)?;
        let mut shards = Vec::with_capacity(count);
        for _ in 0..count {
            shards.push(ShardEntry::decode(meta)?);
        }
        Ok(ShardMap {
            stream,
            version,
            max_record_bytes,
            total,
            shards,
        })
    }
}

/// A stream in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSummary {
    /// Its name.
    pub name: String,
    /// Shards that it has.
    pub shards: u32,
    /// Hours that records are kept.
    pub retention_hours: u32,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
    /// Where it is in its life.
    pub status: StreamStatus,
}

impl StreamSummary {
    /// Bytes at least.
    pub(crate) const MIN_LEN: usize = 19;

    pub(crate) fn encode(&self, out: &mut MetaWriter<'_>) -> Result<(), CodecError> {
        out.string("stream name", &self.name)?;
        out.u32(self.shards);
        out.u32(self.retention_hours);
        out.u64(self.created_ms);
        self.status.encode(out);
        Ok(())
    }

    pub(crate) fn decode(meta: &mut MetaReader<'_>) -> Result<StreamSummary, CodecError> {
        Ok(StreamSummary {
            name: meta.string("stream name")?.to_owned(),
            shards: meta.u32("shards")?,
            retention_hours: meta.u32("retention")?,
            created_ms: meta.u64("creation time")?,
            status: StreamStatus::decode(meta)?,
        })
    }
}

/// How a shard fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardState {
    /// Takes writes.
    Open,
    /// The medium is full: reads only, until there is room.
    NoSpace,
    /// Damaged: reads only, around the gap.
    ReadOnly,
    /// A write failed; it is to be opened again.
    Poisoned,
    /// Not open at the moment, or split or merged; the message says which.
    Closed,
}

impl ShardState {
    fn encode(self, out: &mut MetaWriter<'_>) {
        out.u8(match self {
            ShardState::Open => 0,
            ShardState::NoSpace => 1,
            ShardState::ReadOnly => 2,
            ShardState::Poisoned => 3,
            ShardState::Closed => 4,
        });
    }

    fn decode(meta: &mut MetaReader<'_>) -> Result<ShardState, CodecError> {
        match meta.u8("shard state")? {
            0 => Ok(ShardState::Open),
            1 => Ok(ShardState::NoSpace),
            2 => Ok(ShardState::ReadOnly),
            3 => Ok(ShardState::Poisoned),
            4 => Ok(ShardState::Closed),
            value => Err(CodecError::Value {
                what: "shard state",
                value: value.into(),
            }),
        }
    }
}

/// A shard in a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardDescription {
    /// Id, index and hash range.
    pub shard: ShardEntry,
    /// Sequence number of the oldest record that is kept.
    pub oldest: u64,
    /// Sequence number after the newest durable record.
    pub end: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// How it fares.
    pub state: ShardState,
    /// Why, where it is not open. Short: a page of shards must fit in a meta.
    pub message: String,
}

/// A page of what there is to say about a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its name.
    pub name: String,
    /// Its number, never used again.
    pub id: u64,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
    /// Hours that records are kept.
    pub retention_hours: u32,
    /// Where it is in its life.
    pub status: StreamStatus,
    /// 0 for none, else the zstd level.
    pub compression: u8,
    /// What an acknowledgement promises.
    pub durability: StreamDurability,
    /// Shards in all.
    pub total: u32,
    /// Those of this page, at most [`MAX_SHARDS_PER_PAGE`].
    pub shards: Vec<ShardDescription>,
}

/// Longest message of a shard in a description, so that a page fits in a meta.
const MAX_SHARD_MESSAGE_BYTES: usize = 48;
const SHARD_DESCRIPTION_MIN_LEN: usize = ShardEntry::LEN + 27;
const _: () = assert!(
    MAX_SHARDS_PER_PAGE * (SHARD_DESCRIPTION_MIN_LEN + MAX_SHARD_MESSAGE_BYTES) + 1024
        < crate::MAX_META_BYTES as usize
);

impl StreamDescription {
    pub(crate) fn encode(&self, out: &mut MetaWriter<'_>) -> Result<(), CodecError> {
        out.string("stream name", &self.name)?;
        out.u64(self.id);
        out.u64(self.created_ms);
        out.u32(self.retention_hours);
        self.status.encode(out);
        out.u8(self.compression);
        self.durability.encode(out);
        out.u32(self.total);
        out.count("shards", self.shards.len())?;
        for shard in &self.shards {
            shard.shard.encode(out);
            out.u64(shard.oldest);
            out.u64(shard.end);
            out.u64(shard.bytes);
            shard.state.encode(out);
            out.message(&shard.message, MAX_SHARD_MESSAGE_BYTES);
        }
        Ok(())
    }

    pub(crate) fn decode(meta: &mut MetaReader<'_>) -> Result<StreamDescription, CodecError> {
        let mut stream = StreamDescription {
            name: meta.string("stream name")?.to_owned(),
            id: meta.u64("stream id")?,
            created_ms: meta.u64("creation time")?,
            retention_hours: meta.u32("retention")?,
            status: StreamStatus::decode(meta)?,
            compression: meta.u8("compression")?,
            durability: StreamDurability::decode(meta)?,
            total: meta.u32("shards in all")?,
            shards: Vec::new(),
        };
        let count = meta.count("shards", SHARD_DESCRIPTION_MIN_LEN, MAX_SHARDS_PER_PAGE)?;
        stream.shards.reserve_exact(count);
        for _ in 0..count {
            stream.shards.push(ShardDescription {
                shard: ShardEntry::decode(meta)?,
                oldest: meta.u64("oldest record")?,
                end: meta.u64("end")?,
                bytes: meta.u64("bytes")?,
                state: ShardState::decode(meta)?,
                message: meta.string("shard message")?.to_owned(),
            });
        }
        Ok(stream)
    }
}
