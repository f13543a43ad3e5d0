//! Reading from the oldest record on, everything in the page cache.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use millstream_engine::{Position, Shard};
use millstream_format::Record;

use super::store::MeasuredStore;
use crate::{
    error::BenchError,
    limits,
    noise::{Load, Tally},
    rounds::{Bench, Outcome, Scenario},
};

/// Bytes of record data.
const SIZE: usize = 1024;
/// Records in an append.
const BATCH: usize = 500;
/// Records that are stored, 512 MB of data.
const RECORDS: usize = 500_000;

#[derive(Debug, Default)]
pub(super) struct CatchUp;

impl Scenario for CatchUp {
    fn name(&self) -> &'static str {
        "embedded: catch-up read, 1 KiB, cached"
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        const LIMIT: &str = "limit: cached read of the same files";
        let dir = bench.fresh_dir("catch-up")?;
        let path = dir.path().join("store");
        let measured = MeasuredStore::open(&path, 1)?;
        let acknowledged = fill(&measured.shards[0])?;
        let files = files_in(&path)?;

        // The first pass of each brings the files and the maps in.
        limits::read_through(&files)?;
        read(&measured.shards[0])?;
        let (limit_bytes, limit_took) = limits::read_through(&files)?;
        let mut tally = Tally::default();
        let (mut passes, start) = (0, Instant::now());
        while passes == 0 || start.elapsed() < bench.seconds {
            tally = read(&measured.shards[0])?;
            passes += 1;
        }
        let elapsed = start.elapsed();
        if tally != acknowledged {
            return Err(BenchError::wrong(
                "what was read is not what was acknowledged",
            ));
        }
        measured.store.close()?;

        let limit = Outcome::throughput(LIMIT, limit_bytes, limit_took, "-");
        let mut ours = Outcome::throughput(self.name(), tally.bytes * passes, elapsed, "-");
        ours.details = vec![(
            "rec/s",
            (tally.records * passes) as f64 / elapsed.as_secs_f64(),
        )];
        Ok(vec![limit, ours.limited_by(LIMIT)])
    }
}

fn fill(shard: &Shard) -> Result<Tally, BenchError> {
    let load = Load::new(9, SIZE);
    let mut tally = Tally::default();
    let mut last = None;
    for batch in 0..RECORDS / BATCH {
        let records: Vec<Record<'_>> = (batch * BATCH..(batch + 1) * BATCH)
            .map(|at| load.record(at))
            .map(|(key, data)| Record::new(key, data))
            .collect();
        for record in &records {
            tally.add(record.key, record.data);
        }
        last = Some(shard.append(&records)?);
    }
    // Acknowledged in order: the last is there when all are.
    if let Some(ticket) = last {
        ticket.wait()?;
    }
    Ok(tally)
}

fn read(shard: &Shard) -> Result<Tally, BenchError> {
    let mut tally = Tally::default();
    let mut cursor = shard.read(Position::Oldest)?;
    while let Some(batch) = cursor.next_batch()? {
        for record in batch.records() {
            let (_, record) = record?;
            tally.add(record.key, record.data);
        }
    }
    Ok(tally)
}

/// The segment files of a store, by their size.
fn files_in(directory: &Path) -> Result<Vec<PathBuf>, BenchError> {
    let mut files = Vec::new();
    let failed = |error| BenchError::io("list", directory)(error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        if metadata.is_dir() {
            files.extend(files_in(&entry.path())?);
        } else if metadata.len() >= 1 << 20 {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
