//! The verbs, the same for every front: what is asked is in terms of streams, shards, records
//! and sequence numbers, and nothing here knows a socket.

mod account;
mod consumers;
mod error;
mod expiry;
mod get;
mod limits;
pub(crate) mod maintenance;
mod policies;
mod properties;
mod put;
mod put_batches;
mod put_outlines;
mod quotas;
mod reshard;
mod shards;
mod stream;
mod stream_shard;
mod streams;
mod table;
mod tags;
mod told;
mod work;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use millstream_engine::{
    CompressionChoice, DeviceReport, Durability, Error as EngineError, ShardId, Store, clock::Clock,
};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use crate::{
    capacity::ControlLimits,
    catalog::{Catalog, StreamRow},
    config::Config,
};

pub(crate) use account::CommitmentStatus;
pub(crate) use error::ServiceError;
pub(crate) use get::{Piece, PieceLimits, Reading};
pub(crate) use put::{PendingPut, PutOutcome};
pub(crate) use put_batches::{BatchOutcome, Patience, PendingBatches};
pub(crate) use stream::Stream;
pub(crate) use stream_shard::StreamShard;
pub(crate) use streams::{CreateStream, Deletion};

use maintenance::Sick;
use table::Table;
use told::Told;

/// Changes of the catalog at a time; each has a thread while it lasts.
const CHANGES_AT_A_TIME: usize = 4;

/// What the verbs take from the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub compression: CompressionChoice,
    pub durability: Durability,
    pub verify_routing: bool,
    pub segment_bytes: u64,
    /// Bytes made ahead for each new shard.
    pub prepare: u64,
    /// Most bytes of a ready batch.
    pub batch_limit: usize,
    /// Most bytes of data and key in a record.
    pub record_limit: usize,
    pub put_wait: Duration,
    pub get_wait: Duration,
    pub streams: usize,
    pub shards: usize,
    pub reads: usize,
    /// What an account may have and do.
    pub quotas: ControlLimits,
}

impl Settings {
    pub(crate) fn of(config: &Config) -> Settings {
        Settings {
            compression: config.streams.compression,
            durability: config.streams.durability,
            verify_routing: config.streams.verify_routing,
            segment_bytes: config.store.segment_bytes as u64,
            prepare: config.store.prepare as u64,
            batch_limit: config.batch_limit(),
            record_limit: config.record_limit(),
            put_wait: config.limits.put_wait,
            get_wait: config.limits.get_wait,
            streams: config.limits.streams,
            shards: config.limits.shards,
            reads: config.limits.reads,
            quotas: ControlLimits::default(),
        }
    }
}

/// The store, the catalog, and the table of streams that joins them.
pub(crate) struct Service {
    store: Store,
    catalog: Catalog,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// Every stream, whatever its status. Read once by a request; replaced whole.
    table: ArcSwap<Table>,
    /// Says when the table was replaced.
    changed: watch::Sender<()>,
    /// Held while catalog and table change together.
    together: Mutex<()>,
    /// What was done too often of late to be done again.
    recent: quotas::Recent,
    commitment: account::Commitments,
    stopping: AtomicBool,
    /// Bounds the threads of changes.
    changes: Arc<Semaphore>,
    /// Bounds the threads of reads that may have to wait for the medium.
    reads: Arc<Semaphore>,
    sick: Sick,
    told: Told,
    #[cfg(test)]
    halt: tests::Halt,
}

impl Service {
    /// What the store stands on.
    pub(crate) fn device(&self) -> DeviceReport {
        self.store.device()
    }

    /// The clock of everything that it does.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The stream of a name, whatever its status.
    pub(crate) fn stream(&self, name: &str) -> Result<Arc<Stream>, ServiceError> {
        let stream = self.table.load().get(name);
        stream.ok_or_else(|| ServiceError::NoSuchStream {
            name: name.to_owned(),
        })
    }

    /// The stream of a name, to be written to or read.
    pub(crate) fn served(&self, name: &str) -> Result<Arc<Stream>, ServiceError> {
        let stream = self.stream(name)?;
        match stream.is_served() {
            true => Ok(stream),
            false => Err(ServiceError::NoSuchStream {
                name: name.to_owned(),
            }),
        }
    }

    /// The stream of a name and an id as it is now, if it is still there.
    pub(crate) fn same_stream(&self, name: &str, id: u64) -> Option<Arc<Stream>> {
        let stream = self.table.load().get(name);
        stream.filter(|stream| stream.row.id == id)
    }

    /// Sees when any stream is made, changed or removed.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The stream as it is once its open shards are others than `stream` has: some of those take
    /// no more.
    ///
    /// # Errors
    /// When it is deleted instead, or nothing happens by the deadline.
    pub(crate) async fn resharded(
        &self,
        stream: &Stream,
        deadline: Instant,
    ) -> Result<Arc<Stream>, ServiceError> {
        let mut changed = self.changed.subscribe();
        loop {
            let now = self.same_stream(stream.name(), stream.row.id);
            let now = now.filter(|now| now.is_served());
            let now = now.ok_or_else(|| ServiceError::NoSuchStream {
                name: stream.name().to_owned(),
            })?;
            if now.map.version() != stream.map.version() {
                return Ok(now);
            }
            let waited = tokio::time::timeout_at(deadline, changed.changed()).await;
            waited
                .map_err(|_| ServiceError::Overloaded)?
                .map_err(|_| ServiceError::ShuttingDown)?;
        }
    }

    /// Streams and open shards in use.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let table = self.table.load();
        let served = || table.all().filter(|stream| stream.is_served());
        (served().count(), served().map(|s| s.map.open_count()).sum())
    }

    /// Ends what is being done behind answers, between two steps of it; the next start goes on.
    pub(crate) async fn quiesce(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Whoever has begun comes to an end, nobody begins any more.
        let all = self.changes.acquire_many(CHANGES_AT_A_TIME as u32).await;
        self.changes.close();
        drop(all);
    }

    /// Finishes what was accepted and closes the store. Blocks.
    pub(crate) fn close(&self) -> Result<(), EngineError> {
        self.stopping.store(true, Ordering::SeqCst);
        self.store.close()
    }

    /// Whether the store is being closed: what fails then is not undone, the next start goes on.
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Called between two durable steps of a change that takes several.
    fn step(&self) -> Result<(), ServiceError> {
        #[cfg(test)]
        self.halt.step(&self.stopping)?;
        Ok(())
    }

    /// Looks at an error on its way out: a shard that a failed write has poisoned is to be
    /// opened again, and damage is told in the log.
    pub(crate) fn note(&self, error: &EngineError) {
        match error {
            EngineError::Poisoned { shard, .. } => self.sick.note(*shard),
            EngineError::Damaged { shard, damage } => {
                self.told.tell(*shard, damage);
            }
            _ => {}
        }
    }

    /// The same, in the form that `map_err` takes.
    fn noted(&self, error: EngineError) -> ServiceError {
        self.note(&error);
        ServiceError::from(error)
    }

    fn together(&self) -> MutexGuard<'_, ()> {
        self.together.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the row of a stream, durably, and shows it. Blocks.
    fn change(
        &self,
        name: &str,
        change: impl FnOnce(&Stream, &mut StreamRow) -> Result<(), ServiceError>,
    ) -> Result<Arc<Stream>, ServiceError> {
        let _together = self.together();
        let stream = self.stream(name)?;
        let mut row = stream.row.clone();
        change(&stream, &mut row)?;
        if row == stream.row {
            return Ok(stream);
        }
        self.catalog.put_stream(&row)?;
        let stream = Stream::clone(&stream);
        Ok(self.replace(Stream { row, ..stream }))
    }

    /// Shows a stream in place of what it was before. Under the lock of changes.
    fn replace(&self, stream: Stream) -> Arc<Stream> {
        let stream = Arc::new(stream);
        self.publish(self.table.load().with(Arc::clone(&stream)));
        stream
    }

    fn publish(&self, table: Table) {
        self.table.store(Arc::new(table));
        self.changed.send_replace(());
    }

    /// Runs `work` on a thread that may block, as one of few.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        room: &Arc<Semaphore>,
        work: impl FnOnce(&Arc<Service>) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let permit = Arc::clone(room).acquire_owned().await;
        let permit = permit.map_err(|_| ServiceError::ShuttingDown)?;
        let service = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let value = work(&service);
            drop(permit);
            value
        });
        task.await.map_err(|_| ServiceError::TaskFailed)
    }

    /// Why a shard is closed whose stream is there: a failed write has closed it, and it is opened
    /// again by itself.
    pub(crate) fn being_opened(&self, id: ShardId) -> Option<ServiceError> {
        let (stream, shard) = self.find_shard(id)?;
        if !stream.is_served() {
            return None;
        }
        Some(ServiceError::Unavailable {
            stream: stream.name().to_owned(),
            index: shard.index,
            reason: "a failed write closed it, and it is being opened again; try again".into(),
        })
    }

    /// Where the shard of an id is, in whichever stream.
    fn find_shard(&self, id: ShardId) -> Option<(Arc<Stream>, StreamShard)> {
        self.table.load().all().find_map(|stream| {
            let shard = stream.every_shard().find(|shard| shard.id == id)?;
            Some((Arc::clone(stream), shard.clone()))
        })
    }
}

#[cfg(test)]
mod tests;
