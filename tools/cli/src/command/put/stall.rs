//! Tells whoever waits for a put that the server is silent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use millstream_client::{Producer, ProducerStats};
use tokio::task::JoinHandle;

/// How long the server may be silent before it is told.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is said then.
const SILENT: &str = "no answer from the server for 3 s: trying again (see --retry-for)";
/// The same where the server says why.
const REFUSING: &str = "refused for 3 s, trying again (see --retry-for)";

/// Watches a producer; `taken` counts the records that were given to it.
pub(super) fn watch(producer: Producer, taken: Arc<AtomicU64>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut silence = Silence::new(Instant::now());
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            let stats = producer.stats();
            let settled = settled(&stats);
            let waiting = taken.load(Ordering::Relaxed) > settled;
            if let Some(said) = silence.look(settled, waiting, Instant::now()) {
                match stats.retrying.filter(|_| said == SILENT) {
                    Some(refusal) => eprintln!("{REFUSING}: {refusal}"),
                    None => eprintln!("{said}"),
                }
            }
        }
    })
}

fn settled(stats: &ProducerStats) -> u64 {
    stats.acknowledged + stats.refused + stats.unknown
}

/// How long nothing has been settled although something could be.
#[derive(Debug)]
struct Silence {
    settled: u64,
    since: Instant,
    told: bool,
}

impl Silence {
    fn new(now: Instant) -> Silence {
        Silence {
            settled: 0,
            since: now,
            told: false,
        }
    }

    /// What is to be said now.
    fn look(&mut self, settled: u64, waiting: bool, now: Instant) -> Option<&'static str> {
        if settled != self.settled || !waiting {
            self.settled = settled;
            self.since = now;
            return std::mem::take(&mut self.told).then_some("the server answers again");
        }
        if self.told || now.duration_since(self.since) < PATIENCE {
            return None;
        }
        self.told = true;
        Some(SILENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_so_is_its_end() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut silence = Silence::new(begun);
        assert_eq!(silence.look(0, true, at(2)), None);
        assert!(
            silence
                .look(0, true, at(3))
                .is_some_and(|s| s.starts_with("no answer"))
        );
        assert_eq!(silence.look(0, true, at(9)), None);
        assert!(
            silence
                .look(5, true, at(10))
                .is_some_and(|s| s.ends_with("again"))
        );
        assert_eq!(silence.look(5, true, at(12)), None);
    }

    #[test]
    fn an_idle_input_is_no_silence() {
        let begun = Instant::now();
        let mut silence = Silence::new(begun);
        for seconds in 0..100 {
            let now = begun + Duration::from_secs(seconds);
            assert_eq!(silence.look(7, false, now), None);
        }
    }
}
