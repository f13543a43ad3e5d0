//! What everything that takes part in a run has in common.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_client::{Client, ClientOptions, Error, ErrorCode, ReadBatch};
use tokio::{sync::Semaphore, time};

use crate::{history::History, ledger::Sequence, record::Identity};

/// How often writers are given what they may send.
const PUMP: Duration = Duration::from_millis(2);
/// Most KiB that are given and not used: one large record and more.
const MOST_KIB: usize = 512;

/// The server's address, the seed, the history, and how fast writers may write.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) address: String,
    pub(crate) seed: u64,
    /// Errors that a full medium brings are no errors.
    pub(crate) full_disk: bool,
    pub(crate) history: Arc<History>,
    /// KiB that may be sent; closed when writers are to end.
    pub(crate) budget: Semaphore,
    /// KiB a second.
    pub(crate) rate: AtomicU64,
    /// Puts that were refused because the medium is full.
    pub(crate) no_space: AtomicU64,
    /// Records that were read and held against the ledger.
    pub(crate) read: AtomicU64,
    /// Shards that could not be audited because they need room to be opened.
    pub(crate) shut: AtomicU64,
    /// Streams that were made and removed again beside the load.
    pub(crate) made: AtomicU64,
}

impl Ground {
    pub(crate) fn new(
        address: &str,
        seed: u64,
        full_disk: bool,
        history: &Arc<History>,
    ) -> Arc<Ground> {
        Arc::new(Ground {
            address: address.to_owned(),
            seed,
            full_disk,
            history: Arc::clone(history),
            budget: Semaphore::new(0),
            rate: AtomicU64::new(0),
            no_space: AtomicU64::new(0),
            read: AtomicU64::new(0),
            shut: AtomicU64::new(0),
            made: AtomicU64::new(0),
        })
    }

    /// Gives writers what they may send, until they are to end.
    pub(crate) async fn pump(self: Arc<Self>) {
        let mut tick = time::interval(PUMP);
        let mut owed = 0.0;
        while !self.budget.is_closed() {
            tick.tick().await;
            owed += self.rate.load(Ordering::Relaxed) as f64 * PUMP.as_secs_f64();
            let room = MOST_KIB.saturating_sub(self.budget.available_permits());
            let whole = (owed as usize).min(room);
            self.budget.add_permits(whole);
            owed = (owed - whole as f64).min(MOST_KIB as f64);
        }
    }

    /// Waits until a record may be sent; whether writing goes on.
    pub(crate) async fn may_send(&self, bytes: usize) -> bool {
        let kib = bytes as u32 / 1024 + 1;
        match self.budget.acquire_many(kib).await {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }

    /// A connection of its own, as soon as there is a server.
    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        self.connect_for(Duration::from_secs(120)).await
    }

    /// The same, with how long requests are tried again.
    pub(crate) async fn connect_for(&self, retry_for: Duration) -> Result<Client, Error> {
        let options = ClientOptions {
            backoff_max: Duration::from_millis(50),
            retry_for,
            name: "torture".to_owned(),
            ..ClientOptions::default()
        };
        let mut left = 3000;
        loop {
            match Client::connect_with(&self.address, options.clone()).await {
                Err(error) if left == 0 => return Err(error),
                Err(_) => time::sleep(Duration::from_millis(20)).await,
                Ok(client) => return Ok(client),
            }
            left -= 1;
        }
    }

    /// Whether an error is one that a server gives that is killed, or whose medium is full.
    pub(crate) fn is_excused(&self, error: &Error) -> bool {
        match error.code() {
            Some(ErrorCode::ShuttingDown | ErrorCode::Overloaded) => true,
            Some(ErrorCode::NoSpace | ErrorCode::ShardPoisoned) => self.full_disk,
            Some(_) => false,
            None => matches!(
                error,
                Error::Io { .. }
                    | Error::Timeout { .. }
                    | Error::ConnectionLost { .. }
                    | Error::NotSent { .. }
            ),
        }
    }

    /// Whether an error says that a shard cannot be opened on the full medium: where recovery has
    /// something to cut off, or has numbers to skip, it begins a segment, and needs room.
    pub(crate) fn is_shut(&self, error: &Error) -> bool {
        self.full_disk && error.code() == Some(ErrorCode::Overloaded)
    }

    /// Holds a batch that was read against what was sent and said.
    pub(crate) fn check(&self, pass: &mut Sequence<'_>, batch: &ReadBatch) -> Result<(), String> {
        for record in batch.records() {
            let record = record.map_err(|error| format!("at {}: {error}", batch.first()))?;
            let who = Identity::of(&record.record, self.seed)
                .map_err(|error| format!("at {}: {error}", record.sequence))?;
            pass.take(record.sequence, who)?;
        }
        if pass.next() != batch.end() {
            let (next, end) = (pass.next(), batch.end());
            return Err(format!("a batch ends at {next}, and says at {end}"));
        }
        self.read.fetch_add(batch.count(), Ordering::Relaxed);
        pass.settle()
    }
}
