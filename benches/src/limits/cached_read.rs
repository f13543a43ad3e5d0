//! Reading files out of the page cache into one buffer.

use std::{fs::File, io::Read, path::PathBuf, time::Instant};

use super::LARGE;
use crate::{
    error::BenchError, figure::Outcome, noise::Noise, rounds::Bench, statistics::Throughput,
};

/// Bytes of the file.
const FILE: usize = 512 << 20;

/// Of a file of noise.
pub(super) fn limit(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("cached")?;
    let path = dir.path().join("file");
    let mut data = vec![0; FILE];
    Noise::new(7).fill(&mut data);
    std::fs::write(&path, &data).map_err(BenchError::io("write", &path))?;
    drop(data);
    let files = [path];
    read_through(&files)?;
    let mut read = Throughput::default();
    while read.elapsed < bench.seconds {
        read = read.plus(read_through(&files)?);
    }
    let outcome = Outcome::new("limit-cached-read", "MB/s", read.mb_per_second());
    Ok(vec![outcome])
}

/// Reads every file from its start to its end into one buffer.
pub(crate) fn read_through(files: &[PathBuf]) -> Result<Throughput, BenchError> {
    let mut buffer = vec![0; LARGE];
    let mut bytes = 0;
    let start = Instant::now();
    for path in files {
        let mut file = File::open(path).map_err(BenchError::io("open", path))?;
        loop {
            let read = file
                .read(&mut buffer)
                .map_err(BenchError::io("read", path))?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
        }
    }
    let elapsed = start.elapsed();
    Ok(Throughput { bytes, elapsed })
}
