//! What a roll to the next segment costs an append: small segments, that roll all the time, and
//! large ones, that do not.

use std::time::Instant;

use millstream_engine::{ShardOptions, StoreOptions};
use millstream_format::Record;

use crate::{
    error::BenchError,
    figure::Outcome,
    latency::Latencies,
    noise::{Load, Tally},
    rounds::{Bench, Family},
    store::MeasuredStore,
};

/// Kilobytes in an append, each of which is waited for.
const BATCH: usize = 16;

pub(super) fn families() -> Vec<Family> {
    let of = |figure: &'static str, bytes| {
        Family::new(&[figure], move |bench| {
            Ok(vec![appends(bench, figure, bytes)?])
        })
    };
    vec![
        of("segments-1mib", 1 << 20),
        of("segments-64mib", 64 << 20),
        of("segments-1gib", 1 << 30),
    ]
}

fn appends(bench: &Bench, figure: &str, segment_bytes: u64) -> Result<Outcome, BenchError> {
    let dir = bench.fresh_dir("segments")?;
    let options = ShardOptions {
        segment_bytes,
        ..ShardOptions::default()
    };
    let path = dir.path().join("store");
    let measured = MeasuredStore::create_with(&path, 1, StoreOptions::default(), options)?;
    let (load, mut tally) = (Load::new(1, 1024), Tally::default());
    let mut latencies = Latencies::new()?;
    let start = Instant::now();
    for batch in 0.. {
        if start.elapsed() >= bench.latency_seconds() {
            break;
        }
        let records: Vec<Record<'_>> = (batch * BATCH..(batch + 1) * BATCH)
            .map(|at| load.record(at))
            .map(|(key, data)| Record::new(key, data))
            .collect();
        for record in &records {
            tally.add(record.key, record.data);
        }
        let begun = Instant::now();
        measured.shards[0].append_and_wait(&records)?;
        latencies.add(begun.elapsed());
    }
    let segments = measured.shards[0].status().segments;
    measured.check_and_close(tally)?;
    let outcome = Outcome::new(figure, "µs", latencies.us(0.99)).durable();
    Ok(outcome.details(&[
        ("p50", latencies.us(0.5)),
        ("p99", latencies.us(0.99)),
        ("p999", latencies.us(0.999)),
        ("max", latencies.max_us()),
        ("samples", latencies.samples() as f64),
        ("segments", segments as f64),
    ]))
}
