//! A shard: staging at its front, the log behind it, the watermark between writers and readers.
//!
//! Locks are taken in this order: log, stage, tail. None is held across input or output.

pub(crate) mod commit;
pub(crate) mod groups;
mod lead;
pub(crate) mod log;
pub(crate) mod preparing;
pub(crate) mod producers;
pub(crate) mod ready;
mod seal;
pub(crate) mod staging;
pub(crate) mod status;
pub(crate) mod ticket;
pub(crate) mod watermark;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use millstream_format::Record;

use crate::{
    error::Error,
    ground::Ground,
    options::{CompressionChoice, Retention, ShardOptions},
    read::{
        cursor::{Cursor, Position},
        tail::Tail,
    },
    recover::OpenReport,
    segment::{Segment, SegmentList, list::lock},
    sequence::{SequenceNumber, ShardId},
};
use groups::Groups;
use log::Log;
use ready::ReadyBatch;
use staging::{Condition, Stage};
use ticket::{Appended, Readable, Room, Ticket};
use watermark::{MAX_WAITERS, Place, Watermark};

/// What the handles of a shard and the background threads share.
pub(crate) struct ShardCore {
    pub id: ShardId,
    pub dir: PathBuf,
    pub ground: Arc<Ground>,
    pub options: ShardOptions,
    pub report: OpenReport,
    pub retention: Mutex<Retention>,
    pub watermark: Watermark,
    /// Threads that wait for batches of theirs.
    pub groups: Groups,
    /// The oldest record that is kept.
    pub oldest: AtomicU64,
    /// Time of the newest readable record.
    pub last_time_ms: AtomicU64,
    pub stage: Mutex<Stage>,
    pub log: Mutex<Log>,
    pub segments: SegmentList,
    pub tail: Tail,
    /// Grows when the writer takes from the stage.
    pub taken: AtomicU64,
    room_waiters: Mutex<Vec<Waker>>,
    /// Whether it is in the writer's inbox.
    pub with_writer: AtomicBool,
    /// Whether it is in the preparer's inbox.
    pub with_preparer: AtomicBool,
    /// Whether it is in the reaper's inbox.
    pub with_reaper: AtomicBool,
    /// Whether its records linger, and the writer knows until when.
    pub lingering: AtomicBool,
    /// Whether a watermark stamp is due.
    pub stamp_due: AtomicBool,
    /// Whether the writer has it on its list of idle shards.
    pub stamp_scheduled: AtomicBool,
    /// Segments past retention that may be written again.
    pub spares: Mutex<Vec<PathBuf>>,
    /// Number of the next spare that is made ahead, unless a file has it.
    pub spares_made: AtomicU64,
    /// Held while the preparer works on the shard's files.
    pub preparing: Mutex<()>,
    /// Held while the active segment is flushed apart from its writes.
    pub flushing: Mutex<()>,
    /// Held while the reaper works on the shard's files.
    pub reaping: Mutex<()>,
    /// Whether the shard was taken out of use, so that neither may begin again.
    pub retired: AtomicBool,
    /// Sealed segments whose index is still to be written.
    pub sealed: Mutex<Vec<Arc<Segment>>>,
    /// Most bytes of a batch with its header and padding.
    pub batch_limit: usize,
}

impl std::fmt::Debug for ShardCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What recovery found out, from which a shard is made.
pub(crate) struct Recovered {
    /// The segment that was ended, when a new one was begun.
    pub sealed: Option<Arc<Segment>>,
    pub report: OpenReport,
    pub segments: SegmentList,
    pub log: Log,
    pub stage: Stage,
    pub watermark: u64,
    pub oldest: u64,
    pub spares: Vec<PathBuf>,
}

impl ShardCore {
    pub(crate) fn new(
        id: ShardId,
        dir: PathBuf,
        ground: Arc<Ground>,
        options: ShardOptions,
        batch_limit: usize,
        recovered: Recovered,
    ) -> ShardCore {
        ShardCore {
            id,
            dir,
            ground,
            options,
            report: recovered.report,
            retention: Mutex::new(options.retention),
            watermark: Watermark::new(recovered.watermark),
            groups: Groups::default(),
            oldest: AtomicU64::new(recovered.oldest),
            last_time_ms: AtomicU64::new(recovered.stage.last_time_ms()),
            stage: Mutex::new(recovered.stage),
            log: Mutex::new(recovered.log),
            segments: recovered.segments,
            tail: Tail::default(),
            taken: AtomicU64::new(0),
            room_waiters: Mutex::new(Vec::new()),
            with_writer: AtomicBool::new(false),
            with_preparer: AtomicBool::new(false),
            with_reaper: AtomicBool::new(false),
            lingering: AtomicBool::new(false),
            stamp_due: AtomicBool::new(false),
            stamp_scheduled: AtomicBool::new(false),
            spares_made: AtomicU64::new(0),
            spares: Mutex::new(recovered.spares),
            preparing: Mutex::new(()),
            flushing: Mutex::new(()),
            reaping: Mutex::new(()),
            retired: AtomicBool::new(false),
            sealed: Mutex::new(recovered.sealed.into_iter().collect()),
            batch_limit,
        }
    }

    pub(crate) fn take_spare(&self) -> Option<PathBuf> {
        lock(&self.spares).pop()
    }

    pub(crate) fn has_room(&self) -> bool {
        lock(&self.stage).has_room()
    }

    pub(crate) fn register_room_waiter(&self, waker: &Waker) {
        let mut crowd = Vec::new();
        let mut waiters = lock(&self.room_waiters);
        if waiters.len() >= MAX_WAITERS {
            crowd = std::mem::take(&mut *waiters);
        }
        waiters.push(waker.clone());
        drop(waiters);
        crowd.into_iter().for_each(Waker::wake);
    }

    /// Tells those who found no room that there may be some.
    pub(crate) fn announce_room(&self) {
        self.taken.fetch_add(1, Ordering::SeqCst);
        let waiters = std::mem::take(&mut *lock(&self.room_waiters));
        waiters.into_iter().for_each(Waker::wake);
    }

    /// Why nothing more will be readable, if so.
    pub(crate) fn ended(&self) -> Option<Error> {
        let stage = lock(&self.stage);
        match &stage.condition {
            Condition::Open | Condition::NoSpace => {
                let drained = stage.sealed && self.watermark.get() >= stage.next();
                drained.then_some(Error::Sealed { shard: self.id })
            }
            ended => ended.error(self.id),
        }
    }

    /// Wakes everyone who waits for records, to see that something other than the watermark has
    /// changed.
    pub(crate) fn wake_all(&self) {
        self.watermark.wake_all();
        self.groups.wake_all();
    }

    /// Puts the shard into the writer's inbox.
    pub(crate) fn call_writer(self: &Arc<Self>) {
        if !self.with_writer.swap(true, Ordering::SeqCst) {
            self.ground.writer.send(Arc::clone(self));
        }
    }

    /// Puts the shard into the reaper's inbox.
    pub(crate) fn call_reaper(self: &Arc<Self>) {
        if !self.with_reaper.swap(true, Ordering::SeqCst) {
            self.ground.reaper.send(Arc::clone(self));
        }
    }

    /// Puts the shard into the preparer's inbox.
    pub(crate) fn call_preparer(self: &Arc<Self>) {
        if !self.with_preparer.swap(true, Ordering::SeqCst) {
            self.ground.preparer.send(Arc::clone(self));
        }
    }

    /// Ends appends, waits until what was accepted is durable or has failed.
    pub(crate) fn refuse_appends(&self, condition: Condition) {
        let mut stage = lock(&self.stage);
        if matches!(stage.condition, Condition::Open | Condition::NoSpace) {
            stage.condition = condition;
        }
        drop(stage);
        self.announce_room();
    }
}

/// A handle to an open shard; clones are the same shard.
#[derive(Debug, Clone)]
pub struct Shard {
    pub(crate) core: Arc<ShardCore>,
}

/// What is to be done once records are staged.
enum Next {
    /// The end of a write, or somebody before, brings the writer.
    Nothing,
    Call,
    Lead,
}

impl Next {
    fn as_staged(stage: &Stage) -> Next {
        match stage.staged_bytes() >= stage.call_at {
            true => Next::Call,
            false => Next::Nothing,
        }
    }
}

impl Shard {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.core.id
    }

    /// How it was opened.
    #[must_use]
    pub fn options(&self) -> ShardOptions {
        self.core.options
    }

    /// Appends records, all or none, and gives a ticket that ends when they are durable.
    /// Never waits for the medium.
    ///
    /// # Errors
    /// [`Error::Full`] is back-pressure: wait for [`Shard::room`] and try again. Any error means
    /// that nothing was taken.
    pub fn try_append(&self, records: &[Record<'_>]) -> Result<Ticket, Error> {
        self.stage_records(records, None, Next::as_staged)
    }

    /// Appends records and waits until they are durable at the shard's level: for a caller that
    /// does nothing in between the shortest way. While the shard is idle, the write is made on
    /// the caller's own thread.
    ///
    /// # Errors
    /// As [`Shard::append`] and [`Ticket::wait`].
    pub fn append_and_wait(&self, records: &[Record<'_>]) -> Result<Appended, Error> {
        self.when_there_is_room(|| self.try_append_leading(records))?
            .wait()
    }

    /// [`Shard::try_append`], but for the write, which is made on the caller's own thread while
    /// the shard is idle.
    ///
    /// # Errors
    /// As [`Shard::try_append`].
    pub fn try_append_leading(&self, records: &[Record<'_>]) -> Result<Ticket, Error> {
        let core = &self.core;
        self.stage_records(records, None, |stage| {
            if stage.call_at > 0 || !core.ground.linger.is_zero() {
                return Next::as_staged(stage);
            }
            match core.with_writer.load(Ordering::SeqCst) {
                true => Next::Nothing,
                false => Next::Lead,
            }
        })
    }

    /// The same for a producer's numbered put, which is taken once however often it is sent.
    /// Numbers count from 0 for each producer and shard.
    ///
    /// # Errors
    /// As [`Shard::try_append`]; [`Error::OutOfOrder`] after a refused put.
    pub fn try_append_from(
        &self,
        producer: u64,
        number: u64,
        records: &[Record<'_>],
    ) -> Result<Ticket, Error> {
        if producer == 0 {
            return Err(Error::Option {
                option: "producer",
                reason: "0 is nobody's; take a random number".into(),
            });
        }
        self.stage_records(records, Some((producer, number)), Next::as_staged)
    }

    /// Appends records, waiting while there is no room for them.
    ///
    /// # Errors
    /// As [`Shard::try_append`], but for [`Error::Full`].
    pub fn append(&self, records: &[Record<'_>]) -> Result<Ticket, Error> {
        self.when_there_is_room(|| self.try_append(records))
    }

    fn when_there_is_room(
        &self,
        attempt: impl Fn() -> Result<Ticket, Error>,
    ) -> Result<Ticket, Error> {
        loop {
            match attempt() {
                Err(Error::Full { .. }) => {}
                other => return other,
            }
            // Room that came since is found by the second try, room that comes later by the wait.
            let room = self.room();
            match attempt() {
                Err(Error::Full { .. }) => room.wait(),
                other => return other,
            }
        }
    }

    fn stage_records(
        &self,
        records: &[Record<'_>],
        producer: Option<(u64, u64)>,
        next: impl FnOnce(&Stage) -> Next,
    ) -> Result<Ticket, Error> {
        let core = &self.core;
        let mut bytes = 0;
        for (index, record) in (0u32..).zip(records) {
            record.check(index, core.options.max_record)?;
            bytes += record.encoded_len();
        }
        self.check_batch(bytes, records.len())?;
        let ground = &core.ground;
        let mut stage = lock(&core.stage);
        let clock = &*ground.clock;
        let appended = stage.append(records, bytes, producer, &ground.pool, clock)?;
        Ok(self.ticket(appended, stage, next))
    }

    fn check_batch(&self, bytes: usize, records: usize) -> Result<(), Error> {
        let overhead = millstream_format::BATCH_HEADER_LEN
            + millstream_format::PRODUCER_ENTRY_LEN
            + self.core.ground.block;
        if records == 0 {
            return Err(Error::Option {
                option: "records",
                reason: "an append needs at least one".into(),
            });
        }
        if bytes + overhead > self.core.batch_limit {
            return Err(Error::BatchTooLarge {
                shard: self.core.id,
                bytes: bytes + overhead,
                limit: self.core.batch_limit,
            });
        }
        Ok(())
    }

    fn ticket(
        &self,
        appended: Appended,
        stage: MutexGuard<'_, Stage>,
        next: impl FnOnce(&Stage) -> Next,
    ) -> Ticket {
        let generation = Arc::clone(&stage.generation);
        let batch = (!appended.duplicate).then(|| stage.last_batch());
        let next = match appended.duplicate {
            true => Next::Nothing,
            false => next(&stage),
        };
        drop(stage);
        let ticket = Ticket {
            shard: Arc::clone(&self.core),
            generation,
            appended,
            batch,
            place: Place::default(),
        };
        match next {
            Next::Nothing => {}
            Next::Call => self.core.call_writer(),
            Next::Lead => self.core.lead(|| ticket.outcome().is_some()),
        }
        ticket
    }

    /// Appends a batch made elsewhere, as it is.
    ///
    /// # Errors
    /// As [`Shard::try_append_from`], with the batch, which was not taken.
    // The batch comes back by value: boxing it would cost every put an allocation.
    #[allow(clippy::result_large_err)]
    pub fn try_append_ready(&self, batch: ReadyBatch) -> Result<Ticket, (Error, ReadyBatch)> {
        let core = &self.core;
        if let Err(error) = self.check_batch(batch.len(), 1) {
            return Err((error, batch));
        }
        let ground = &core.ground;
        let compressed = core.options.compression != CompressionChoice::None;
        let batch = if compressed && !batch.is_small() {
            batch.compress(core.options.compression, &ground.pool)
        } else {
            batch
        };
        let mut stage = lock(&core.stage);
        let clock = &*ground.clock;
        let appended = stage.append_ready(batch, compressed, &ground.pool, clock)?;
        Ok(self.ticket(appended, stage, Next::as_staged))
    }

    /// Appends a batch made elsewhere, waiting while there is no room for it.
    ///
    /// # Errors
    /// As [`Shard::try_append_ready`], but for [`Error::Full`].
    pub fn append_ready(&self, mut batch: ReadyBatch) -> Result<Ticket, Error> {
        loop {
            match self.try_append_ready(batch) {
                Ok(ticket) => return Ok(ticket),
                Err((Error::Full { .. }, back)) => batch = back,
                Err((error, _)) => return Err(error),
            }
            let room = self.room();
            match self.try_append_ready(batch) {
                Ok(ticket) => return Ok(ticket),
                Err((Error::Full { .. }, back)) => {
                    batch = back;
                    room.wait();
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Resolves when there may be room again. Make it, try once more, and only then wait: room
    /// that came between the first try and this call is not announced again.
    pub fn room(&self) -> Room {
        Room::new(Some(Arc::clone(&self.core)), Arc::clone(&self.core.ground))
    }

    /// A cursor at a position.
    ///
    /// # Errors
    /// When a segment header that is needed to find the position cannot be read.
    pub fn read(&self, position: Position) -> Result<Cursor, Error> {
        Cursor::new(&self.core, position)
    }

    /// The watermark: the sequence number after the newest readable record.
    #[must_use]
    pub fn end(&self) -> SequenceNumber {
        SequenceNumber(self.core.watermark.get())
    }

    /// The oldest record that is kept; the same as the end when there is none.
    #[must_use]
    pub fn oldest(&self) -> SequenceNumber {
        SequenceNumber(self.core.oldest.load(Ordering::Acquire))
    }

    /// Time of the newest readable record, milliseconds since 1970; 0 before the first.
    #[must_use]
    pub fn last_time_ms(&self) -> u64 {
        self.core.last_time_ms.load(Ordering::Acquire)
    }

    /// Resolves when `sequence` can be read, or the shard takes no more appends.
    pub fn readable(&self, sequence: SequenceNumber) -> Readable {
        Readable {
            shard: Arc::clone(&self.core),
            sequence,
            place: Place::default(),
        }
    }

    /// Waits until `sequence` can be read; `false` when `timeout` passes first.
    ///
    /// # Errors
    /// When the shard takes no more appends and will not get there.
    pub fn wait_readable(
        &self,
        sequence: SequenceNumber,
        timeout: Option<Duration>,
    ) -> Result<bool, Error> {
        match self.readable(sequence).wait(timeout) {
            None => Ok(false),
            Some(result) => result.map(|()| true),
        }
    }

    /// Sets when old segments go, from now on.
    pub fn set_retention(&self, retention: Retention) {
        *lock(&self.core.retention) = retention;
        self.core.ground.reaper.wake();
    }

    /// Drops the oldest sealed segments, those whose records are all below `before`; how many.
    /// The segment that is written to stays, and so does one whose successor is not yet durable.
    /// Of a shard that is read-only all stay: they are evidence.
    ///
    /// # Errors
    /// When a file cannot be removed, or a segment header that is needed cannot be read.
    pub fn trim(&self, before: SequenceNumber) -> Result<usize, Error> {
        self.core.trim(before.0)
    }

    /// Makes segments ahead until `bytes` can be appended to blocks that the medium has written
    /// once already, which is what it writes to fastest; bytes that were made. Takes as long as
    /// writing that much, on this thread; appends go on meanwhile. What retention drops is
    /// written again in the same way, so this is for a shard that is to be fast from its first
    /// record on, or that must not run out of room before so many bytes.
    ///
    /// # Errors
    /// [`Error::NoSpace`] when the medium is full, [`Error::Closed`] when the shard was closed
    /// meanwhile. What was made before stays.
    pub fn prepare(&self, bytes: u64) -> Result<u64, Error> {
        self.core.prepare_ahead(bytes)
    }
}
