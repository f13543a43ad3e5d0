//! The newest batches of a shard, kept in the buffers that they were written from, so that a
//! follower does not wait for the medium. All tails of a store share one budget.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, Weak},
};

use crate::{
    io::pool::{PoolBuffer, Reclaim},
    segment::list::lock,
    shard::{ShardCore, log::FlightBatch},
};

/// A batch kept in memory.
#[derive(Debug)]
struct Kept {
    first: u64,
    end: u64,
    buffer: Arc<PoolBuffer>,
}

/// The tail of one shard: adjoining batches, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    kept: Mutex<VecDeque<Kept>>,
}

impl Tail {
    /// Keeps a batch that was committed.
    pub(crate) fn push(&self, shard: &Arc<ShardCore>, batch: FlightBatch) {
        // What the budget of the pool counts, which may be twice what is filled.
        let bytes = batch.buffer.capacity();
        lock(&self.kept).push_back(Kept {
            first: batch.entry.sequence,
            end: batch.end,
            buffer: batch.buffer,
        });
        shard.ground.tails.keep(Arc::downgrade(shard), bytes);
    }

    /// The batch that holds `sequence`, if it is kept.
    pub(crate) fn find(&self, sequence: u64) -> Option<Arc<PoolBuffer>> {
        let kept = lock(&self.kept);
        if kept.front()?.first > sequence {
            return None;
        }
        let at = kept.partition_point(|batch| batch.end <= sequence);
        let batch = kept.get(at).filter(|batch| batch.first <= sequence)?;
        Some(Arc::clone(&batch.buffer))
    }

    fn drop_oldest(&self) {
        lock(&self.kept).pop_front();
    }
}

/// What all tails keep, in the order in which it was committed.
#[derive(Debug, Default)]
struct AllKept {
    bytes: usize,
    oldest_first: VecDeque<(Weak<ShardCore>, usize)>,
}

/// The tails of a store.
#[derive(Debug)]
pub(crate) struct Tails {
    budget: usize,
    kept: Mutex<AllKept>,
}

impl Tails {
    pub(crate) fn new(budget: usize) -> Tails {
        Tails {
            budget,
            kept: Mutex::default(),
        }
    }

    fn keep(&self, shard: Weak<ShardCore>, bytes: usize) {
        let mut kept = lock(&self.kept);
        kept.bytes += bytes;
        kept.oldest_first.push_back((shard, bytes));
        let over = kept.bytes.saturating_sub(self.budget);
        drop(kept);
        if over > 0 {
            self.reclaim(over);
        }
    }
}

impl Reclaim for Tails {
    fn reclaim(&self, bytes: usize) -> bool {
        let mut freed = 0;
        while freed < bytes {
            let mut kept = lock(&self.kept);
            let Some((shard, len)) = kept.oldest_first.pop_front() else {
                break;
            };
            kept.bytes -= len;
            drop(kept);
            freed += len;
            if let Some(shard) = shard.upgrade() {
                shard.tail.drop_oldest();
            }
        }
        freed > 0
    }
}
