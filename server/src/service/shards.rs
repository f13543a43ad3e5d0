//! The shards of streams in the store: made, opened at start, removed, and cleaned up after a
//! crash.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use millstream_engine::{
    Error as EngineError, Shard, ShardId, ShardOptions, ShardState, Store, clock::Clock,
};
use tokio::sync::{Semaphore, watch};

use super::{
    CHANGES_AT_A_TIME, Service, ServiceError, Settings, Stream, StreamShard, maintenance::Sick,
    quotas::Recent, reshard::parents_of, stream_shard::Trouble, streams::gaps, table::Table,
    told::Told,
};
use crate::{
    catalog::{Catalog, WholeStream},
    error::ServerError,
};

/// Threads that make, open or remove shards: they mostly wait for the medium.
const SHARD_WORKERS: usize = 8;

impl Service {
    /// Joins an open store and an open catalog: removes shards that no stream has, opens those of
    /// every stream. Blocks. What a crash cut short is gone on with by [`Service::resume`].
    ///
    /// # Errors
    /// When store and catalog do not belong together, or cannot be read or cleaned up. A shard
    /// that cannot be opened is no error: the others are served.
    pub(crate) fn start(
        data: &Path,
        store: Store,
        catalog: Catalog,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Service, ServerError> {
        let service = Service {
            reads: Arc::new(Semaphore::new(settings.reads)),
            changes: Arc::new(Semaphore::new(CHANGES_AT_A_TIME)),
            sick: Sick::default(),
            told: Told::default(),
            together: Mutex::default(),
            table: ArcSwap::from_pointee(Table::default()),
            changed: watch::Sender::default(),
            recent: Recent::default(),
            commitment: ArcSwap::from_pointee(catalog.commitment()?),
            stopping: AtomicBool::new(false),
            #[cfg(test)]
            halt: super::tests::Halt::default(),
            store,
            catalog,
            settings,
            clock,
        };
        let unusable = |reason: String| ServerError::DataDirectory {
            path: data.to_owned(),
            reason,
        };
        service.catalog.join_store(service.store.id())?;
        let streams = service.catalog.load()?;
        let orphans = service.orphans(&streams).map_err(unusable)?;
        if !orphans.is_empty() {
            tracing::warn!(shards = orphans.len(), "removing shards that no stream has");
            match service.remove_shards(orphans) {
                // They stay until the next start: the streams are served.
                Err(error @ ServiceError::NoSpace { .. }) => {
                    tracing::error!(%error, "shards that no stream has cannot be removed; the next start tries again");
                }
                removed => removed.map_err(|error| unusable(error.to_string()))?,
            }
        }
        service.open_streams(streams).map_err(unusable)?;
        Ok(service)
    }

    /// Shards in the store that no stream has.
    fn orphans(&self, streams: &[WholeStream]) -> Result<Vec<ShardId>, String> {
        let known: HashSet<u64> = streams
            .iter()
            .flat_map(|stream| stream.shards.iter().map(|shard| shard.id))
            .collect();
        let next = self.catalog.next_shard_id().map_err(|e| e.to_string())?;
        let mut orphans = self.store.shard_ids().map_err(|e| e.to_string())?;
        orphans.retain(|id| !known.contains(&id.0));
        // A shard that the catalog has never named is not the leftover of a crash: the catalog is
        // older than the store, or another's. Removing its records would be the worst answer.
        match orphans.iter().find(|id| id.0 >= next) {
            Some(id) => Err(format!(
                "the store has shard {id}, which the catalog has never named: catalog and store do not belong together (was one of them restored from a backup?); put back the one that is missing"
            )),
            None => Ok(orphans),
        }
    }

    /// Opens every shard of every stream that is in use and fills the table.
    fn open_streams(&self, streams: Vec<WholeStream>) -> Result<(), String> {
        let started = Instant::now();
        let opened = streams.into_iter().map(|stream| {
            let name = stream.row.name.clone();
            let stream = Stream::new(stream).ok_or_else(|| gaps(&name).to_string())?;
            Ok(Arc::new(stream))
        });
        let table: Table = opened.collect::<Result<_, String>>()?;
        let shards: Vec<(&Stream, &StreamShard)> = table
            .all()
            .filter(|stream| stream.is_served())
            .flat_map(|stream| stream.map.all().iter().map(move |shard| (&**stream, shard)))
            .collect();
        let failed = AtomicUsize::new(0);
        let _ = in_parallel(&shards, |(stream, shard)| {
            if !self.open_shard(stream, shard) {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), ()>(())
        });
        tracing::info!(
            streams = table.len(),
            shards = shards.len(),
            failed = failed.into_inner(),
            milliseconds = started.elapsed().as_millis() as u64,
            "streams opened"
        );
        drop(shards);
        self.publish(table);
        Ok(())
    }

    /// Opens one shard; where that fails the shard is out of use. It is tried again, unless
    /// nothing of it is left to be opened.
    pub(super) fn open_shard(&self, stream: &Stream, shard: &StreamShard) -> bool {
        let options = self.shard_options(stream);
        match self.store.open_shard(shard.id, options) {
            Ok(handle) => {
                report_opening(stream, shard, &handle);
                if takes_no_more(stream, shard)
                    && let Err(error) = handle.seal()
                {
                    tracing::error!(stream = stream.name(), shard = shard.index, id = %shard.id, %error, "a closed shard cannot be sealed");
                }
                shard.door().opened(handle);
                true
            }
            Err(error @ (EngineError::NoShard { .. } | EngineError::Damaged { .. })) => {
                let (name, index) = (stream.name(), shard.index);
                let reason = match error {
                    EngineError::NoShard { .. } => {
                        format!("its directory {} is not in the store", shard.id.dir_name())
                    }
                    error => error.to_string(),
                };
                tracing::error!(stream = name, shard = index, id = %shard.id, reason, "a shard is lost; the others are served. Restore the store from a backup, or delete the stream");
                shard.door().failed(Trouble::Lost(reason));
                false
            }
            Err(error) => {
                let (name, index) = (stream.name(), shard.index);
                tracing::error!(stream = name, shard = index, id = %shard.id, %error, "a shard cannot be opened; the others are served, and it is tried again");
                shard.door().failed(Trouble::Passing(error.to_string()));
                self.sick.note(shard.id);
                false
            }
        }
    }

    /// Makes shards of a stream, all or an error. One that is there is opened.
    pub(super) fn make_shards(
        &self,
        stream: &Stream,
        shards: &[StreamShard],
    ) -> Result<(), ServiceError> {
        let options = self.shard_options(stream);
        in_parallel(shards, |shard| {
            self.check_open(shard.id)?;
            let made = match self.store.create_shard(shard.id, options) {
                Err(EngineError::ShardExists { .. }) => self.store.open_shard(shard.id, options),
                made => made,
            }?;
            if self.settings.prepare > 0 {
                made.prepare(self.settings.prepare)?;
            }
            shard.door().opened(made);
            Ok::<(), EngineError>(())
        })?;
        Ok(())
    }

    /// Removes shards; one that is not there is no error.
    pub(super) fn remove_shards(
        &self,
        ids: impl IntoIterator<Item = ShardId>,
    ) -> Result<(), ServiceError> {
        let ids: Vec<ShardId> = ids.into_iter().collect();
        in_parallel(&ids, |id| {
            self.check_open(*id)?;
            match self.store.delete_shard(*id) {
                Err(EngineError::NoShard { .. }) => Ok(()),
                other => other,
            }
        })?;
        Ok(())
    }

    /// Ends work on many shards when the store is to be closed.
    fn check_open(&self, shard: ShardId) -> Result<(), EngineError> {
        match self.is_stopping() {
            true => Err(EngineError::Closed { shard }),
            false => Ok(()),
        }
    }

    fn shard_options(&self, stream: &Stream) -> ShardOptions {
        stream.shard_options(self.settings.segment_bytes, self.settings.record_limit)
    }
}

/// Whether a shard is closed, or about to be: what follows it may be read by now.
fn takes_no_more(stream: &Stream, shard: &StreamShard) -> bool {
    !shard.is_open() || parents_of(stream).iter().any(|p| p.index == shard.index)
}

/// Says what was found when a shard was opened, where it was not closed cleanly.
pub(super) fn report_opening(stream: &Stream, shard: &StreamShard, handle: &Shard) {
    let (stream, index, id) = (stream.name(), shard.index, shard.id);
    let status = handle.status();
    let found = &status.opened;
    if found.trimmed_bytes > 0 {
        tracing::warn!(
            stream, shard = index, %id,
            bytes = found.trimmed_bytes,
            records = found.trimmed_records,
            "an unacknowledged tail was trimmed"
        );
    }
    if !found.clean {
        tracing::info!(
            stream, shard = index, %id,
            scanned_bytes = found.scanned_bytes,
            sequence_jumped = found.jumped,
            end = %status.end,
            "recovered a shard that was not closed cleanly"
        );
    }
    if let ShardState::ReadOnly(damage) = &status.state {
        tracing::error!(stream, shard = index, %id, %damage, "acknowledged records are damaged; the shard is read-only");
    }
}

/// Does `work` for every item, a few at a time, and stops at the first error.
fn in_parallel<T: Sync, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(item) {
                next.store(items.len(), Ordering::Relaxed);
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..SHARD_WORKERS.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    failure
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}
