//! The thread that puts lazy acknowledgements on the medium.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{cursors::Cursors, space::Space};
use crate::{
    clock::{Clock, Turn, Work},
    io::device::Wake,
    signal::Signal,
};

/// Longest wait without looking around.
const LOOK_AROUND: Duration = Duration::from_secs(60);

/// What wakes and ends the flusher.
#[derive(Debug, Default)]
pub(super) struct Bell {
    signal: Signal,
    stop: AtomicBool,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.signal.wake();
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.signal.wake();
    }
}

/// The flusher's work.
pub(super) struct Flusher {
    pub bell: Arc<Bell>,
    pub interval: Duration,
    pub cursors: Arc<Cursors>,
    pub space: Arc<Space>,
    pub clock: Arc<dyn Clock>,
}

impl Work for Flusher {
    fn turn(&mut self, wait: bool) -> Turn {
        if self.bell.stop.load(Ordering::SeqCst) {
            return Turn::Done;
        }
        let cursors = self.cursors.known();
        let due = |since: Duration| since.saturating_add(self.interval);
        if wait {
            let now = self.clock.monotonic();
            let ahead = cursors.iter().filter_map(|c| c.ahead_since());
            let next = ahead.min().map(due);
            let patience = next.map_or(LOOK_AROUND, |at| at.saturating_sub(now));
            self.bell.signal.wait(patience.min(LOOK_AROUND));
        }
        let now = self.clock.monotonic();
        let mut flushed = false;
        for cursor in cursors {
            if cursor.ahead_since().is_none_or(|since| due(since) > now) {
                continue;
            }
            match cursor.flush() {
                Ok(()) => flushed = true,
                Err(error) => {
                    tracing::warn!(%error, "acknowledgements are not on the medium; it will be tried again");
                    cursor.retry_later(now);
                }
            }
        }
        if flushed {
            self.space.reclaim_acknowledged();
        }
        Turn::Again
    }
}
