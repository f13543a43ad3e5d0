//! How much a shard takes and gives: buckets beside the shards of the engine, filled as the
//! profile says. Where nothing is limited there is no bucket and nothing is counted.

mod bucket;
mod profile;
mod shard;

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millstream_engine::{ShardId, clock::Clock};

pub(crate) use profile::{CapacityProfile, ControlLimits};
pub(crate) use shard::{Flow, ShardCapacity};

use bucket::{Bucket, Rate};

/// Buckets that are kept before those that are full again are forgotten.
const SWEEP_AT: usize = 1024;

/// The buckets of a server.
#[derive(Debug)]
pub(crate) struct Capacity {
    profile: CapacityProfile,
    limits_shards: bool,
    clock: Arc<dyn Clock>,
    shards: Mutex<Kept<ShardId, Arc<ShardCapacity>>>,
    calls: Mutex<Kept<(&'static str, String), Bucket>>,
}

impl Capacity {
    pub(crate) fn new(profile: CapacityProfile, clock: Arc<dyn Clock>) -> Capacity {
        Capacity {
            limits_shards: profile.limits_shards(),
            profile,
            clock,
            shards: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// Whether any shard is limited.
    pub(crate) fn limits_shards(&self) -> bool {
        self.limits_shards
    }

    /// What a shard takes and gives; `None` where that is not limited.
    pub(crate) fn shard(&self, id: ShardId) -> Option<Arc<ShardCapacity>> {
        if !self.limits_shards {
            return None;
        }
        let now_ms = self.now_ms();
        let mut shards = lock(&self.shards);
        let shard = shards.get_or_insert(
            id,
            || Arc::new(ShardCapacity::new(&self.profile, Arc::clone(&self.clock))),
            // One that somebody holds is in use.
            |shard| Arc::strong_count(shard) == 1 && shard.is_full(now_ms),
        );
        Some(Arc::clone(shard))
    }

    /// Counts a call of an operation on a resource; false when there were too many of late.
    pub(crate) fn call(&self, operation: &'static str, resource: &str) -> bool {
        let Some(calls) = self.profile.calls.get(operation) else {
            return true;
        };
        let now_ms = self.now_ms();
        let mut kept = lock(&self.calls);
        let bucket = kept.get_or_insert(
            (operation, resource.to_owned()),
            || Bucket::new(Rate::per_second(*calls), now_ms),
            |bucket| bucket.is_full(now_ms),
        );
        bucket.take(1, now_ms)
    }

    /// The flow of one shard to one consumer.
    pub(crate) fn fan_out(&self) -> Flow {
        let rate = self.profile.fan_out.bytes_per_second.map(Rate::per_second);
        Flow::new(rate, Arc::clone(&self.clock))
    }

    fn now_ms(&self) -> u64 {
        monotonic_ms(&*self.clock)
    }
}

fn monotonic_ms(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX)
}

/// What was asked for, and is forgotten when it is as good as new and there is much of it.
#[derive(Debug)]
struct Kept<K, V> {
    map: HashMap<K, V>,
    sweep_at: usize,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Kept {
            map: HashMap::new(),
            sweep_at: SWEEP_AT,
        }
    }
}

impl<K: Hash + Eq, V> Kept<K, V> {
    fn get_or_insert(
        &mut self,
        key: K,
        make: impl FnOnce() -> V,
        mut is_new: impl FnMut(&mut V) -> bool,
    ) -> &mut V {
        if self.map.len() >= self.sweep_at {
            self.map.retain(|_, value| !is_new(value));
            self.sweep_at = (2 * self.map.len()).max(SWEEP_AT);
        }
        self.map.entry(key).or_insert_with(make)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
