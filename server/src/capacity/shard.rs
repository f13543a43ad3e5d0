//! What one shard takes and gives, and what flows from it to one consumer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use millstream_engine::clock::Clock;

use super::{
    CapacityProfile,
    bucket::{Bucket, Rate},
    lock, monotonic_ms,
};

/// The buckets of a shard.
#[derive(Debug)]
pub(crate) struct ShardCapacity {
    clock: Arc<dyn Clock>,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    write_bytes: Option<Bucket>,
    write_records: Option<Bucket>,
    read_bytes: Option<Bucket>,
    read_calls: Option<Bucket>,
}

impl ShardCapacity {
    pub(super) fn new(profile: &CapacityProfile, clock: Arc<dyn Clock>) -> ShardCapacity {
        let now_ms = monotonic_ms(&*clock);
        let bucket = |rate: Option<Rate>| rate.map(|rate| Bucket::new(rate, now_ms));
        let (write, read) = (profile.write, profile.read);
        let buckets = Buckets {
            write_bytes: bucket(write.bytes()),
            write_records: bucket(write.records_per_second.map(Rate::per_second)),
            read_bytes: bucket(read.bytes_per_second.map(Rate::per_second)),
            read_calls: bucket(read.calls_per_second.map(Rate::per_second)),
        };
        ShardCapacity {
            clock,
            buckets: Mutex::new(buckets),
        }
    }

    /// Takes what a record of `bytes` needs, or nothing when there is not enough.
    pub(crate) fn write(&self, bytes: usize) -> bool {
        let (bytes, now_ms) = (bytes as u64, self.now_ms());
        let mut buckets = lock(&self.buckets);
        let Buckets {
            write_bytes,
            write_records,
            ..
        } = &mut *buckets;
        let fits = write_bytes.as_mut().is_none_or(|b| b.has(bytes, now_ms))
            && write_records.as_mut().is_none_or(|b| b.has(1, now_ms));
        if fits {
            charge(write_bytes, bytes, now_ms);
            charge(write_records, 1, now_ms);
        }
        fits
    }

    /// Whether GetRecords may be answered now; counts the call if so.
    pub(crate) fn begin_read(&self) -> bool {
        let now_ms = self.now_ms();
        let mut buckets = lock(&self.buckets);
        let owes = buckets
            .read_bytes
            .as_mut()
            .is_some_and(|b| b.debt_ms(now_ms) > 0);
        !owes
            && buckets
                .read_calls
                .as_mut()
                .is_none_or(|b| b.take(1, now_ms))
    }

    /// Counts what was answered.
    pub(crate) fn end_read(&self, bytes: usize) {
        let now_ms = self.now_ms();
        charge(&mut lock(&self.buckets).read_bytes, bytes as u64, now_ms);
    }

    pub(super) fn is_full(&self, now_ms: u64) -> bool {
        let mut buckets = lock(&self.buckets);
        let Buckets {
            write_bytes,
            write_records,
            read_bytes,
            read_calls,
        } = &mut *buckets;
        [write_bytes, write_records, read_bytes, read_calls]
            .into_iter()
            .flatten()
            .all(|bucket| bucket.is_full(now_ms))
    }

    fn now_ms(&self) -> u64 {
        monotonic_ms(&*self.clock)
    }
}

fn charge(bucket: &mut Option<Bucket>, tokens: u64, now_ms: u64) {
    if let Some(bucket) = bucket {
        bucket.charge(tokens, now_ms);
    }
}

/// What flows from a shard to a consumer: nobody is refused, but the next waits.
#[derive(Debug)]
pub(crate) struct Flow {
    clock: Arc<dyn Clock>,
    bucket: Option<Mutex<Bucket>>,
}

impl Flow {
    pub(super) fn new(rate: Option<Rate>, clock: Arc<dyn Clock>) -> Flow {
        let now_ms = monotonic_ms(&*clock);
        Flow {
            bucket: rate.map(|rate| Mutex::new(Bucket::new(rate, now_ms))),
            clock,
        }
    }

    /// Counts what was sent.
    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(bucket) = &self.bucket {
            lock(bucket).charge(bytes as u64, monotonic_ms(&*self.clock));
        }
    }

    /// How long to wait before more is sent.
    pub(crate) fn wait(&self) -> Duration {
        let owed = self.bucket.as_ref().map(|bucket| {
            let debt_ms = lock(bucket).debt_ms(monotonic_ms(&*self.clock));
            Duration::from_millis(debt_ms)
        });
        owed.unwrap_or_default()
    }
}
