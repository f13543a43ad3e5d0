//! Reading files out of the page cache into one buffer.

use std::{
    fs::File,
    io::Read,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::LARGE;
use crate::{
    error::BenchError,
    noise::Noise,
    rounds::{Bench, Outcome, Scenario},
};

/// Bytes of the file.
const FILE: usize = 512 << 20;

#[derive(Debug)]
pub(super) struct CachedRead;

impl Scenario for CachedRead {
    fn name(&self) -> &'static str {
        "limit: cached read into 1 MiB"
    }

    fn is_limit(&self) -> bool {
        true
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        let dir = bench.fresh_dir("cached")?;
        let path = dir.path().join("file");
        let mut data = vec![0; FILE];
        Noise::new(7).fill(&mut data);
        std::fs::write(&path, &data).map_err(BenchError::io("write", &path))?;
        drop(data);
        let files = [path];
        read_through(&files)?;
        let (mut bytes, mut elapsed) = (0, Duration::ZERO);
        while elapsed < bench.seconds {
            let (read, took) = read_through(&files)?;
            (bytes, elapsed) = (bytes + read, elapsed + took);
        }
        Ok(vec![Outcome::throughput(self.name(), bytes, elapsed, "-")])
    }
}

/// Reads every file from its start to its end into one buffer: bytes, and the time it took.
pub(crate) fn read_through(files: &[PathBuf]) -> Result<(u64, Duration), BenchError> {
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
    Ok((bytes, start.elapsed()))
}
