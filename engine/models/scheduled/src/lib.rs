//! The standard library as the models of the engine see it. Its locks, atomics and threads are
//! those of shuttle: at each of their steps a scheduler decides who goes on, so that one run is
//! one interleaving, which can be had again.
//!
//! The engine takes this crate under the name `std` when it is built for the models, and so none
//! of its code is written for them.

pub use std::*;

pub use shuttle::thread_local;

mod condvar;
pub mod futex;
pub mod queue;
pub mod time;

/// Locks and atomics under the scheduler. [`sync::Arc`] and [`sync::OnceLock`] are the real ones:
/// nobody waits in them, so that one step of theirs is as good as the step before it.
pub mod sync {
    pub use crate::condvar::{Condvar, WaitTimeoutResult};
    pub use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
    pub use std::sync::{Arc, LockResult, OnceLock, PoisonError, Weak};

    /// Every operation is a step of its own, sequentially consistent whatever it asks for.
    pub mod atomic {
        pub use shuttle::sync::atomic::*;
    }
}

/// What is no step: for what a model looks on with.
pub mod unscheduled {
    pub use std::{
        sync::{Mutex, MutexGuard, atomic},
        thread::panicking,
    };
}

/// Threads of one execution. A limit that passes does so at once, and a sleep always does.
pub mod thread {
    use std::time::Duration;

    pub use shuttle::thread::*;

    use crate::time;

    /// Lets others go on, and the time pass.
    pub fn sleep(duration: Duration) {
        if !time::pass(duration) {
            yield_now();
        }
    }

    /// Waits for the token of this thread, at most `limit`.
    pub fn park_timeout(limit: Duration) {
        if !time::pass(limit) {
            park();
        }
    }
}
