//! Single records of which each is waited for: by one caller in turn with a bare write, and by
//! many at a time.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use millstream_format::Record;

use crate::{
    device_counts::DeviceCounts,
    error::BenchError,
    figure::{Bar, Outcome},
    latency::Latencies,
    limits::SmallWrites,
    noise::{Load, Tally},
    rounds::{Bench, Family},
    store::MeasuredStore,
};

/// Bytes of record data.
pub(super) const SIZE: usize = 100;
/// Callers of group commit.
pub(super) const THREADS: u64 = 64;
/// Records before latencies count: the files are young until then.
const WARM_UP: u64 = 200;

pub(super) fn families() -> Vec<Family> {
    vec![
        Family::new(&["latency-p50", "latency-p99"], latency),
        Family::new(&["group-commit-64"], group_commit),
    ]
}

fn append(measured: &MeasuredStore, key: &str, data: &[u8]) -> Result<(), BenchError> {
    let shard = match measured.shards.len() {
        1 => 0,
        _ => measured.route(key),
    };
    measured.shards[shard].append_and_wait(&[Record::new(key, data)])?;
    Ok(())
}

/// Each record in turn with a bare durable 4 KiB write, so that both meet the same moods of the
/// device.
fn latency(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("single")?;
    let measured = MeasuredStore::create(&dir.path().join("store"), 1)?;
    let mut writes = SmallWrites::new(dir.path())?;
    let mut load = Load::new(1, SIZE);
    let (mut latencies, mut tally) = (Latencies::new()?, Tally::default());
    for _ in 0..WARM_UP {
        let (key, data) = load.next();
        tally.add(key, data);
        append(&measured, key, data)?;
    }
    let before = bench.counter.now()?;
    let start = Instant::now();
    while start.elapsed() < bench.latency_seconds() {
        let (key, data) = load.next();
        tally.add(key, data);
        let begun = Instant::now();
        append(&measured, key, data)?;
        latencies.add(begun.elapsed());
        writes.write()?;
    }
    let device = bench.counter.since(before)?;
    measured.check_and_close(tally)?;
    let bare = &writes.latencies;
    let of = |figure, quantile, most| {
        Outcome::new(figure, "µs", latencies.us(quantile))
            .limit(bare.us(quantile))
            .bar(Bar::AtMostTimes(most))
            .durable()
            .detail("samples", latencies.samples() as f64)
    };
    Ok(vec![
        of("latency-p50", 0.5, 1.15)
            .device(device)
            .curve("one record at a time", latencies.histogram())
            .curve("bare durable 4 KiB write", bare.histogram()),
        of("latency-p99", 0.99, 1.5).details(&[
            ("p999", latencies.us(0.999)),
            ("limit_p999", bare.us(0.999)),
            ("max", latencies.max_us()),
            ("limit_max", bare.max_us()),
        ]),
    ])
}

/// Many callers, beside one caller alone.
fn group_commit(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let alone = callers(bench, 1, 1)?;
    let together = callers(bench, 1, THREADS)?;
    let spread = callers(bench, 4, THREADS)?;
    let outcome = Outcome::new("group-commit-64", "rec/s", together.rate)
        .limit(alone.rate)
        .bar(Bar::Times(25.0))
        .durable()
        .details(&[
            ("p50_us", together.latencies.us(0.5)),
            ("p99_us", together.latencies.us(0.99)),
            ("four_shards_records_per_s", spread.rate),
            ("four_shards_ratio", spread.rate / alone.rate),
        ])
        .device(together.device)
        .curve("64 threads, a record each", together.latencies.histogram());
    Ok(vec![outcome])
}

/// What callers got.
pub(crate) struct Called {
    /// Records a second.
    pub(crate) rate: f64,
    pub(crate) latencies: Latencies,
    device: DeviceCounts,
}

/// Callers that each wait for their record before they come with the next.
pub(crate) fn callers(bench: &Bench, shards: u32, threads: u64) -> Result<Called, BenchError> {
    let dir = bench.fresh_dir("callers")?;
    let measured = MeasuredStore::create(&dir.path().join("store"), shards)?;
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let call = |seed| {
        let (mut load, mut tally) = (Load::small(seed, SIZE), Tally::default());
        let mut latencies = Latencies::new()?;
        while !stop.load(Ordering::Relaxed) {
            let (key, data) = load.next();
            let begun = Instant::now();
            append(&measured, key, data)?;
            latencies.add(begun.elapsed());
            tally.add(key, data);
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<_, BenchError>((tally, latencies))
    };
    let call = &call;
    let (acknowledged, called) = thread::scope(|scope| {
        let running: Vec<_> = (1..=threads)
            .map(|seed| scope.spawn(move || call(seed)))
            .collect();
        thread::sleep(warm_up(bench));
        let before = bench.counter.now();
        let (begun, records) = (Instant::now(), count.load(Ordering::Relaxed));
        thread::sleep(bench.seconds);
        let records = count.load(Ordering::Relaxed) - records;
        let rate = records as f64 / begun.elapsed().as_secs_f64();
        let device = before.and_then(|before| bench.counter.since(before));
        stop.store(true, Ordering::Relaxed);
        let (mut acknowledged, mut latencies) = (Tally::default(), Latencies::new()?);
        for thread in running {
            let (tally, own) = thread
                .join()
                .map_err(|_| BenchError::wrong("a caller panicked"))??;
            acknowledged.merge(tally);
            latencies.merge(&own)?;
        }
        let called = Called {
            rate,
            latencies,
            device: device?,
        };
        Ok::<_, BenchError>((acknowledged, called))
    })?;
    measured.check_and_close(acknowledged)?;
    Ok(called)
}

/// Threads come up, and the files grow past their first blocks.
fn warm_up(bench: &Bench) -> Duration {
    bench.warm_up().max(Duration::from_millis(200))
}
