//! A stream in memory: as its rows say, with its shards, open, and the way from a hash key to one
//! of them. A stream is never changed, only replaced in the table.

use std::sync::Arc;

use millstream_engine::{
    Retention, ShardOptions,
    format::{HashKey, HashRange, ShardRouter},
};

use super::{ServiceError, StreamShard, limits};
use crate::catalog::{ConsumerRow, ShardLife, ShardRow, StreamRow, StreamStatus, WholeStream};

/// A stream at one moment.
#[derive(Clone)]
pub(crate) struct Stream {
    pub row: StreamRow,
    pub map: Arc<ShardMap>,
    /// Shards that are being made, and take over from their parents.
    pub opening: Arc<[StreamShard]>,
    /// How many open shards it is to have, while that is being worked on.
    pub target: Option<u32>,
    /// In the order of names.
    pub consumers: Arc<[ConsumerRow]>,
    /// Held by whoever makes, opens or removes shards of it; the same for all moments.
    pub(super) work: Arc<tokio::sync::Mutex<()>>,
}

/// The shards of a stream that are or were open, and who takes which hash keys.
pub(crate) struct ShardMap {
    /// In the order of their numbers.
    shards: Vec<StreamShard>,
    /// Places of the open ones in `shards`, in the order of their ranges.
    open: Vec<u32>,
    router: ShardRouter,
    /// Shard ids, ascending, with the place of each.
    by_id: Vec<(u64, u32)>,
}

impl ShardMap {
    /// `None` when the ranges of the open shards leave gaps.
    pub(super) fn new(mut shards: Vec<StreamShard>) -> Option<ShardMap> {
        shards.sort_unstable_by_key(|shard| shard.index);
        let places = || (0u32..).zip(&shards);
        let mut open: Vec<(HashRange, u32)> = places()
            .filter(|(_, shard)| shard.is_open())
            .map(|(place, shard)| (shard.range, place))
            .collect();
        open.sort_unstable_by_key(|(range, _)| range.start);
        let ranges: Vec<HashRange> = open.iter().map(|(range, _)| *range).collect();
        let mut by_id: Vec<(u64, u32)> =
            places().map(|(place, shard)| (shard.id.0, place)).collect();
        by_id.sort_unstable();
        Some(ShardMap {
            router: ShardRouter::new(&ranges)?,
            open: open.into_iter().map(|(_, place)| place).collect(),
            by_id,
            shards,
        })
    }

    /// The same with other shards, or the same ones at another moment.
    pub(super) fn with(&self, changed: &[StreamShard]) -> Option<ShardMap> {
        let mut shards = self.shards.clone();
        for shard in changed {
            match self.shards.binary_search_by_key(&shard.index, |s| s.index) {
                Ok(place) => shards[place] = shard.clone(),
                Err(_) => shards.push(shard.clone()),
            }
        }
        ShardMap::new(shards)
    }

    /// The same without closed shards that are gone.
    pub(super) fn without(&self, gone: &[u32]) -> Option<ShardMap> {
        let mut shards = self.shards.clone();
        shards.retain(|shard| !gone.contains(&shard.index));
        ShardMap::new(shards)
    }

    /// Changes whenever the open shards do: one that opens has the highest number.
    pub(crate) fn version(&self) -> u64 {
        self.shards.last().map_or(0, |s| u64::from(s.index) + 1)
    }

    /// All of them, in the order of their numbers.
    pub(crate) fn all(&self) -> &[StreamShard] {
        &self.shards
    }

    /// Those that take records, in the order of their ranges.
    pub(crate) fn open(&self) -> impl ExactSizeIterator<Item = &StreamShard> {
        self.open.iter().map(|place| &self.shards[*place as usize])
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The shard that takes a hash key.
    pub(crate) fn route(&self, key: HashKey) -> &StreamShard {
        self.open_at(self.route_place(key))
    }

    /// The same as its place among the open ones.
    pub(crate) fn route_place(&self, key: HashKey) -> usize {
        self.router.route(key)
    }

    /// The open shard of a place.
    pub(crate) fn open_at(&self, place: usize) -> &StreamShard {
        &self.shards[self.open[place] as usize]
    }

    /// The shard of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&StreamShard> {
        let found = self.shards.binary_search_by_key(&number, |s| s.index);
        found.ok().map(|place| &self.shards[place])
    }

    fn by_id(&self, id: u64) -> Option<&StreamShard> {
        let found = self.by_id.binary_search_by_key(&id, |(id, _)| *id);
        found.ok().map(|at| &self.shards[self.by_id[at].1 as usize])
    }

    /// The shards that follow the one of a number.
    pub(crate) fn children(&self, number: u32) -> impl Iterator<Item = &StreamShard> {
        let is_child = move |shard: &&StreamShard| shard.parents.contains(&Some(number));
        self.shards.iter().filter(is_child)
    }
}

impl Stream {
    /// A stream whose shards are not open yet; `None` when their ranges leave gaps.
    pub(super) fn new(whole: WholeStream) -> Option<Stream> {
        let (opening, shards): (Vec<&ShardRow>, Vec<&ShardRow>) = whole
            .shards
            .iter()
            .partition(|shard| shard.life == ShardLife::Opening);
        Some(Stream {
            map: Arc::new(ShardMap::new(
                shards.into_iter().map(StreamShard::new).collect(),
            )?),
            opening: opening.into_iter().map(StreamShard::new).collect(),
            target: whole.target,
            consumers: whole.consumers.into(),
            work: Arc::default(),
            row: whole.row,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.row.name
    }

    /// Whether it can be written to and read.
    pub(crate) fn is_served(&self) -> bool {
        self.row.is_served()
    }

    /// Refuses what only an active stream allows.
    pub(crate) fn require_active(&self) -> Result<(), ServiceError> {
        match self.row.status {
            StreamStatus::Active => Ok(()),
            status => Err(self.busy(status)),
        }
    }

    /// Refuses what a stream that is being made or deleted does not allow.
    pub(crate) fn require_served(&self) -> Result<(), ServiceError> {
        match self.is_served() {
            true => Ok(()),
            false => Err(self.busy(self.row.status)),
        }
    }

    fn busy(&self, status: StreamStatus) -> ServiceError {
        ServiceError::StreamBusy {
            stream: self.name().to_owned(),
            status,
        }
    }

    /// Every shard that it has in the store, or is to have.
    pub(crate) fn every_shard(&self) -> impl Iterator<Item = &StreamShard> {
        self.map.all().iter().chain(self.opening.iter())
    }

    /// How many those are.
    pub(crate) fn shard_count(&self) -> usize {
        self.map.all().len() + self.opening.len()
    }

    /// Most bytes of data and key in a record, on a server that takes `most`.
    pub(crate) fn record_limit(&self, most: usize) -> usize {
        let own = self.row.max_record_kib.map(|kib| kib as usize * 1024);
        own.map_or(most, |own| own.min(most))
    }

    /// Its retention, as the engine takes it.
    pub(super) fn retention(&self) -> Retention {
        let (low, high) = (limits::RETENTION_HOURS_MIN, limits::RETENTION_HOURS_MAX);
        let hours = self.row.retention_hours.clamp(low, high);
        Retention {
            age: Some(std::time::Duration::from_secs(u64::from(hours) * 3600)),
            bytes: None,
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

    /// The shard of a number.
    pub(crate) fn shard(&self, number: u32) -> Result<&StreamShard, ServiceError> {
        self.map
            .get(number)
            .ok_or_else(|| ServiceError::NoSuchShard {
                stream: self.name().to_owned(),
                index: number,
            })
    }

    /// The shard of an id.
    pub(crate) fn shard_by_id(&self, id: u64) -> Result<&StreamShard, ServiceError> {
        self.map.by_id(id).ok_or_else(|| self.map_changed(id))
    }

    pub(super) fn map_changed(&self, id: u64) -> ServiceError {
        ServiceError::ShardMapChanged {
            stream: self.name().to_owned(),
            id,
        }
    }

    /// The open shard of the engine behind `shard`.
    pub(crate) fn open(
        &self,
        shard: &StreamShard,
    ) -> Result<millstream_engine::Shard, ServiceError> {
        shard.open(self.name())
    }

    /// The consumer of a name.
    pub(crate) fn consumer(&self, name: &str) -> Option<&ConsumerRow> {
        let found = self
            .consumers
            .binary_search_by(|consumer| consumer.name.as_str().cmp(name));
        found.ok().and_then(|at| self.consumers.get(at))
    }

    /// The oldest moment of which all shards are known that were open then: the later of the
    /// retention's and that at which the last one was closed that is gone by now.
    pub(crate) fn horizon_ms(&self, now_ms: u64) -> u64 {
        let retention = u64::from(self.row.retention_hours) * 3_600_000;
        let gone = |shard: &&StreamShard| {
            let mut parents = shard.parents.iter().flatten();
            shard.parents == [None, None] || parents.any(|p| self.map.get(*p).is_none())
        };
        let known = self.map.all().iter().filter(gone).map(|s| s.opened_ms);
        known
            .max()
            .unwrap_or(0)
            .max(now_ms.saturating_sub(retention))
    }
}
