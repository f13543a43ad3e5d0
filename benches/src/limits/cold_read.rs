//! Large reads past the page cache, by two threads, and files that the page cache forgets.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use rustix::fs::Advice;

use super::{
    IN_FLIGHT, LARGE, ONCE,
    direct_file::{Aligned, DirectFile},
};
use crate::{error::BenchError, figure::Outcome, rounds::Bench, statistics::Throughput};

/// Of a file that was written once.
pub(super) fn limit(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("cold")?;
    super::write_fresh(dir.path(), ONCE)?;
    let before = bench.counter.now()?;
    let read = read_direct(&[dir.path().join("fresh")])?;
    let device = bench.counter.since(before)?;
    let outcome = Outcome::new("limit-cold-read", "MB/s", read.mb_per_second());
    let read_mb = device.bytes_read as f64 / 1e6;
    Ok(vec![outcome.detail("device_read_mb", read_mb)])
}

/// Reads every file, past the page cache, in large blocks with [`IN_FLIGHT`] threads.
pub(crate) fn read_direct(files: &[PathBuf]) -> Result<Throughput, BenchError> {
    let mut open = Vec::new();
    for path in files {
        let file = DirectFile::existing(path)?;
        let blocks = file.len()? / LARGE as u64;
        open.push((file, blocks));
    }
    let next = AtomicU64::new(0);
    let place = |mut at: u64| {
        for (file, blocks) in &open {
            if at < *blocks {
                return Some((file, at * LARGE as u64));
            }
            at -= blocks;
        }
        None
    };
    let reader = || {
        let (mut buffer, mut bytes) = (Aligned::zeros(LARGE), 0);
        while let Some((file, offset)) = place(next.fetch_add(1, Ordering::Relaxed)) {
            file.read(buffer.bytes_mut(), offset)?;
            bytes += LARGE as u64;
        }
        Ok::<u64, BenchError>(bytes)
    };
    let start = Instant::now();
    let bytes = thread::scope(|scope| {
        let threads: Vec<_> = (0..IN_FLIGHT).map(|_| scope.spawn(reader)).collect();
        let mut bytes = 0;
        for thread in threads {
            bytes += thread
                .join()
                .map_err(|_| BenchError::wrong("a reading thread panicked"))??;
        }
        Ok::<u64, BenchError>(bytes)
    })?;
    let elapsed = start.elapsed();
    Ok(Throughput { bytes, elapsed })
}

/// Has the page cache forget all files in a directory and below. What is mapped or not yet
/// written stays.
pub(crate) fn forget(directory: &Path) -> Result<(), BenchError> {
    let failed = |error| BenchError::io("list", directory)(error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            forget(&path)?;
            continue;
        }
        let file = File::open(&path).map_err(BenchError::io("open", &path))?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)
            .map_err(|error| BenchError::io("forget", &path)(error.into()))?;
    }
    Ok(())
}
