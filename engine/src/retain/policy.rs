//! When the clock can be believed enough to drop records for their age.

use std::time::Duration;

/// How far wall and monotonic time may part between two looks.
const TOLERANCE: Duration = Duration::from_secs(300);

/// Watches the wall clock: one that leaps forward must not empty the store.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    settle: Duration,
    last: Option<(u64, Duration)>,
    /// Since when (monotonic) both clocks have agreed.
    steady_since: Duration,
    trusted: bool,
}

impl ClockWatch {
    pub(crate) fn new(settle: Duration) -> ClockWatch {
        ClockWatch {
            settle,
            last: None,
            steady_since: Duration::ZERO,
            trusted: false,
        }
    }

    /// The operator says that the wall clock is right.
    pub(crate) fn confirm(&mut self) {
        self.trusted = true;
        self.last = None;
    }

    /// Looks at both clocks. `newest_ms` is the time of the newest record in the store, 0 for
    /// none: a clock not far from it has not leapt while the store was closed.
    pub(crate) fn is_trusted(&mut self, wall_ms: u64, monotonic: Duration, newest_ms: u64) -> bool {
        match self.last {
            // Nothing to lose, and nothing learnt.
            None if !self.trusted && newest_ms == 0 => return true,
            None if !self.trusted => {
                self.steady_since = monotonic;
                let settle_ms = self.settle.as_millis() as u64;
                self.trusted = wall_ms.abs_diff(newest_ms) <= settle_ms;
            }
            None => {}
            Some((wall_before, before)) => {
                let passed = monotonic.saturating_sub(before).as_millis() as u64;
                let leap = wall_ms.abs_diff(wall_before.saturating_add(passed));
                if u128::from(leap) > TOLERANCE.as_millis() {
                    if self.trusted {
                        tracing::warn!(
                            leap_ms = leap,
                            "the wall clock has leapt; nothing is dropped for its age until it has been steady, or is confirmed"
                        );
                    }
                    self.trusted = false;
                    self.steady_since = monotonic;
                } else if monotonic.saturating_sub(self.steady_since) >= self.settle {
                    self.trusted = true;
                }
            }
        }
        self.last = Some((wall_ms, monotonic));
        self.trusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const NOW: u64 = 1_800_000_000_000;

    fn at(watch: &mut ClockWatch, wall_ms: u64, minutes: u64) -> bool {
        watch.is_trusted(wall_ms, Duration::from_secs(60 * minutes), NOW)
    }

    #[test]
    fn a_clock_near_the_newest_record_is_believed() {
        assert!(at(&mut ClockWatch::new(HOUR), NOW + 1000, 0));
    }

    #[test]
    fn a_clock_that_leapt_while_closed_must_be_steady_or_confirmed_first() {
        let year = 365 * 24 * 3_600_000;
        let mut watch = ClockWatch::new(HOUR);
        assert!(!at(&mut watch, NOW + year, 0));
        assert!(!at(&mut watch, NOW + year + 59 * 60_000, 59));
        assert!(at(&mut watch, NOW + year + 60 * 60_000, 60));
        let mut watch = ClockWatch::new(HOUR);
        assert!(!at(&mut watch, NOW + year, 0));
        watch.confirm();
        assert!(at(&mut watch, NOW + year, 1));
    }

    #[test]
    fn a_leap_while_open_ends_the_trust() {
        let mut watch = ClockWatch::new(HOUR);
        assert!(at(&mut watch, NOW, 0));
        assert!(at(&mut watch, NOW + 60_000, 1));
        assert!(!at(&mut watch, NOW + 3_600_000, 2));
        assert!(!at(&mut watch, NOW + 3_660_000, 3));
    }
}
