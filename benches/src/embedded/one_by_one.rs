//! Single records: one caller after the other, and many at a time.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use millstream_format::{HashKey, Record};

use super::store::{MeasuredStore, SHARDS};
use crate::{
    error::BenchError,
    latency::Latencies,
    limits::SmallWrites,
    noise::{Load, Tally},
    rounds::{Bench, Outcome, Scenario},
};

/// Bytes of record data.
const SIZE: usize = 100;
/// Callers of the second row.
const THREADS: u64 = 64;

/// One caller that waits for each record, in turn with a bare durable 4 KiB write, so that both
/// meet the same moods of the device.
#[derive(Debug)]
pub(super) struct Alone;

impl Scenario for Alone {
    fn name(&self) -> &'static str {
        "embedded: one 100 B record at a time"
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        const LIMIT: &str = "limit: 4 KiB write, in turn with embedded";
        let dir = bench.fresh_dir("alone")?;
        let measured = MeasuredStore::open(&dir.path().join("store"), 1)?;
        let mut writes = SmallWrites::new(dir.path())?;
        let mut load = Load::new(1, SIZE);
        let (mut latencies, mut tally) = (Latencies::new()?, Tally::default());
        let before = bench.counter.now()?;
        let start = Instant::now();
        while start.elapsed() < bench.seconds {
            let (key, data) = load.next();
            tally.add(key, data);
            let begun = Instant::now();
            measured.shards[0]
                .append(&[Record::new(key, data)])?
                .wait()?;
            latencies.add(begun.elapsed());
            writes.write()?;
        }
        let device = bench.counter.since(before)?;
        measured.check_and_close(tally)?;
        let [p50, p99] = latencies.outcomes(self.name(), "durable");
        let ours = [
            p50.limited_by("limit: 4 KiB write, in turn with embedded, p50"),
            p99.limited_by("limit: 4 KiB write, in turn with embedded, p99"),
        ];
        let outcomes = writes.outcomes(LIMIT).into_iter().chain(ours);
        Ok(outcomes
            .map(|outcome| outcome.with_device(device))
            .collect())
    }
}

/// Many callers that each wait for their record: what group commit is for.
#[derive(Debug)]
pub(super) struct Together;

impl Scenario for Together {
    fn name(&self) -> &'static str {
        "embedded: one 100 B record, 64 threads"
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        let dir = bench.fresh_dir("together")?;
        let measured = MeasuredStore::open(&dir.path().join("store"), SHARDS)?;
        let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let call = |seed| {
            let (mut load, mut tally) = (Load::small(seed, SIZE), Tally::default());
            while !stop.load(Ordering::Relaxed) {
                let (key, data) = load.next();
                let shard = measured.router.route(HashKey::of_partition_key(key));
                measured.shards[shard]
                    .append(&[Record::new(key, data)])?
                    .wait()?;
                tally.add(key, data);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<Tally, BenchError>(tally)
        };
        let call = &call;
        let (acknowledged, rate, device) = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|seed| scope.spawn(move || call(seed + 1)))
                .collect();
            thread::sleep(bench.warm_up());
            let before = bench.counter.now();
            let (begun, records) = (Instant::now(), count.load(Ordering::Relaxed));
            thread::sleep(bench.seconds);
            let records = count.load(Ordering::Relaxed) - records;
            let rate = records as f64 / begun.elapsed().as_secs_f64();
            let device = before.and_then(|before| bench.counter.since(before));
            stop.store(true, Ordering::Relaxed);
            let mut acknowledged = Tally::default();
            for thread in threads {
                let tally = thread
                    .join()
                    .map_err(|_| BenchError::wrong("a caller panicked"))?;
                acknowledged.merge(tally?);
            }
            Ok::<_, BenchError>((acknowledged, rate, device?))
        })?;
        measured.check_and_close(acknowledged)?;
        Ok(vec![
            Outcome::new(self.name(), "rec/s", rate, "durable").with_device(device),
        ])
    }
}
