//! The embedded durable buffer: records are pushed at one end, and consumers acknowledge them at
//! the other, each by a named cursor. For appliances: a bound on the medium, a small memory, and
//! power cuts at any moment.
//!
//! # What is kept
//!
//! A record is kept until every cursor has acknowledged it; without cursors nothing is ever
//! acknowledged, so make them before the first push, or at the oldest record later. Space comes
//! back a segment at a time (an eighth of the cap, 1 MiB at least), when all cursors have
//! acknowledged all of it.
//!
//! # The cap
//!
//! The files of a buffer never take more than [`BufferOptions::cap_bytes`] of the medium, with
//! all headers, padding, indexes and cursors; the segment that is written to counts as if it
//! were full. (Records lent by a [`Peek`] keep the segments that they lie in until it is
//! dropped, even when these are past the cap.) At the cap a push fails with
//! [`Error::BufferFull`], or the oldest segment goes, as [`WhenFull`] says. A push of one small
//! record that nothing shares takes a block of 4096 bytes; many at once share blocks.
//!
//! A recovery may have to begin a segment, and a cap may be lowered: where the segment that is
//! written to would go beyond the cap if it were filled, a push counts as one at the cap.
//!
//! # What a crash repeats or loses
//!
//! - A push that returned is there after a crash of the process; with
//!   [`Durability::Durable`](crate::Durability::Durable) after a power cut too. With `Written`
//!   a power cut may take the newest records; a cursor that had acknowledged them goes on after
//!   them, and sequence numbers are skipped so that none is given out twice.
//! - With [`AcknowledgeMode::Durable`] an acknowledgement that returned is never repeated; one
//!   that was under way may be.
//! - With [`AcknowledgeMode::Within`] a crash repeats what was acknowledged in the last interval
//!   (and the time of a write), in order, beginning after the last acknowledgement that is on the
//!   medium. Pushes that need room, [`Buffer::flush_acknowledgements`] and [`Buffer::close`] put
//!   all of them there.
//! - A cursor is held twice; a write cut short leaves the one before. When both copies are
//!   damaged, its use fails with [`Error::CursorDamaged`] and nothing is reclaimed until it is
//!   removed: it is never set anywhere by itself.
//! - Should records that a cursor had acknowledged be lost from the end of the log (rotten
//!   medium), the cursor is set back to the end, which [`Buffer::open_report`] tells, so that it
//!   does not pass over new ones.
//!
//! ```
//! use millstream_engine::{Buffer, BufferOptions, CursorStart};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("buffer");
//! let buffer = Buffer::open(&path, BufferOptions::default())?;
//! buffer.create_cursor("uplink", CursorStart::Oldest)?;
//! buffer.push(b"21.5 degrees")?;
//!
//! let peek = buffer.peek("uplink", 100, 1 << 20)?;
//! for record in peek.records() {
//!     assert_eq!(record?.data, b"21.5 degrees");
//! }
//! if let Some(last) = peek.last() {
//!     buffer.acknowledge("uplink", last)?;
//! }
//! # Ok(())
//! # }
//! ```

pub(crate) mod copy;
mod cursor;
mod cursors;
mod flusher;
mod options;
mod peek;
mod slot;
mod space;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use millstream_format::{BATCH_HEADER_LEN, Record};

pub use options::{
    AcknowledgeMode, BufferOpenReport, BufferOptions, BufferStats, CursorStart, CursorStatus,
    MAX_CURSORS, MIN_CAP, WhenFull,
};
pub use peek::{Peek, PeekedRecord};

use crate::{
    clock::Join,
    error::Error,
    segment::list::lock,
    sequence::{SequenceNumber, ShardId},
    shard::{
        Shard,
        status::ShardState,
        ticket::{Appended, Readable, Ticket},
    },
    store::Store,
};
use cursors::{Cursors, Entry};
use flusher::{Bell, Flusher};
use peek::Lent;
use space::Space;

/// The shard of a buffer. A number that nobody else takes, so that neither a buffer is taken for
/// another store nor the other way round.
const SHARD: ShardId = ShardId(u64::from_be_bytes(*b"\0\0buffer"));
/// The directory of the cursors, beside that of the shards.
pub(crate) const CURSORS_DIR: &str = "cursors";

/// An open buffer; clones are the same buffer. It is closed by [`Buffer::close`], or when the
/// last handle is dropped.
#[derive(Clone)]
pub struct Buffer {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    shard: Shard,
    cursors: Arc<Cursors>,
    space: Arc<Space>,
    acknowledge: AcknowledgeMode,
    cap_bytes: u64,
    lent: Lent,
    report: BufferOpenReport,
    bell: Arc<Bell>,
    flusher: Mutex<Option<Box<dyn Join>>>,
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}

impl Buffer {
    /// Opens the buffer in `path`, a directory of its own, making it where that is missing or
    /// empty.
    ///
    /// # Errors
    /// As [`Store::open`]; [`Error::NotABuffer`] for another store; [`Error::NoShard`] when
    /// there are cursors and the records are gone; [`Error::Io`] when a cursor's place cannot be
    /// written once more. Damaged records or cursors do not fail the opening: see
    /// [`Buffer::open_report`] and [`Buffer::state`].
    pub fn open(path: impl AsRef<Path>, options: BufferOptions) -> Result<Buffer, Error> {
        options.check()?;
        let path = path.as_ref();
        let store = Store::open(path, options.store())?;
        let ids = store.shard_ids()?;
        if ids.iter().any(|id| *id != SHARD) {
            let path = path.to_path_buf();
            return Err(Error::NotABuffer { path });
        }
        let mut report = BufferOpenReport::default();
        let device = &store.ground().device;
        let cursors = Cursors::load(device, &path.join(CURSORS_DIR), &mut report)?;
        let opened = match ids.is_empty() {
            true => Err(Error::NoShard { shard: SHARD }),
            false => store.open_shard(SHARD, options.shard()),
        };
        let shard = match opened {
            // Its making was cut short, or it is new; where it was in use it is not made again.
            Err(Error::NoShard { .. }) if cursors.are_fresh() => {
                store.create_shard(SHARD, options.shard())?
            }
            other => other?,
        };
        report.records = shard.status().opened;
        let cursors = Arc::new(cursors);
        let space = Arc::new(Space::new(shard.clone(), Arc::clone(&cursors), &options));
        space.settle_cursors(&mut report)?;
        space.settle()?;
        let bell = Arc::new(Bell::default());
        let flusher = match options.acknowledge {
            AcknowledgeMode::Durable => None,
            AcknowledgeMode::Within(interval) => {
                let work = Flusher {
                    bell: Arc::clone(&bell),
                    interval,
                    cursors: Arc::clone(&cursors),
                    space: Arc::clone(&space),
                    clock: Arc::clone(&options.environment.clock),
                };
                let threads = &options.environment.threads;
                let started = threads.start("millstream-cursors", Box::new(work));
                Some(started.map_err(Error::io("starting a thread for", path))?)
            }
        };
        Ok(Buffer {
            inner: Arc::new(Inner {
                store,
                shard,
                cursors,
                space,
                acknowledge: options.acknowledge,
                cap_bytes: options.cap_bytes,
                lent: Lent::default(),
                report,
                bell,
                flusher: Mutex::new(flusher),
            }),
        })
    }

    /// Pushes a record without a key and waits until it is durable.
    ///
    /// # Errors
    /// [`Error::BufferFull`] at the cap, [`Error::NoSpace`] when the medium is full,
    /// [`Error::BatchTooLarge`] above [`Buffer::max_push_bytes`]: it was not taken. After
    /// [`Error::Poisoned`] it may be there or not, and the buffer is to be closed and opened
    /// again.
    pub fn push(&self, data: &[u8]) -> Result<SequenceNumber, Error> {
        self.push_with_key("", data)
    }

    /// The same with a key.
    ///
    /// # Errors
    /// As [`Buffer::push`].
    pub fn push_with_key(&self, key: &str, data: &[u8]) -> Result<SequenceNumber, Error> {
        let ticket = self.push_later(&[Record::new(key, data)])?;
        ticket.wait().map(|appended| appended.first)
    }

    /// Pushes records together, all or none, and waits until they are durable.
    ///
    /// # Errors
    /// As [`Buffer::push`].
    pub fn push_many<D: AsRef<[u8]>>(&self, data: &[D]) -> Result<Appended, Error> {
        let records: Vec<_> = data.iter().map(|d| Record::new("", d.as_ref())).collect();
        self.push_later(&records)?.wait()
    }

    /// Pushes records together, all or none. Does not wait until they are durable (the ticket
    /// does), but while there is no memory for them, and at the cap for those before them.
    ///
    /// # Errors
    /// As [`Buffer::push`]; others come with the ticket.
    pub fn push_later(&self, records: &[Record<'_>]) -> Result<Ticket, Error> {
        self.inner.space.append(records)
    }

    /// Most bytes of one push: data and keys, and up to 15 bytes for each record.
    #[must_use]
    pub fn max_push_bytes(&self) -> usize {
        let core = &self.inner.shard.core;
        core.batch_limit
            .saturating_sub(core.ground.block + 2 * BATCH_HEADER_LEN)
    }

    /// Lends what the cursor has not acknowledged, oldest first: at most so many records, and
    /// about so many bytes as stored, but one record if there is one. The same records come
    /// again until they are acknowledged.
    ///
    /// # Errors
    /// [`Error::NoCursor`], [`Error::CursorDamaged`]; [`Error::Damaged`] when the next record is
    /// damaged: acknowledge up to the one before `damage.resume` to go on behind it.
    pub fn peek(&self, cursor: &str, max_records: usize, max_bytes: usize) -> Result<Peek, Error> {
        self.check_open()?;
        let shard = &self.inner.shard;
        let cursor = self.inner.cursors.get(cursor)?;
        loop {
            let next = cursor.mark().next;
            let peeked = Peek::read(shard, &self.inner.lent, next, max_records, max_bytes);
            match peeked {
                // Its file went while it was looked for: what follows is there.
                Err(Error::Io { .. }) if cursor.mark().next > next => {}
                other => return other,
            }
        }
    }

    /// Acknowledges all records up to `sequence` and including it. What was acknowledged before
    /// stays so. [`AcknowledgeMode`] says what a crash then repeats.
    ///
    /// # Errors
    /// [`Error::AcknowledgedBeyondEnd`] for a record that is not there yet; [`Error::Io`] when
    /// it could not be written: call it again, a crash before that may repeat it.
    pub fn acknowledge(&self, cursor: &str, sequence: SequenceNumber) -> Result<(), Error> {
        self.check_open()?;
        let inner = &self.inner;
        let cursor = inner.cursors.get(cursor)?;
        let end = inner.shard.end();
        if sequence >= end {
            return Err(Error::AcknowledgedBeyondEnd { sequence, end });
        }
        let now = inner.shard.core.ground.clock.monotonic();
        let first = cursor.acknowledge(sequence.0 + 1, now);
        match inner.acknowledge {
            AcknowledgeMode::Durable => {
                cursor.flush()?;
                inner.space.reclaim_acknowledged();
            }
            AcknowledgeMode::Within(_) if first => inner.bell.ring(),
            AcknowledgeMode::Within(_) => {}
        }
        Ok(())
    }

    /// Puts lazy acknowledgements on the medium now.
    ///
    /// # Errors
    /// When a cursor cannot be written; others were written all the same.
    pub fn flush_acknowledgements(&self) -> Result<(), Error> {
        self.inner.cursors.flush()?;
        self.inner.space.reclaim_acknowledged();
        Ok(())
    }

    /// Makes a cursor, durably. Names have 1 to 64 letters, digits, '_', '.' and '-', do not
    /// begin with a dot, and differ in more than case.
    ///
    /// # Errors
    /// [`Error::CursorName`], [`Error::CursorExists`], [`Error::TooManyCursors`] above
    /// [`MAX_CURSORS`].
    pub fn create_cursor(&self, name: &str, start: CursorStart) -> Result<(), Error> {
        let inner = &self.inner;
        let ledger = inner.space.hold_fresh()?;
        ledger.check_open()?;
        let next = match start {
            CursorStart::Oldest => inner.space.next_held(&ledger, inner.shard.oldest().0),
            CursorStart::AfterLatest => inner.shard.end().0,
        };
        inner.cursors.create(name, next.min(inner.shard.end().0))
    }

    /// Removes a cursor, durably. Records that only it had not acknowledged go.
    ///
    /// # Errors
    /// [`Error::NoCursor`].
    pub fn remove_cursor(&self, name: &str) -> Result<(), Error> {
        {
            let ledger = self.inner.space.hold();
            ledger.check_open()?;
            self.inner.cursors.remove(name)?;
        }
        self.inner.space.reclaim_acknowledged();
        Ok(())
    }

    /// The cursors, by name.
    ///
    /// # Errors
    /// When a segment header cannot be read.
    pub fn cursors(&self) -> Result<Vec<CursorStatus>, Error> {
        let ledger = self.inner.space.hold_fresh()?;
        Ok(self.statuses(&ledger))
    }

    /// Waits until there is a record that the cursor has not acknowledged; `false` when `timeout`
    /// passes first (`None`: no limit).
    ///
    /// # Errors
    /// [`Error::NoCursor`], [`Error::CursorDamaged`]; [`Error::Poisoned`] and [`Error::Closed`]
    /// when none will come.
    pub fn wait(&self, cursor: &str, timeout: Option<Duration>) -> Result<bool, Error> {
        let next = self.inner.cursors.get(cursor)?.mark().next;
        self.inner
            .shard
            .wait_readable(SequenceNumber(next), timeout)
    }

    /// The same as a future.
    ///
    /// # Errors
    /// As [`Buffer::wait`].
    pub fn readable(&self, cursor: &str) -> Result<Readable, Error> {
        let next = self.inner.cursors.get(cursor)?.mark().next;
        Ok(self.inner.shard.readable(SequenceNumber(next)))
    }

    /// Whether it can be written to and read.
    #[must_use]
    pub fn state(&self) -> ShardState {
        self.inner.shard.status().state
    }

    /// What opening it found.
    #[must_use]
    pub fn open_report(&self) -> &BufferOpenReport {
        &self.inner.report
    }

    /// A look at the buffer.
    ///
    /// # Errors
    /// When the oldest record, whose age is told, cannot be read.
    pub fn stats(&self) -> Result<BufferStats, Error> {
        let inner = &self.inner;
        let shard = &inner.shard;
        let ledger = inner.space.hold_fresh()?;
        let cursors = self.statuses(&ledger);
        let (oldest, end) = (shard.oldest(), shard.end());
        let wanted = cursors.iter().map(|c| c.next).min().unwrap_or(oldest);
        let held_bytes = inner.space.held(&ledger)?;
        let records = inner.space.records_from(&ledger, oldest.0);
        drop(ledger);
        let time_ms = match wanted < end {
            true => peek::time_at(shard, wanted.0)?,
            false => None,
        };
        let now_ms = shard.core.ground.clock.wall_ms();
        Ok(BufferStats {
            bytes: shard.status().bytes,
            held_bytes,
            cap_bytes: inner.cap_bytes,
            records,
            oldest,
            end,
            oldest_age: time_ms.map(|ms| Duration::from_millis(now_ms.saturating_sub(ms))),
            dropped: inner.space.dropped(),
            cursors,
        })
    }

    fn statuses(&self, ledger: &space::Ledger) -> Vec<CursorStatus> {
        let inner = &self.inner;
        let entries = inner.cursors.entries().into_iter();
        let status = |(name, entry)| {
            let (mark, damaged) = match entry {
                Entry::Known(cursor) => (cursor.mark(), false),
                Entry::Damaged(_) => {
                    let next = inner.shard.oldest().0;
                    (slot::Mark { next, dropped: 0 }, true)
                }
            };
            CursorStatus {
                name,
                next: SequenceNumber(mark.next),
                held: inner.space.records_from(ledger, mark.next),
                dropped: mark.dropped,
                damaged,
            }
        };
        entries.map(status).collect()
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.inner.shard.core.ground.is_closing() {
            true => Err(Error::Closed { shard: SHARD }),
            false => Ok(()),
        }
    }

    /// Refuses pushes, finishes what was accepted, puts all acknowledgements on the medium and
    /// gives the lock back. A second call does nothing.
    ///
    /// # Errors
    /// When a cursor or an index cannot be written; the buffer is closed all the same.
    pub fn close(&self) -> Result<(), Error> {
        self.inner.close()
    }
}

impl Inner {
    fn close(&self) -> Result<(), Error> {
        let mut flusher = lock(&self.flusher);
        self.bell.stop();
        if let Some(flusher) = flusher.take() {
            flusher.join();
        }
        self.space.close();
        let flushed = self.cursors.close();
        let closed = self.store.close();
        flushed.and(closed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "closing the buffer");
        }
    }
}
