//! The thread that makes blocks and segments ahead of the writer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    clock::{Turn, Work},
    ground::Ground,
    shard::{ShardCore, preparing::Prepare},
    signal::Signal,
};

/// How often a full medium is looked at again.
const RETRY: Duration = Duration::from_millis(200);
/// Longest wait without looking around.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// The preparer's work.
pub(crate) struct Preparer {
    ground: Arc<Ground>,
    signal: Arc<Signal>,
    /// Shards for which the medium had no room, and when to try again.
    waiting: Vec<Arc<ShardCore>>,
    retry_at: Duration,
}

impl Preparer {
    pub(crate) fn new(ground: Arc<Ground>) -> Preparer {
        let signal = Arc::new(Signal::default());
        ground.preparer.connect(Arc::clone(&signal) as _);
        Preparer {
            ground,
            signal,
            waiting: Vec::new(),
            retry_at: Duration::ZERO,
        }
    }

    fn prepare(&mut self, shard: Arc<ShardCore>) {
        shard.with_preparer.store(false, Ordering::SeqCst);
        if shard.prepare() == Prepare::NoSpace
            && !self.waiting.iter().any(|s| Arc::ptr_eq(s, &shard))
        {
            self.retry_at = self.ground.clock.monotonic() + RETRY;
            self.waiting.push(shard);
        }
    }
}

impl Work for Preparer {
    fn turn(&mut self, wait: bool) -> Turn {
        if self.ground.is_stopped() {
            return Turn::Done;
        }
        if wait && self.ground.preparer.is_empty() {
            let now = self.ground.clock.monotonic();
            let patience = match self.waiting.is_empty() {
                true => LOOK_AROUND,
                false => self.retry_at.saturating_sub(now).min(LOOK_AROUND),
            };
            self.signal.wait(patience);
        }
        while let Some(shard) = self.ground.preparer.take() {
            self.prepare(shard);
        }
        if !self.waiting.is_empty() && self.ground.clock.monotonic() >= self.retry_at {
            for shard in std::mem::take(&mut self.waiting) {
                self.prepare(shard);
            }
        }
        Turn::Again
    }
}
