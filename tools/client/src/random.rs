//! Randomness for producer ids and for pauses, from the seeds of the standard hash maps.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// 64 random bits, never 0.
pub(crate) fn id() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    RandomState::new().hash_one(now).max(1)
}

/// Pauses that double from attempt to attempt, each somewhere between its half and its whole.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Backoff {
        Backoff {
            min,
            max,
            next: min,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next.min(self.max);
        self.next = whole.saturating_mul(2);
        let part = (id() % 1024) as u32;
        whole / 2 + whole / 2 * part / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_begin_anew() {
        let (min, max) = (Duration::from_millis(16), Duration::from_millis(100));
        let mut backoff = Backoff::new(min, max);
        for whole in [16, 32, 64, 100, 100] {
            let pause = backoff.pause().as_micros();
            assert!((whole * 500..=whole * 1000).contains(&pause), "{pause}");
        }
        backoff.reset();
        assert!(backoff.pause() <= min);
    }

    #[test]
    fn ids_differ() {
        assert_ne!(id(), id());
    }
}
