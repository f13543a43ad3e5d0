//! Opens shards again that a failed write has poisoned, or that could not be opened, and removes
//! closed ones that are past retention.

use std::{
    collections::BTreeSet,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millstream_engine::ShardId;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};

use super::{Service, shards::report_opening};
use crate::shutdown::Shutdown;

/// Pause before a shard is opened again, and the longest that it grows to.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often closed shards past retention are looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(10);

/// Shards that need to be opened again.
#[derive(Debug, Default)]
pub(super) struct Sick {
    shards: Mutex<BTreeSet<ShardId>>,
    noted: Notify,
}

impl Sick {
    pub(super) fn note(&self, shard: ShardId) {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if shards.insert(shard) {
            self.noted.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<ShardId> {
        std::mem::take(&mut *self.shards.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When a shard is tried next, and how long to pause after that.
struct Attempt {
    at: Instant,
    pause: Duration,
}

/// Runs until the signal to stop.
pub(crate) async fn run(service: Arc<Service>, mut shutdown: Shutdown) {
    let mut attempts: HashMap<ShardId, Attempt> = HashMap::new();
    let mut expiry = tokio::time::interval(EXPIRY_INTERVAL);
    expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = Instant::now();
        for shard in service.sick.take() {
            attempts.entry(shard).or_insert(Attempt {
                at: now + FIRST_PAUSE,
                pause: FIRST_PAUSE,
            });
        }
        let due: Vec<ShardId> = attempts
            .iter()
            .filter(|(_, attempt)| attempt.at <= now)
            .map(|(shard, _)| *shard)
            .collect();
        for shard in due {
            if reopen(&service, shard).await {
                attempts.remove(&shard);
            } else if let Some(attempt) = attempts.get_mut(&shard) {
                attempt.pause = (attempt.pause * 2).min(LONGEST_PAUSE);
                attempt.at = Instant::now() + attempt.pause;
            }
        }
        let next = attempts.values().map(|attempt| attempt.at).min();
        tokio::select! {
            () = shutdown.stopping() => return,
            () = service.sick.noted.notified() => {}
            () = sleep_until(next) => {}
            _ = expiry.tick() => service.expire_shards().await,
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Whether nothing is left to be done for the shard.
async fn reopen(service: &Arc<Service>, shard: ShardId) -> bool {
    let room = Arc::clone(&service.changes);
    let done = service.blocking(&room, move |service| service.reopen_now(shard));
    done.await.unwrap_or(false)
}

impl Service {
    fn reopen_now(&self, id: ShardId) -> bool {
        let Some((stream, shard)) = self.find_shard(id) else {
            return true; // deleted meanwhile
        };
        if !stream.is_served() {
            return true;
        }
        let index = shard.index;
        if stream.open(&shard).is_err() {
            return self.open_shard(&stream, &shard) || shard.door().is_lost();
        }
        match self.store.reopen_shard(id) {
            Ok(handle) => {
                tracing::info!(stream = stream.name(), shard = index, %id, "a poisoned shard was opened again");
                report_opening(&stream, &shard, &handle);
                handle.set_retention(stream.retention());
                shard.door().opened(handle);
                true
            }
            Err(error) => {
                tracing::error!(stream = stream.name(), shard = index, %id, %error, "a poisoned shard cannot be opened yet");
                false
            }
        }
    }
}
