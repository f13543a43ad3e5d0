//! The producer: callers copy records into the open batch of a shard, a driver task sends what is
//! sealed and settles what was answered.

mod batch;
mod driver;
mod lane;
mod memory;
mod queue;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use millstream_format::{HashKey, MAX_BODY_BYTES, MAX_KEY_CHARS, RECORD_ALIGN, Record};
use millstream_wire::ShardMap;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{Client, Delivery, DeliveryError, Error, ProducerOptions};
use batch::OpenBatch;
use driver::{Command, Driver};
use lane::{Lane, Routes, Runs};
use memory::Memory;

/// Least bytes of a batch where many shards share the memory.
const MIN_BATCH_BYTES: usize = 16 << 10;
/// Most batches of one shard in flight: a shard remembers as many numbers of a producer.
const MAX_IN_FLIGHT: usize = 32;
/// Bytes of a frame beside its batch: header, stream name, the entry of the batch.
const FRAME_OVERHEAD: usize = 512;

/// What became of the records of a producer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerStats {
    /// Records that are durable.
    pub acknowledged: u64,
    /// Records that were not written.
    pub refused: u64,
    /// Records that may be written or not.
    pub unknown: u64,
    /// Records in batches that were sent more than once.
    pub retried: u64,
    /// Bytes of data and keys of the acknowledged records.
    pub bytes: u64,
    /// The first error that a record met.
    pub first_error: Option<DeliveryError>,
    /// The last refusal after which a batch is sent again, until one is written.
    pub retrying: Option<millstream_wire::ErrorAnswer>,
}

/// Sends records to a stream, batched per shard. Clones share it; when the last one is dropped,
/// what was taken is still sent in the background.
///
/// Records with the same key that one task sends are written in that order, each once, also when
/// batches are sent again after a lost connection or a refusal that passes.
#[derive(Debug, Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // A driver that is gone has nothing left to send.
        drop(self.commands.send(Command::Detach));
    }
}

/// What callers and the driver share.
#[derive(Debug)]
struct Shared {
    options: ProducerOptions,
    batch_bytes: usize,
    memory: Memory,
    routes: ArcSwap<Routes>,
    /// New routes are there.
    rerouted: Notify,
    closed: AtomicBool,
    /// Lanes with sealed batches, and open batches in the order of their opening.
    agenda: Mutex<Agenda>,
    /// There is something on the agenda.
    work: Notify,
    /// Callers that wait for memory: lingering batches are sent at once.
    starving: AtomicUsize,
    stats: Mutex<ProducerStats>,
}

#[derive(Debug, Default)]
struct Agenda {
    sealed: Vec<Arc<Lane>>,
    opened: VecDeque<(Instant, Arc<Lane>)>,
}

impl Shared {
    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> MutexGuard<'_, ProducerStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce_sealed(&self, lane: &Arc<Lane>) {
        self.agenda().sealed.push(lane.clone());
        self.work.notify_one();
    }
}

/// What became of an attempt to put a record into an open batch.
enum Taken {
    Yes(Option<Delivery>),
    /// There is no open batch.
    NoBatch,
    /// The shard is gone.
    Closed,
}

impl Producer {
    pub(crate) async fn start(
        client: Client,
        stream: &str,
        options: ProducerOptions,
    ) -> Result<Producer, Error> {
        let map = client.shard_map(stream).await?;
        let frame_limit = client.connected().await?.frame_limit() as usize;
        let batch_bytes = batch_bytes(&options, &map, frame_limit)?;
        let mut lanes = Vec::new();
        let routes = Routes::new(&map, |shard| {
            let lane = Arc::new(Lane::new(*shard, lanes.len()));
            lanes.push(lane.clone());
            lane
        })?;
        let shared = Arc::new(Shared {
            batch_bytes,
            memory: Memory::new(options.memory_bytes, OpenBatch::buffer_len(batch_bytes)),
            routes: ArcSwap::from_pointee(routes),
            rerouted: Notify::new(),
            closed: AtomicBool::new(false),
            agenda: Mutex::default(),
            work: Notify::new(),
            starving: AtomicUsize::new(0),
            stats: Mutex::default(),
            options,
        });
        let (commands, queue) = mpsc::unbounded_channel();
        let driver = Driver::new(client, stream, shared.clone(), lanes, commands.clone());
        tokio::spawn(driver.run(queue));
        Ok(Producer {
            handle: Arc::new(Handle { shared, commands }),
        })
    }

    /// Takes a record, waiting while memory is used up. It is sent when its batch is full or has
    /// lingered.
    ///
    /// # Errors
    /// When the record is over a limit or the producer is closed. What happens after it was taken
    /// is told by the [`Delivery`].
    pub async fn send(
        &self,
        key: &str,
        explicit_hash: Option<HashKey>,
        data: &[u8],
    ) -> Result<Delivery, Error> {
        let record = Record {
            key,
            explicit_hash,
            data,
        };
        self.take(&record, true).await?.ok_or(Error::Closed)
    }

    /// The same without a [`Delivery`]: the outcome is counted only.
    ///
    /// # Errors
    /// When the record is over a limit or the producer is closed.
    pub async fn send_detached(&self, key: &str, data: &[u8]) -> Result<(), Error> {
        self.send_detached_to(key, None, data).await
    }

    /// [`Producer::send_detached`] with an explicit place in the hash space.
    ///
    /// # Errors
    /// When the record is over a limit or the producer is closed.
    pub async fn send_detached_to(
        &self,
        key: &str,
        explicit_hash: Option<HashKey>,
        data: &[u8],
    ) -> Result<(), Error> {
        let record = Record {
            key,
            explicit_hash,
            data,
        };
        self.take(&record, false).await.map(drop)
    }

    /// Takes many records as [`Producer::send_detached`] takes one, at a fraction of the cost: their
    /// keys are hashed side by side, and each shard is visited once. Records of one shard keep
    /// their order. Waits while memory is used up; a few thousand records at a time are plenty.
    ///
    /// # Errors
    /// When a record is over a limit, and then none is taken; when the producer is closed.
    pub async fn send_all_detached(&self, records: &[Record<'_>]) -> Result<(), Error> {
        let shared = &*self.handle.shared;
        let routes = shared.routes.load_full();
        for (index, record) in (0..).zip(records) {
            check_key(record.key)?;
            record.check(index, routes.max_record_bytes)?;
        }
        let mut hashes = Vec::new();
        HashKey::of_records(records, &mut hashes);
        for (lane, run) in Runs::new(&routes, &hashes).iter() {
            let mut rest = run;
            while !rest.is_empty() {
                rest = self.take_run(lane, records, rest);
                // Its batch was full, or its shard is gone: the slow way for one, then on.
                if let [index, later @ ..] = rest {
                    self.take(&records[*index as usize], false).await?;
                    rest = later;
                }
            }
        }
        Ok(())
    }

    /// Puts records of a lane into its open batch; those that are left.
    fn take_run<'a>(&self, lane: &Arc<Lane>, records: &[Record<'_>], run: &'a [u32]) -> &'a [u32] {
        let most = self.handle.shared.options.batch_records;
        let mut state = lane.lock();
        let Some(open) = state.open.as_mut() else {
            return run;
        };
        let mut taken = 0;
        let mut full = false;
        while let Some(index) = run.get(taken)
            && !full
        {
            full = !open.push(&records[*index as usize]);
            taken += usize::from(!full);
            full |= open.count() >= most;
        }
        if full && state.seal() {
            drop(state);
            self.handle.shared.announce_sealed(lane);
        }
        &run[taken..]
    }

    async fn take(&self, record: &Record<'_>, awaited: bool) -> Result<Option<Delivery>, Error> {
        let shared = &*self.handle.shared;
        check_key(record.key)?;
        let hash = record.hash_key();
        loop {
            let (lane, taken) = {
                let routes = shared.routes.load();
                record.check(0, routes.max_record_bytes)?;
                let Some(lane) = routes.lane(hash) else {
                    return Err(Error::Closed);
                };
                match self.try_take(lane, record, awaited) {
                    Taken::Yes(delivery) => return Ok(delivery),
                    other => (lane.clone(), other),
                }
            };
            if shared.closed.load(Ordering::SeqCst) {
                return Err(Error::Closed);
            }
            if matches!(taken, Taken::Closed) {
                // From here on no announcement is missed.
                let rerouted = shared.rerouted.notified();
                if lane.lock().closed && self.is_route(hash, &lane) {
                    rerouted.await;
                }
                continue;
            }
            if let Taken::Yes(delivery) = self.open(&lane, record, awaited).await? {
                return Ok(delivery);
            }
        }
    }

    fn is_route(&self, hash: HashKey, lane: &Arc<Lane>) -> bool {
        let routes = self.handle.shared.routes.load();
        routes.lane(hash).is_some_and(|now| Arc::ptr_eq(now, lane))
    }

    /// Puts the record into the open batch of its shard.
    #[inline]
    fn try_take(&self, lane: &Arc<Lane>, record: &Record<'_>, awaited: bool) -> Taken {
        let mut state = lane.lock();
        if state.closed {
            return Taken::Closed;
        }
        let Some(open) = &mut state.open else {
            return Taken::NoBatch;
        };
        let taken = if open.push(record) {
            Taken::Yes(awaited.then(|| open.delivery()))
        } else {
            Taken::NoBatch
        };
        let full = open.count() >= self.handle.shared.options.batch_records;
        if !full && matches!(taken, Taken::Yes(_)) {
            return taken;
        }
        if state.seal() {
            drop(state);
            self.handle.shared.announce_sealed(lane);
        }
        taken
    }

    /// Opens a batch in `lane` when there is memory for it, with `record` as its first.
    async fn open(
        &self,
        lane: &Arc<Lane>,
        record: &Record<'_>,
        awaited: bool,
    ) -> Result<Taken, Error> {
        let shared = &*self.handle.shared;
        let body = shared.batch_bytes.max(record.encoded_len());
        let len = OpenBatch::buffer_len(body);
        let permit = match shared.memory.try_share(len) {
            Some(permit) => Some(permit),
            None => {
                let _starving = Starving::new(shared);
                shared.memory.share(len).await
            }
        };
        if permit.is_none() || shared.closed.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        let mut fresh = OpenBatch::new(shared.memory.buffer(len), permit);
        let opened = fresh.opened;
        let mut state = lane.lock();
        if state.closed || state.open.is_some() {
            // Another caller was faster: its batch may have room.
            drop(state);
            shared.memory.recycle(fresh.into_buffer());
            return Ok(Taken::NoBatch);
        }
        if !fresh.push(record) {
            return Err(Error::Record {
                reason: "it does not fit in a batch",
            });
        }
        let delivery = awaited.then(|| fresh.delivery());
        let full = fresh.count() >= shared.options.batch_records;
        state.open = Some(fresh);
        if full && state.seal() {
            drop(state);
            shared.announce_sealed(lane);
            return Ok(Taken::Yes(delivery));
        }
        drop(state);
        let mut agenda = shared.agenda();
        agenda.opened.push_back((opened, lane.clone()));
        if agenda.opened.len() == 1 {
            shared.work.notify_one();
        }
        Ok(Taken::Yes(delivery))
    }

    /// What became of the records so far; those still open or in flight are not in it.
    #[must_use]
    pub fn stats(&self) -> ProducerStats {
        self.handle.shared.stats().clone()
    }

    /// Sends what is open and waits until everything that was taken before has an outcome.
    ///
    /// # Errors
    /// When the producer is closed. Records that failed are in the stats, not an error here.
    pub async fn flush(&self) -> Result<ProducerStats, Error> {
        let (done, wait) = oneshot::channel();
        let sent = self.handle.commands.send(Command::Flush(done));
        sent.map_err(|_| Error::Closed)?;
        wait.await.map_err(|_| Error::Closed)?;
        Ok(self.stats())
    }

    /// Takes no more, flushes, and ends.
    ///
    /// # Errors
    /// When the producer is closed already.
    pub async fn close(&self) -> Result<ProducerStats, Error> {
        self.handle.shared.closed.store(true, Ordering::SeqCst);
        let (done, wait) = oneshot::channel();
        let sent = self.handle.commands.send(Command::Close(done));
        sent.map_err(|_| Error::Closed)?;
        wait.await.map_err(|_| Error::Closed)?;
        Ok(self.stats())
    }
}

/// Counts a caller that waits for memory, so that lingering batches are sent.
struct Starving<'a>(&'a Shared);

impl<'a> Starving<'a> {
    fn new(shared: &'a Shared) -> Starving<'a> {
        shared.starving.fetch_add(1, Ordering::SeqCst);
        shared.work.notify_one();
        Starving(shared)
    }
}

impl Drop for Starving<'_> {
    fn drop(&mut self) {
        self.0.starving.fetch_sub(1, Ordering::SeqCst);
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() {
        return Err(Error::Record {
            reason: "its partition key is empty; give 1 to 256 characters",
        });
    }
    // No more bytes than allowed characters: not too many characters.
    if key.len() > MAX_KEY_CHARS && key.chars().count() > MAX_KEY_CHARS {
        return Err(Error::Record {
            reason: "its partition key has more than 256 characters",
        });
    }
    Ok(())
}

/// Bytes of the records of a batch: as asked for, but so that each shard can have one open and
/// one in flight within the memory, that a batch fits in a frame, and that the server takes it,
/// as it takes one with the largest record.
fn batch_bytes(
    options: &ProducerOptions,
    map: &ShardMap,
    frame_limit: usize,
) -> Result<usize, Error> {
    let refuse = |option, reason: &str| {
        let reason = reason.to_owned();
        Err(Error::Option { option, reason })
    };
    if options.batch_bytes == 0 || options.batch_records == 0 {
        return refuse(
            "batch_bytes, batch_records",
            "a batch has at least one record",
        );
    }
    if options.memory_bytes < MIN_BATCH_BYTES {
        return refuse("memory_bytes", "at least 16 KiB");
    }
    if !(1..=MAX_IN_FLIGHT).contains(&options.in_flight_per_shard) {
        return refuse(
            "in_flight_per_shard",
            "1 to 32: a shard remembers 32 numbers",
        );
    }
    let share = options.memory_bytes / (2 * map.shards.len().max(1));
    let most = frame_limit.saturating_sub(OpenBatch::buffer_len(FRAME_OVERHEAD));
    let bytes = options
        .batch_bytes
        .min(share.max(MIN_BATCH_BYTES))
        .min(most)
        .min(map.max_record_bytes as usize)
        .min(MAX_BODY_BYTES - OpenBatch::buffer_len(0));
    // A multiple that is not above what was allowed.
    Ok((bytes / RECORD_ALIGN * RECORD_ALIGN).max(RECORD_ALIGN))
}
