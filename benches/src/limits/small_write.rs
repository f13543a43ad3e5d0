//! One durable 4 KiB write after another: the least that one record costs.

use std::{path::Path, time::Instant};

use super::direct_file::{Aligned, BLOCK, DirectFile};
use crate::{
    error::BenchError,
    latency::Latencies,
    rounds::{Bench, Outcome, Scenario},
};

/// Bytes of the file, written before.
const FILE: u64 = 64 << 20;

/// Small durable writes, one after another: alone, or in turn with what they bound.
#[derive(Debug)]
pub(crate) struct SmallWrites {
    file: DirectFile,
    data: Aligned,
    next: u64,
    latencies: Latencies,
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

    /// Latencies so far, under a row's name.
    pub(crate) fn outcomes(&self, row: &str) -> [Outcome; 2] {
        self.latencies.outcomes(row, "durable")
    }
}

#[derive(Debug)]
pub(super) struct SmallWriteLimit;

impl Scenario for SmallWriteLimit {
    fn name(&self) -> &'static str {
        "limit: durable 4 KiB write"
    }

    fn is_limit(&self) -> bool {
        true
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        let dir = bench.fresh_dir("small")?;
        let mut writes = SmallWrites::new(dir.path())?;
        let before = bench.counter.now()?;
        let start = Instant::now();
        while start.elapsed() < bench.seconds {
            writes.write()?;
        }
        let device = bench.counter.since(before)?;
        let outcomes = writes.outcomes(self.name());
        Ok(outcomes.map(|outcome| outcome.with_device(device)).into())
    }
}
