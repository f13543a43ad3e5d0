//! What callers share with the driver: per shard an open batch, and the routes to them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millstream_format::{HashKey, ShardRouter};
use millstream_wire::{ShardEntry, ShardMap};

use super::batch::{OpenBatch, SealedBatch};
use crate::Error;

/// A shard as callers see it. The lock is held for the copy of one record.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) shard: ShardEntry,
    /// Its place among the driver's lanes.
    pub(super) slot: usize,
    state: Mutex<LaneState>,
}

#[derive(Debug, Default)]
pub(super) struct LaneState {
    pub(super) open: Option<OpenBatch>,
    pub(super) sealed: VecDeque<SealedBatch>,
    /// The shard is gone from the map: wait for the new routes.
    pub(super) closed: bool,
}

impl LaneState {
    /// Seals the open batch, if it has records.
    pub(super) fn seal(&mut self) -> bool {
        if self.open.as_ref().is_none_or(|open| open.count() == 0) {
            return false;
        }
        let Some(open) = self.open.take() else {
            return false;
        };
        self.sealed.push_back(open.seal());
        true
    }
}

impl Lane {
    pub(super) fn new(shard: ShardEntry, slot: usize) -> Lane {
        Lane {
            shard,
            slot,
            state: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which records of many go to which lane.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    routes: &'a Routes,
    /// Indices of records, those of the first lane first; in each lane in their order.
    order: Vec<u32>,
    /// Where each lane's indices end.
    ends: Vec<usize>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(routes: &'a Routes, hashes: &[HashKey]) -> Runs<'a> {
        let lanes: Vec<u32> = hashes
            .iter()
            .map(|hash| routes.router.route(*hash) as u32)
            .collect();
        // Counting sort: it keeps the order within a lane.
        let mut ends = vec![0; routes.lanes.len()];
        for lane in &lanes {
            ends[*lane as usize] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            let count = *end;
            *end = begin;
            begin += count;
        }
        let mut order = vec![0; lanes.len()];
        for (index, lane) in (0..).zip(&lanes) {
            let end = &mut ends[*lane as usize];
            order[*end] = index;
            *end += 1;
        }
        Runs {
            routes,
            order,
            ends,
        }
    }

    /// Each lane that has records, and the indices of these.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a Arc<Lane>, &[u32])> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let runs = begins
            .zip(&self.ends)
            .map(|(begin, end)| &self.order[begin..*end]);
        let lanes = self.routes.lanes.iter();
        lanes.zip(runs).filter(|(_, run)| !run.is_empty())
    }
}

/// From a hash key to a lane, for one version of the shard map.
#[derive(Debug)]
pub(super) struct Routes {
    router: ShardRouter,
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) max_record_bytes: usize,
}

impl Routes {
    /// Routes over `map`; `lane` gives the lane of each shard.
    ///
    /// # Errors
    /// When the map does not cover the hash space.
    pub(super) fn new(
        map: &ShardMap,
        lane: impl FnMut(&ShardEntry) -> Arc<Lane>,
    ) -> Result<Routes, Error> {
        let ranges: Vec<_> = map.shards.iter().map(|shard| shard.range).collect();
        let Some(router) = ShardRouter::new(&ranges) else {
            return Err(Error::Unexpected {
                what: "with a shard map that does not cover the hash space".to_owned(),
            });
        };
        Ok(Routes {
            router,
            lanes: map.shards.iter().map(lane).collect(),
            max_record_bytes: map.max_record_bytes as usize,
        })
    }

    #[inline]
    pub(super) fn lane(&self, key: HashKey) -> Option<&Arc<Lane>> {
        self.lanes.get(self.router.route(key))
    }
}
