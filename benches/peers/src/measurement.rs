//! A closed loop of producers, and a window in which their acknowledged records are counted.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use hdrhistogram::Histogram;

use crate::{
    noise::{Load, Tally},
    peer::{Peer, Plan},
};

/// The part of the window that goes before it to warm up.
pub(crate) const WARM_UP: u32 = 5;

/// What a run gave.
pub(crate) struct Measurement {
    /// Records acknowledged within the window.
    pub(crate) records: u64,
    /// How long the window was.
    pub(crate) elapsed: Duration,
    /// Latencies of calls within the window, in nanoseconds; empty unless the row asks for them.
    pub(crate) latencies: Histogram<u64>,
    /// Everything that was acknowledged, before, in and after the window.
    pub(crate) acknowledged: Tally,
}

/// What the producers tell the one who measures, and the other way round.
#[derive(Default)]
struct Progress {
    records: AtomicU64,
    measuring: AtomicBool,
    stop: AtomicBool,
}

struct Producer<'a> {
    number: usize,
    load: &'a Load,
    plan: &'a Plan<'a>,
    progress: &'a Progress,
    /// Told when the disk's bound was met, or an append failed.
    ended: Sender<Instant>,
}

/// Runs the producers to warm up, and for `seconds` to measure.
pub(crate) fn run(peer: &dyn Peer, plan: &Plan<'_>, seconds: Duration) -> Result<Measurement> {
    let loads: Vec<Load> = (1..=plan.threads as u64)
        .map(|seed| Load::new(seed, plan.row.size, plan.threads))
        .collect();
    let progress = Progress::default();
    let (ended, ends) = mpsc::channel();
    let (window, produced) = thread::scope(|scope| {
        let threads: Vec<_> = loads
            .iter()
            .enumerate()
            .map(|(number, load)| {
                let producer = Producer {
                    number,
                    load,
                    plan,
                    progress: &progress,
                    ended: ended.clone(),
                };
                scope.spawn(move || producer.produce(peer))
            })
            .collect();
        let ended_early = ends.recv_timeout(seconds / WARM_UP).is_ok();
        progress.measuring.store(true, Ordering::Relaxed);
        let (begun, before) = (Instant::now(), progress.records.load(Ordering::Relaxed));
        let end = match ends.recv_timeout(seconds) {
            Ok(end) => end,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Instant::now(),
        };
        let records = progress.records.load(Ordering::Relaxed) - before;
        progress.stop.store(true, Ordering::Relaxed);
        let produced: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let window = (!ended_early).then(|| (records, end.duration_since(begun)));
        (window, produced)
    });
    let mut latencies = histogram()?;
    let mut acknowledged = Tally::default();
    for (produced, load) in produced.into_iter().zip(&loads) {
        let (records, own) = produced.map_err(|_| anyhow!("a producer panicked"))??;
        (0..records).for_each(|number| acknowledged.add(load.record(number)));
        latencies.add(own)?;
    }
    let Some((records, elapsed)) = window else {
        bail!("the bound of the disk was met before the window began");
    };
    Ok(Measurement {
        records,
        elapsed,
        latencies,
        acknowledged,
    })
}

impl Producer<'_> {
    /// Appends until told to stop; how many records, and the latencies in the window.
    fn produce(&self, peer: &dyn Peer) -> Result<(u64, Histogram<u64>)> {
        let result = self.append_all(peer);
        if result.is_err() {
            // The one who measures need not wait for a window that is void.
            let _ = self.ended.send(Instant::now());
        }
        result
    }

    fn append_all(&self, peer: &dyn Peer) -> Result<(u64, Histogram<u64>)> {
        let row = &self.plan.row;
        let most = self.plan.most_bytes / row.size as u64;
        let mut latencies = histogram()?;
        let mut records = Vec::with_capacity(row.batch);
        let mut next = 0;
        while !self.progress.stop.load(Ordering::Relaxed) {
            records.clear();
            let end = next + row.batch as u64;
            records.extend((next..end).map(|number| self.load.record(number)));
            if row.latency {
                let begun = Instant::now();
                peer.append(self.number, &records)?;
                if self.progress.measuring.load(Ordering::Relaxed) {
                    latencies.saturating_record(begun.elapsed().as_nanos() as u64);
                }
            } else {
                peer.append(self.number, &records)?;
            }
            next = end;
            let added = row.batch as u64;
            let before = self.progress.records.fetch_add(added, Ordering::Relaxed);
            if before + added * (self.plan.threads as u64 + 1) > most {
                let _ = self.ended.send(Instant::now());
                break;
            }
        }
        Ok((next, latencies))
    }
}

/// Up to a minute, to three digits.
fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).context("histogram")
}
