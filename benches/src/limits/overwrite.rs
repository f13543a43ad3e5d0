//! Large durable writes over blocks that were written before, by two threads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    IN_FLIGHT, LARGE, OVERWRITE,
    direct_file::{Aligned, DirectFile},
};
use crate::{
    error::BenchError,
    rounds::{Bench, Outcome, Scenario},
};

/// Bytes of the file that is written over and over.
const FILE: u64 = 512 << 20;

#[derive(Debug)]
pub(super) struct Overwrite;

impl Scenario for Overwrite {
    fn name(&self) -> &'static str {
        OVERWRITE
    }

    fn is_limit(&self) -> bool {
        true
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        let dir = bench.fresh_dir("overwrite")?;
        let file = DirectFile::written(&dir.path().join("file"), FILE)?;
        write_for(&file, FILE, bench.warm_up())?;
        let before = bench.counter.now()?;
        let (bytes, elapsed) = write_for(&file, FILE, bench.seconds)?;
        let device = bench.counter.since(before)?;
        let outcome = Outcome::throughput(OVERWRITE, bytes, elapsed, "durable");
        Ok(vec![outcome.with_device(device)])
    }
}

fn write_for(file: &DirectFile, len: u64, limit: Duration) -> Result<(u64, Duration), BenchError> {
    let start = Instant::now();
    let bytes = write_in_turns(file, |at| {
        (start.elapsed() < limit).then_some(at * LARGE as u64 % len)
    })?;
    Ok((bytes, start.elapsed()))
}

/// Writes large blocks with [`IN_FLIGHT`] threads; `offset_of` gives the n-th its place, until it
/// says that it was enough.
pub(super) fn write_in_turns(
    file: &DirectFile,
    offset_of: impl Fn(u64) -> Option<u64> + Sync,
) -> Result<u64, BenchError> {
    let (turn, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let writer = |seed: u64| {
        let data = Aligned::noise(LARGE, seed);
        while let Some(offset) = offset_of(turn.fetch_add(1, Ordering::Relaxed)) {
            file.write_durable(data.bytes(), offset)?;
            bytes.fetch_add(LARGE as u64, Ordering::Relaxed);
        }
        Ok::<(), BenchError>(())
    };
    thread::scope(|scope| {
        let writer = &writer;
        let threads: Vec<_> = (0..IN_FLIGHT)
            .map(|seed| scope.spawn(move || writer(seed as u64)))
            .collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| BenchError::wrong("a writing thread panicked"))??;
        }
        Ok::<(), BenchError>(())
    })?;
    Ok(bytes.into_inner())
}
