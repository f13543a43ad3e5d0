//! Inboxes of the background workers.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use crossbeam::queue::SegQueue;

use crate::{io::device::Wake, segment::list::lock};

/// A bell that one worker waits for. A ring before the wait is not lost.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Signal {
    /// Waits for a ring, at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) {
        let rung = lock(&self.rung);
        let waited = self.bell.wait_timeout_while(rung, timeout, |rung| !*rung);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

impl Wake for Signal {
    fn wake(&self) {
        *lock(&self.rung) = true;
        self.bell.notify_one();
    }
}

/// Items for one worker, and what wakes it.
pub(crate) struct Inbox<T> {
    items: SegQueue<T>,
    waker: OnceLock<Arc<dyn Wake>>,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Inbox {
            items: SegQueue::new(),
            waker: OnceLock::new(),
        }
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("len", &self.items.len())
            .finish()
    }
}

impl<T> Inbox<T> {
    /// Says what wakes the worker; once.
    pub(crate) fn connect(&self, waker: Arc<dyn Wake>) {
        let _ = self.waker.set(waker);
    }

    pub(crate) fn send(&self, item: T) {
        self.items.push(item);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.items.pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
