//! Commit groups: the threads whose records are in the same batch wait together, and one call
//! wakes them. To wake each by itself costs more than all else about a small record.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::watermark::Deadline;
use crate::io::futex;

/// Groups that are told apart. The batches of a shard take turns at them: where two have the
/// same one, some wake for nothing and wait again.
const GROUPS: usize = 16;

#[derive(Debug, Default)]
struct Group {
    /// Changes with every call.
    calls: AtomicU32,
    waiting: AtomicU32,
}

/// The waiting places of a shard, by the numbers of batches.
#[derive(Debug, Default)]
pub(crate) struct Groups([Group; GROUPS]);

impl Groups {
    fn of(&self, batch: u32) -> &Group {
        &self.0[batch as usize % GROUPS]
    }

    /// Wakes those whose records are in `count` batches from `first` on; what they wait for was
    /// published before.
    pub(crate) fn wake(&self, first: u32, count: u32) {
        for batch in 0..count.min(GROUPS as u32) {
            self.of(first.wrapping_add(batch)).wake();
        }
    }

    /// Wakes everyone, to see that something other than the watermark has changed.
    pub(crate) fn wake_all(&self) {
        self.0.iter().for_each(Group::wake);
    }

    /// Waits on this thread until `look` gives something, which it does once the batch is
    /// durable, or something else has changed; `None` when `timeout` passes first.
    pub(crate) fn wait<T>(
        &self,
        batch: u32,
        timeout: Option<Duration>,
        look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let deadline = Deadline::after(timeout);
        let group = self.of(batch);
        group.waiting.fetch_add(1, Ordering::SeqCst);
        let result = group.wait(deadline, look);
        group.waiting.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

impl Group {
    fn wake(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        // A thread counts itself before it reads the calls: either it is seen here, or it sees
        // the call, and with it what was published.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            futex::wake_all(&self.calls);
        }
    }

    fn wait<T>(&self, deadline: Deadline, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            let calls = self.calls.load(Ordering::SeqCst);
            if let Some(result) = look() {
                return Some(result);
            }
            let left = deadline.left();
            if left == Some(Duration::ZERO) {
                return None;
            }
            futex::wait(&self.calls, calls, left);
        }
    }
}

#[cfg(test)]
mod tests;
