//! The group-commit thread: one queue of writes for all shards of a store. While a write of a
//! shard is in flight its next batch fills; an idle store commits at once.

mod preparer;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

pub(crate) use preparer::Preparer;

use crate::{
    clock::{Turn, Work},
    ground::Ground,
    io::device::{Completion, WriteOp, WriteQueue},
    shard::{
        ShardCore,
        commit::{Advance, Submitter},
    },
};

/// A shard that has fallen idle shows its watermark on the medium within this time.
const STAMP_AFTER: Duration = Duration::from_millis(500);
/// Pause after the queue has failed, which may not wait any more.
const BROKEN_PAUSE: Duration = Duration::from_millis(10);
/// Longest wait without looking around.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// Writes in flight.
struct InFlight {
    queue: Box<dyn WriteQueue>,
    shards: HashMap<u64, Arc<ShardCore>>,
    next_token: u64,
    /// Writes that the queue would not take.
    refused: Vec<Completion>,
}

impl Submitter for InFlight {
    fn is_free(&self) -> bool {
        self.shards.len() < self.queue.depth()
    }

    fn token(&mut self, shard: &Arc<ShardCore>) -> u64 {
        self.next_token += 1;
        self.shards.insert(self.next_token, Arc::clone(shard));
        self.next_token
    }

    fn submit(&mut self, op: WriteOp) {
        let token = op.token;
        if let Err(error) = self.queue.submit(op) {
            self.refused.push(Completion {
                token,
                result: Err(error),
            });
        }
    }
}

/// The writer's work.
pub(crate) struct Writer {
    ground: Arc<Ground>,
    flight: InFlight,
    /// Shards to look at, each once.
    runnable: VecDeque<Arc<ShardCore>>,
    /// Shards whose records linger, by when they are due.
    lingering: BTreeMap<Duration, Vec<Arc<ShardCore>>>,
    /// Shards that have fallen idle, by when their watermark is to be shown.
    idle: VecDeque<(Duration, Arc<ShardCore>)>,
    done: Vec<Completion>,
}

impl Writer {
    pub(crate) fn new(ground: Arc<Ground>, queue: Box<dyn WriteQueue>) -> Writer {
        ground.writer.connect(queue.waker());
        ground.stamps.connect(queue.waker());
        Writer {
            ground,
            flight: InFlight {
                queue,
                shards: HashMap::new(),
                next_token: 0,
                refused: Vec::new(),
            },
            runnable: VecDeque::new(),
            lingering: BTreeMap::new(),
            idle: VecDeque::new(),
            done: Vec::new(),
        }
    }

    fn collect(&mut self, now: Duration) {
        while let Some(shard) = self.ground.writer.take() {
            shard.with_writer.store(false, Ordering::SeqCst);
            self.runnable.push_back(shard);
        }
        while let Some(shard) = self.ground.stamps.take() {
            self.idle.push_back((now + STAMP_AFTER, shard));
        }
        while let Some(entry) = self.lingering.first_entry() {
            if *entry.key() > now && !self.ground.is_closing() {
                break;
            }
            for shard in entry.remove() {
                shard.lingering.store(false, Ordering::Relaxed);
                self.runnable.push_back(shard);
            }
        }
        while let Some((due, _)) = self.idle.front() {
            if *due > now {
                break;
            }
            if let Some((_, shard)) = self.idle.pop_front() {
                shard.stamp_scheduled.store(false, Ordering::Relaxed);
                if shard.needs_stamp() {
                    shard.stamp_due.store(true, Ordering::Release);
                    self.runnable.push_back(shard);
                }
            }
        }
    }

    fn run(&mut self, now: Duration) {
        for _ in 0..self.runnable.len() {
            let Some(shard) = self.runnable.pop_front() else {
                break;
            };
            match shard.advance(&mut self.flight, now) {
                Advance::Resting => {}
                Advance::Lingering(due) => {
                    if !shard.lingering.swap(true, Ordering::Relaxed) {
                        self.lingering.entry(due).or_default().push(shard);
                    }
                }
                Advance::Busy => self.runnable.push_back(shard),
            }
        }
    }

    /// How long the queue may be waited for.
    fn patience(&self, now: Duration) -> Duration {
        if !self.flight.refused.is_empty() || !self.ground.writer.is_empty() {
            return Duration::ZERO;
        }
        let linger = self.lingering.first_key_value().map(|(due, _)| *due);
        let idle = self.idle.front().map(|(due, _)| *due);
        let due = linger.into_iter().chain(idle).min();
        due.map_or(LOOK_AROUND, |due| due.saturating_sub(now).min(LOOK_AROUND))
    }

    fn complete(&mut self, now: Duration) {
        self.done.append(&mut self.flight.refused);
        for completion in self.done.drain(..) {
            let Some(shard) = self.flight.shards.remove(&completion.token) else {
                continue;
            };
            let ended = shard.complete(completion);
            if ended.unshown && !shard.stamp_scheduled.swap(true, Ordering::Relaxed) {
                self.idle.push_back((now + STAMP_AFTER, Arc::clone(&shard)));
            }
            // Before the next write: those who are woken have records for it, and larger groups
            // cost less than a device that never waits.
            shard.wake(ended);
            self.runnable.push_back(shard);
        }
    }

    /// The queue itself has failed: how the writes in flight ended will never be known.
    fn break_down(&mut self, error: &io::Error) {
        tracing::error!(%error, "the queue of writes is broken; every shard that writes is poisoned");
        for token in self.flight.shards.keys() {
            self.done.push(Completion {
                token: *token,
                result: Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
        std::thread::sleep(BROKEN_PAUSE);
    }

    /// When the store closes: marks every shard as closed. `true` when all is on the medium.
    fn mark_closed(&mut self) -> bool {
        let mut all = self.flight.shards.is_empty() && self.ground.writer.is_empty();
        for shard in self.ground.open_shards() {
            all &= shard.mark_closed(&mut self.flight);
        }
        all && self.flight.shards.is_empty()
    }
}

impl Work for Writer {
    fn turn(&mut self, wait: bool) -> Turn {
        let now = self.ground.clock.monotonic();
        self.collect(now);
        self.run(now);
        let closing = self.ground.is_closing();
        if closing && self.runnable.is_empty() && self.mark_closed() {
            return Turn::Done;
        }
        let timeout = match wait {
            true if closing => self.patience(now).min(Duration::from_millis(5)),
            true => self.patience(now),
            false => Duration::ZERO,
        };
        if let Err(error) = self.flight.queue.wait(Some(timeout), &mut self.done)
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.break_down(&error);
        }
        self.complete(self.ground.clock.monotonic());
        Turn::Again
    }
}
