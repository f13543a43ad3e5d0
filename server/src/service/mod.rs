//! The verbs, the same for every front: what is asked is in terms of streams, shards, records
//! and sequence numbers, and nothing here knows a socket.

mod error;
mod get;
mod limits;
pub(crate) mod maintenance;
mod put;
mod put_batches;
mod put_outlines;
mod shards;
mod stream;
mod streams;
mod table;
mod told;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use arc_swap::ArcSwap;
use millstream_engine::{
    CompressionChoice, DeviceReport, Durability, Error as EngineError, ShardId, Store, clock::Clock,
};
use tokio::sync::Semaphore;

use crate::{catalog::Catalog, config::Config};

pub(crate) use error::ServiceError;
pub(crate) use get::{Piece, PieceLimits, Reading};
pub(crate) use put::{PendingPut, PutOutcome};
pub(crate) use put_batches::{BatchOutcome, Patience, PendingBatches};
pub(crate) use stream::{Stream, StreamShard};
pub(crate) use streams::CreateStream;

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
        }
    }
}

/// Streams and shards that there are, those being made and deleted among them.
#[derive(Debug, Default)]
struct Totals {
    streams: usize,
    shards: usize,
}

/// The store, the catalog, and the table of streams that joins them.
pub(crate) struct Service {
    store: Store,
    catalog: Catalog,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// Read once by a request; replaced whole.
    table: ArcSwap<Table>,
    /// Held while catalog and table change together.
    totals: Mutex<Totals>,
    /// Bounds the threads of changes.
    changes: Arc<Semaphore>,
    /// Bounds the threads of reads that may have to wait for the medium.
    reads: Arc<Semaphore>,
    sick: Sick,
    told: Told,
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

    /// The stream of a name.
    pub(crate) fn stream(&self, name: &str) -> Result<Arc<Stream>, ServiceError> {
        let stream = self.table.load().get(name);
        stream.ok_or_else(|| ServiceError::NoSuchStream {
            name: name.to_owned(),
        })
    }

    /// Streams and shards in use.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let table = self.table.load();
        let shards = table.all().map(|stream| stream.shards.len()).sum();
        (table.len(), shards)
    }

    /// Finishes what was accepted and closes the store. Blocks.
    pub(crate) fn close(&self) -> Result<(), EngineError> {
        self.store.close()
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

    fn totals(&self) -> MutexGuard<'_, Totals> {
        // Nothing that holds it panics half-way; the counts stay true.
        self.totals
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
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
        let (stream, index) = self.find_shard(id)?;
        Some(ServiceError::Unavailable {
            stream: stream.name().to_owned(),
            index,
            reason: "a failed write closed it, and it is being opened again; try again".into(),
        })
    }

    /// Where the shard of an id is, in whichever stream.
    fn find_shard(&self, id: ShardId) -> Option<(Arc<Stream>, u32)> {
        self.table.load().all().find_map(|stream| {
            let index = stream.shard_by_id(id.0).ok()?.index;
            Some((Arc::clone(stream), index))
        })
    }
}

#[cfg(test)]
mod tests;
