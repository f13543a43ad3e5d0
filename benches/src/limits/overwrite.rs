//! Large durable writes over blocks that were written before, by two threads.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    IN_FLIGHT, LARGE, OVERWRITTEN,
    direct_file::{Aligned, DirectFile},
};
use crate::{error::BenchError, statistics::Throughput};

/// A file that was written once, to be written over and over.
#[derive(Debug)]
pub(crate) struct OverwriteLimit {
    file: DirectFile,
}

impl OverwriteLimit {
    /// Makes the file in `directory`.
    pub(crate) fn new(directory: &Path) -> Result<OverwriteLimit, BenchError> {
        let file = DirectFile::written(&directory.join("overwritten"), OVERWRITTEN)?;
        Ok(OverwriteLimit { file })
    }

    /// Writes for a time.
    pub(crate) fn measure(&self, time: Duration) -> Result<Throughput, BenchError> {
        let start = Instant::now();
        let bytes = write_in_turns(&self.file, |at| {
            (start.elapsed() < time).then_some(at * LARGE as u64 % OVERWRITTEN)
        })?;
        let elapsed = start.elapsed();
        Ok(Throughput { bytes, elapsed })
    }
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
