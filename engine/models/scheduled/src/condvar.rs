//! Condition variables whose limits pass as [`crate::time`] says.

use std::{
    sync::{LockResult, PoisonError},
    time::Duration,
};

use shuttle::sync::{self, MutexGuard};

use crate::time;

/// Whether a limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether it has.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

/// A bell for those who wait with a lock in their hands.
#[derive(Debug, Default)]
pub struct Condvar(sync::Condvar);

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub const fn new() -> Condvar {
        Condvar(sync::Condvar::new())
    }

    /// Waits for a ring.
    ///
    /// # Errors
    /// When a thread has panicked with the lock.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    /// Waits for a ring, at most `limit`. One that passes does so at once.
    ///
    /// # Errors
    /// When a thread has panicked with the lock.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        if time::pass(limit) {
            return Ok((guard, WaitTimeoutResult(true)));
        }
        match self.0.wait(guard) {
            Ok(guard) => Ok((guard, WaitTimeoutResult(false))),
            Err(poisoned) => {
                let guard = poisoned.into_inner();
                Err(PoisonError::new((guard, WaitTimeoutResult(false))))
            }
        }
    }

    /// Waits while `condition` holds, at most `limit`. One that passes does so at once.
    ///
    /// # Errors
    /// When a thread has panicked with the lock.
    pub fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        limit: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        while condition(&mut guard) {
            let (back, waited) = self.wait_timeout(guard, limit)?;
            guard = back;
            if waited.timed_out() {
                return Ok((guard, waited));
            }
        }
        Ok((guard, WaitTimeoutResult(false)))
    }

    /// Wakes one that waits.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
