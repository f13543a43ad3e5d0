//! A stream in memory: its shards, open, and the way from a hash key to one of them.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use arc_swap::ArcSwapOption;
use millstream_engine::{
    Retention, Shard, ShardId, ShardOptions,
    format::{HashRange, ShardRouter},
};

use super::{ServiceError, limits};
use crate::catalog::StreamRow;

/// A stream in use.
pub(crate) struct Stream {
    pub row: StreamRow,
    /// The row's is as it was at start.
    retention_hours: AtomicU32,
    router: ShardRouter,
    /// In the order of their ranges; a shard's index is its place here.
    pub shards: Vec<StreamShard>,
    /// Shard ids, ascending, with the index of each.
    by_id: Vec<(u64, u32)>,
}

/// A shard of a stream.
pub(crate) struct StreamShard {
    pub id: ShardId,
    pub index: u32,
    pub range: HashRange,
    /// `None` while it cannot be opened.
    handle: ArcSwapOption<Shard>,
    /// Why not.
    trouble: ArcSwapOption<Trouble>,
}

/// Why a shard is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is tried again.
    Passing(String),
    /// There is nothing to be opened.
    Lost(String),
}

impl Stream {
    /// A stream whose shards are not open yet; `None` when their ranges leave gaps.
    pub(super) fn new(row: StreamRow) -> Option<Stream> {
        let ranges: Vec<HashRange> = row.shards.iter().map(|shard| shard.range).collect();
        let router = ShardRouter::new(&ranges)?;
        let shards: Vec<StreamShard> = (0u32..)
            .zip(&row.shards)
            .map(|(index, shard)| StreamShard {
                id: ShardId(shard.id),
                index,
                range: shard.range,
                handle: ArcSwapOption::empty(),
                trouble: ArcSwapOption::empty(),
            })
            .collect();
        let mut by_id: Vec<(u64, u32)> = shards.iter().map(|s| (s.id.0, s.index)).collect();
        by_id.sort_unstable();
        Some(Stream {
            retention_hours: AtomicU32::new(row.retention_hours),
            router,
            shards,
            by_id,
            row,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.row.name
    }

    pub(crate) fn router(&self) -> &ShardRouter {
        &self.router
    }

    /// Changes when the shards do, which they do not yet.
    pub(crate) fn map_version(&self) -> u64 {
        1
    }

    pub(crate) fn retention_hours(&self) -> u32 {
        self.retention_hours.load(Ordering::Relaxed)
    }

    /// The same, as the engine takes it.
    pub(super) fn retention(&self) -> Retention {
        retention(self.retention_hours())
    }

    /// Tells every open shard.
    pub(super) fn set_retention(&self, hours: u32) {
        self.retention_hours.store(hours, Ordering::Relaxed);
        for shard in &self.shards {
            if let Some(handle) = shard.handle.load_full() {
                handle.set_retention(retention(hours));
            }
        }
    }

    /// How its shards are opened.
    pub(super) fn shard_options(&self, segment_bytes: u64, max_record: usize) -> ShardOptions {
        ShardOptions {
            durability: self.row.durability,
            compression: self.row.compression,
            retention: self.retention(),
            segment_bytes,
            max_record,
        }
    }

    /// The shard of an index.
    pub(crate) fn shard(&self, index: u32) -> Result<&StreamShard, ServiceError> {
        self.shards
            .get(index as usize)
            .ok_or_else(|| ServiceError::NoSuchShard {
                stream: self.name().to_owned(),
                index,
                shards: self.shards.len(),
            })
    }

    /// The shard of an id.
    pub(crate) fn shard_by_id(&self, id: u64) -> Result<&StreamShard, ServiceError> {
        let found = self.by_id.binary_search_by_key(&id, |(id, _)| *id);
        let shard = found.ok().and_then(|at| {
            let (_, index) = self.by_id.get(at)?;
            self.shards.get(*index as usize)
        });
        shard.ok_or_else(|| ServiceError::ShardMapChanged {
            stream: self.name().to_owned(),
            id,
        })
    }

    /// The open shard behind `shard`.
    pub(crate) fn open(&self, shard: &StreamShard) -> Result<Shard, ServiceError> {
        match &*shard.handle.load() {
            Some(handle) => Ok(Shard::clone(handle)),
            None => {
                let (stream, index) = (self.name().to_owned(), shard.index);
                Err(match shard.trouble.load().as_deref() {
                    Some(Trouble::Lost(reason)) => ServiceError::ShardLost {
                        stream,
                        index,
                        reason: Arc::from(reason.as_str()),
                    },
                    Some(Trouble::Passing(reason)) => ServiceError::Unavailable {
                        stream,
                        index,
                        reason: Arc::from(reason.as_str()),
                    },
                    None => ServiceError::Unavailable {
                        stream,
                        index,
                        reason: Arc::from("it is being opened"),
                    },
                })
            }
        }
    }
}

impl StreamShard {
    /// Puts an open shard in place.
    pub(super) fn opened(&self, handle: Shard) {
        self.handle.store(Some(Arc::new(handle)));
        self.trouble.store(None);
    }

    /// Remembers why it could not be opened.
    pub(super) fn failed(&self, trouble: Trouble) {
        self.trouble.store(Some(Arc::new(trouble)));
    }

    /// Whether there is nothing to be opened.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.trouble.load().as_deref(), Some(Trouble::Lost(_)))
    }
}

/// What the engine is told of a stream's retention.
fn retention(hours: u32) -> Retention {
    let hours = hours.clamp(limits::RETENTION_HOURS_MIN, limits::RETENTION_HOURS_MAX);
    Retention {
        age: Some(std::time::Duration::from_secs(u64::from(hours) * 3600)),
        bytes: None,
    }
}
