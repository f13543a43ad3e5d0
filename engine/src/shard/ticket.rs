//! The end of an append, to be waited for by a thread or polled as a future.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    ShardCore,
    watermark::{Place, wait_until},
};
use crate::{error::Error, segment::list::lock, sequence::SequenceNumber};

/// Sequence numbers given out under one promise. When some are taken back, or their outcome can
/// no longer be known, the generation fails from there on and a new one begins.
#[derive(Debug)]
pub(crate) struct Generation {
    failed_at: AtomicU64,
    /// From which sequence number on what has failed, as it came to be known.
    failures: Mutex<Vec<(u64, Error)>>,
}

impl Generation {
    pub(crate) fn new() -> Arc<Generation> {
        Arc::new(Generation {
            failed_at: AtomicU64::new(u64::MAX),
            failures: Mutex::default(),
        })
    }

    /// What was given out at or above `sequence`, and had not failed before, has failed.
    pub(crate) fn fail(&self, sequence: u64, cause: Error) {
        lock(&self.failures).push((sequence, cause));
        self.failed_at.fetch_min(sequence, Ordering::SeqCst);
    }

    fn failure(&self, end: u64) -> Option<Error> {
        if self.failed_at.load(Ordering::SeqCst) >= end {
            return None;
        }
        let failures = lock(&self.failures);
        let applies = failures.iter().find(|(sequence, _)| *sequence < end);
        applies.map(|(_, cause)| cause.clone())
    }
}

/// Where an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Sequence number of the first record.
    pub first: SequenceNumber,
    /// Records appended.
    pub count: u32,
    /// The put had been taken before: nothing was written again, and this is where it went then.
    pub duplicate: bool,
}

/// An append on its way to the medium. Dropping it does not take the append back.
#[derive(Debug)]
#[must_use = "an append is acknowledged by its ticket, not by being taken"]
pub struct Ticket {
    pub(crate) shard: Arc<ShardCore>,
    pub(crate) generation: Arc<Generation>,
    pub(crate) appended: Appended,
    /// Number of the batch that the records are in; not known of a put that was taken before.
    pub(crate) batch: Option<u32>,
    /// Where it waits as a future.
    pub(crate) place: Place,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shard.watermark.leave(&mut self.place);
    }
}

impl Ticket {
    /// Where the records go, before it is known that they are there.
    #[must_use]
    pub fn assigned(&self) -> Appended {
        self.appended
    }

    /// Another look at the same append.
    pub(crate) fn another(&self) -> Ticket {
        Ticket {
            shard: Arc::clone(&self.shard),
            generation: Arc::clone(&self.generation),
            appended: self.appended,
            batch: self.batch,
            place: Place::default(),
        }
    }

    /// Waits until the records are durable at the shard's level.
    ///
    /// # Errors
    /// [`Error::Poisoned`] when it cannot be known whether they are; [`Error::NoSpace`] and
    /// [`Error::Closed`] when they are not.
    pub fn wait(self) -> Result<Appended, Error> {
        self.wait_timeout_inner(None).unwrap_or(Err(Error::Closed {
            shard: self.shard.id,
        }))
    }

    /// The same for at most `timeout`; `None` when that passes first.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<Appended, Error>> {
        self.wait_timeout_inner(Some(timeout))
    }

    fn wait_timeout_inner(&self, timeout: Option<Duration>) -> Option<Result<Appended, Error>> {
        if let Some(result) = self.outcome() {
            return Some(result);
        }
        if let Some(batch) = self.batch {
            return self.shard.groups.wait(batch, timeout, || self.outcome());
        }
        let mut place = Place::default();
        let result = wait_until(timeout, |waker| self.check(&mut place, waker));
        self.shard.watermark.leave(&mut place);
        result
    }

    /// Sequence number after the last record.
    fn end(&self) -> u64 {
        self.appended.first.0 + u64::from(self.appended.count)
    }

    /// The outcome, if it is known by now.
    pub(crate) fn outcome(&self) -> Option<Result<Appended, Error>> {
        let end = self.end();
        // The order matters: numbers that were taken back are given out again.
        if let Some(error) = self.generation.failure(end) {
            return Some(Err(error));
        }
        (self.shard.watermark.get() >= end).then_some(Ok(self.appended))
    }

    fn check(&self, place: &mut Place, waker: &Waker) -> Option<Result<Appended, Error>> {
        self.outcome().or_else(|| {
            self.shard.watermark.register(self.end(), place, waker);
            self.outcome()
        })
    }
}

impl Future for Ticket {
    type Output = Result<Appended, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut place = std::mem::take(&mut self.place);
        let result = self.check(&mut place, cx.waker());
        self.place = place;
        match result {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}

/// Longest wait of a thread for an announcement of room: what a reader holds comes back whenever
/// the reader likes.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Resolves when there may be room for an append that found none; then it is to be tried again.
#[derive(Debug)]
#[must_use = "a future does nothing until it is polled"]
pub struct Room {
    pub(crate) shard: Option<Arc<ShardCore>>,
    pub(crate) ground: Arc<crate::ground::Ground>,
    pub(crate) seen: (u64, u64),
}

impl Room {
    fn counters(shard: Option<&Arc<ShardCore>>, ground: &crate::ground::Ground) -> (u64, u64) {
        let taken = shard.map_or(0, |s| s.taken.load(Ordering::SeqCst));
        (taken, ground.pool.returns())
    }

    pub(crate) fn new(shard: Option<Arc<ShardCore>>, ground: Arc<crate::ground::Ground>) -> Room {
        let seen = Room::counters(shard.as_ref(), &ground);
        Room {
            shard,
            ground,
            seen,
        }
    }

    fn is_there(&self) -> bool {
        // Half-empty means that whatever found no room before would find it now; above that,
        // something is outstanding whose return will wake.
        let moved = Room::counters(self.shard.as_ref(), &self.ground) != self.seen;
        let pool_free = self.ground.pool.used() <= self.ground.pool.budget() / 2;
        let shard_free = self.shard.as_ref().is_none_or(|s| s.has_room());
        moved || (pool_free && shard_free)
    }

    pub(crate) fn check(&self, waker: &Waker) -> Option<()> {
        if self.is_there() {
            return Some(());
        }
        self.ground.pool.register_waiter(waker);
        if let Some(shard) = &self.shard {
            shard.register_room_waiter(waker);
        }
        self.is_there().then_some(())
    }

    /// Waits on this thread, not longer than it takes for trying again to be as good.
    pub fn wait(self) {
        wait_until(Some(TRY_AGAIN), |waker| self.check(waker));
    }
}

impl Future for Room {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.check(cx.waker()) {
            Some(()) => Poll::Ready(()),
            None => Poll::Pending,
        }
    }
}

/// Resolves when a sequence number can be read.
#[derive(Debug)]
#[must_use = "a future does nothing until it is polled"]
pub struct Readable {
    pub(crate) shard: Arc<ShardCore>,
    pub(crate) sequence: SequenceNumber,
    pub(crate) place: Place,
}

impl Drop for Readable {
    fn drop(&mut self) {
        self.shard.watermark.leave(&mut self.place);
    }
}

impl Readable {
    fn outcome(&self) -> Option<Result<(), Error>> {
        if self.shard.watermark.get() > self.sequence.0 {
            return Some(Ok(()));
        }
        self.shard.ended().map(Err)
    }

    /// Waits on this thread; `None` when `timeout` passes first.
    pub(crate) fn wait(mut self, timeout: Option<Duration>) -> Option<Result<(), Error>> {
        let mut place = std::mem::take(&mut self.place);
        let result = wait_until(timeout, |waker| self.check(&mut place, waker));
        self.place = place;
        result
    }

    fn check(&self, place: &mut Place, waker: &Waker) -> Option<Result<(), Error>> {
        self.outcome().or_else(|| {
            let position = self.sequence.0.saturating_add(1);
            self.shard.watermark.register(position, place, waker);
            self.outcome()
        })
    }
}

impl Future for Readable {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut place = std::mem::take(&mut self.place);
        let result = self.check(&mut place, cx.waker());
        self.place = place;
        match result {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}
