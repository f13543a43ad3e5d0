//! Clients that write, read and follow while the server is killed.

mod makers;
mod readers;
mod writers;

use std::sync::{Arc, atomic::Ordering};

use tokio::task::{JoinHandle, JoinSet};

use crate::{ground::Ground, ledger::Ledger, random::Random};

/// Everything that goes on at the server beside the kills.
#[derive(Debug)]
pub(crate) struct Load {
    ground: Arc<Ground>,
    ledgers: Vec<Arc<Ledger>>,
    writers: JoinSet<()>,
    others: JoinSet<()>,
    pump: JoinHandle<()>,
}

impl Load {
    /// Clients of their own for each stream: producers that live long, one after the other that
    /// lives short, puts without a producer, catch-up readers, and a follower of each shard.
    pub(crate) fn start(ground: &Arc<Ground>, ledgers: &[Arc<Ledger>], seed: u64) -> Load {
        let mut random = Random::new(seed);
        let (mut writers, mut others) = (JoinSet::new(), JoinSet::new());
        let mut fork = || Random::new(random.next());
        for ledger in ledgers {
            let both = || (Arc::clone(ground), Arc::clone(ledger));
            for life in [u64::MAX, u64::MAX, 2000] {
                let (ground, ledger) = both();
                writers.spawn(writers::produce(ground, ledger, fork(), life));
            }
            let (own_ground, own_ledger) = both();
            writers.spawn(writers::put(own_ground, own_ledger, fork()));
            for _ in 0..2 {
                let (ground, ledger) = both();
                others.spawn(readers::catch_up(ground, ledger, fork()));
            }
            for shard in 0..ledger.shards {
                let (ground, ledger) = both();
                others.spawn(readers::follow(ground, ledger, shard, fork()));
            }
        }
        others.spawn(makers::make_and_remove(Arc::clone(ground), fork()));
        Load {
            pump: tokio::spawn(Arc::clone(ground).pump()),
            ground: Arc::clone(ground),
            ledgers: ledgers.to_vec(),
            writers,
            others,
        }
    }

    /// Records that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.count()).sum()
    }

    /// Sets how much is written, in KiB a second.
    pub(crate) fn set_rate(&self, kib: u64) {
        self.ground.rate.store(kib, Ordering::Relaxed);
    }

    /// Lets writers finish, and ends the rest.
    pub(crate) async fn stop(mut self) {
        self.ground.budget.close();
        while let Some(ended) = self.writers.join_next().await {
            if let Err(error) = ended {
                self.ground.history.wrong(format!("a writer: {error}"));
            }
        }
        self.others.abort_all();
        while let Some(ended) = self.others.join_next().await {
            if let Err(error) = ended
                && !error.is_cancelled()
            {
                self.ground.history.wrong(format!("a reader: {error}"));
            }
        }
        self.pump.abort();
    }
}
