//! The watermark: all sequence numbers below it are durable at the shard's level and readable.
//! Threads, tasks and followers wait on a position.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use crate::segment::list::lock;

/// Most wakers kept of those who wait for room; with more, all are woken and ask again.
pub(crate) const MAX_WAITERS: usize = 4096;

/// A place among those who wait: the position waited for, and a number of its own. Whoever has
/// one gives it back ([`Watermark::leave`]), so that no more are kept than there are waiters.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<(u64, u64)>);

#[derive(Debug, Default)]
struct Waiters {
    /// By position, then in the order of coming.
    wakers: BTreeMap<(u64, u64), Waker>,
    came: u64,
}

/// A number that only grows, and those who wait for it.
#[derive(Debug)]
pub(crate) struct Watermark {
    value: AtomicU64,
    waiting: AtomicBool,
    waiters: Mutex<Waiters>,
}

impl Watermark {
    pub(crate) fn new(value: u64) -> Watermark {
        Watermark {
            value: AtomicU64::new(value),
            waiting: AtomicBool::new(false),
            waiters: Mutex::default(),
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.value.load(Ordering::SeqCst)
    }

    /// Moves the watermark up to `value`. Then [`Watermark::wake_reached`].
    pub(crate) fn publish(&self, value: u64) {
        self.value.fetch_max(value, Ordering::SeqCst);
    }

    /// Wakes those who waited for what the watermark has reached.
    pub(crate) fn wake_reached(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            self.wake(self.get());
        }
    }

    /// Wakes everyone, to see that something other than the watermark has changed.
    pub(crate) fn wake_all(&self) {
        self.wake(u64::MAX);
    }

    /// Wakes those who wait for `position` or less.
    fn wake(&self, position: u64) {
        let reached = {
            let mut waiters = lock(&self.waiters);
            let later = match position.checked_add(1) {
                Some(next) => waiters.wakers.split_off(&(next, 0)),
                None => BTreeMap::new(),
            };
            if later.is_empty() {
                self.waiting.store(false, Ordering::SeqCst);
            }
            std::mem::replace(&mut waiters.wakers, later)
        };
        reached.into_values().for_each(Waker::wake);
    }

    /// Has `waker` called when the watermark reaches `position` (is at least that), in place of
    /// the one that has the place by now. The caller looks again after this, so that nothing is
    /// missed.
    pub(crate) fn register(&self, position: u64, place: &mut Place, waker: &Waker) {
        let mut waiters = lock(&self.waiters);
        let key = match place.0 {
            Some(key) if key.0 == position => key,
            old => {
                if let Some(old) = old {
                    waiters.wakers.remove(&old);
                }
                waiters.came += 1;
                (position, waiters.came)
            }
        };
        place.0 = Some(key);
        let before = waiters.wakers.insert(key, waker.clone());
        self.waiting.store(true, Ordering::SeqCst);
        drop(waiters);
        drop(before);
    }

    /// Nobody waits at the place any more.
    pub(crate) fn leave(&self, place: &mut Place) {
        if let Some(key) = place.0.take() {
            let left = lock(&self.waiters).wakers.remove(&key);
            drop(left);
        }
    }

    #[cfg(test)]
    fn waiting(&self) -> usize {
        lock(&self.waiters).wakers.len()
    }
}

/// Wakes a thread.
struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    static WAKER: Waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
}

/// Runs `poll` with this thread's waker until it gives something, parking in between;
/// `None` when `timeout` passes first.
pub(crate) fn wait_until<T>(
    timeout: Option<Duration>,
    mut poll: impl FnMut(&Waker) -> Option<T>,
) -> Option<T> {
    let deadline = Deadline::after(timeout);
    WAKER.with(|waker| {
        loop {
            if let Some(result) = poll(waker) {
                return Some(result);
            }
            match deadline.left() {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
    })
}

/// Until when a thread waits, if not for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(timeout: Option<Duration>) -> Deadline {
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The time that is left; `None` for ever.
    pub(crate) fn left(self) -> Option<Duration> {
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        self.0.map(left)
    }
}

#[cfg(test)]
mod tests;
