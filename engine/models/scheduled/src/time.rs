//! Time that passes when somebody who waits for it is let go. A limit that is short enough passes
//! at any step, so that whatever can happen before and after it is tried; a longer one never does:
//! what would hang without it ends in a deadlock, which is found.

pub use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shuttle::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// Limits below this pass unless [`let_pass`] says otherwise: short pauses, no more.
const PASSING: Duration = Duration::from_millis(20);

shuttle::lazy_static! {
    static ref NOW: AtomicU64 = AtomicU64::new(0);
    static ref PASSING_BELOW: AtomicU64 = AtomicU64::new(nanoseconds(PASSING));
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Time since the execution began.
#[must_use]
pub fn now() -> Duration {
    Duration::from_nanos(NOW.load(Ordering::SeqCst))
}

/// From now on in this execution, limits below `limit` pass.
pub fn let_pass(limit: Duration) {
    PASSING_BELOW.store(nanoseconds(limit), Ordering::SeqCst);
}

/// Whether a wait of at most `limit` ends by itself. If so, the time has passed, and others were
/// let go on.
#[must_use]
pub fn pass(limit: Duration) -> bool {
    let limit = nanoseconds(limit);
    let passes = limit < PASSING_BELOW.load(Ordering::SeqCst);
    if passes {
        NOW.fetch_add(limit, Ordering::SeqCst);
        thread::yield_now();
    }
    passes
}

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// This moment.
    #[must_use]
    pub fn now() -> Instant {
        Instant(now())
    }

    /// Time since.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        now().saturating_sub(self.0)
    }

    /// The moment after `duration`.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    /// Time from an earlier moment to this one.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
