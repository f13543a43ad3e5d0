//! One durable 4 KiB write after another: the least that one record costs.

use std::{path::Path, time::Instant};

use super::direct_file::{Aligned, BLOCK, DirectFile};
use crate::{error::BenchError, figure::Outcome, latency::Latencies, rounds::Bench};

/// Bytes of the file, written before.
const FILE: u64 = 64 << 20;

/// Small durable writes, one after another: alone, or in turn with what they bound.
#[derive(Debug)]
pub(crate) struct SmallWrites {
    file: DirectFile,
    data: Aligned,
    next: u64,
    pub(crate) latencies: Latencies,
}

impl SmallWrites {
    /// Makes a file in `directory`.
    pub(crate) fn new(directory: &Path) -> Result<SmallWrites, BenchError> {
        Ok(SmallWrites {
            file: DirectFile::written(&directory.join("small-writes"), FILE)?,
            data: Aligned::noise(BLOCK, 1),
            next: 0,
            latencies: Latencies::new()?,
        })
    }

    /// Writes once.
    pub(crate) fn write(&mut self) -> Result<(), BenchError> {
        let start = Instant::now();
        self.file
            .write_durable(self.data.bytes(), self.next % FILE)?;
        self.latencies.add(start.elapsed());
        self.next += BLOCK as u64;
        Ok(())
    }
}

/// Alone.
pub(super) fn limit(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("small")?;
    let mut writes = SmallWrites::new(dir.path())?;
    let before = bench.counter.now()?;
    let start = Instant::now();
    while start.elapsed() < bench.latency_seconds() {
        writes.write()?;
    }
    let device = bench.counter.since(before)?;
    let latencies = writes.latencies;
    let p50 = Outcome::new("limit-durable-4k-p50", "µs", latencies.us(0.5));
    let p99 = Outcome::new("limit-durable-4k-p99", "µs", latencies.us(0.99));
    let samples = latencies.samples() as f64;
    Ok(vec![
        p50.durable().detail("samples", samples).device(device),
        p99.durable().detail("max", latencies.max_us()),
    ])
}
