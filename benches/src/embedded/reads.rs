//! Reading from the oldest record on, each batch verified, each record looked at: out of the page
//! cache beside `read` of the same files, and from the device beside large direct reads of them.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use millstream_engine::{Position, Shard};
use millstream_format::Record;

use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    limits,
    noise::{Load, Tally},
    rounds::{Bench, Family},
    statistics::Throughput,
    store::{MeasuredStore, segment_files},
};

/// Bytes of record data.
const SIZE: usize = 1024;
/// Records in an append.
const BATCH: usize = 500;
/// Times that a cold store is read in a round.
const COLD_PASSES: usize = 2;

pub(super) fn families() -> Vec<Family> {
    vec![
        Family::new(&["read-cached"], cached),
        Family::new(&["read-cold"], cold),
    ]
}

fn cached(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("read-cached")?;
    let path = dir.path().join("store");
    let measured = MeasuredStore::create(&path, 1)?;
    let records = if bench.quick { 250_000 } else { 500_000 };
    let acknowledged = fill(&measured.shards[0], records)?;
    let files = sealed_files(&path, &measured.shards[0])?;

    // The first pass of each brings the files into the page cache, and faults the maps in.
    limits::read_through(&files)?;
    read(&measured.shards[0])?;
    let (mut limit, mut ours) = (Throughput::default(), Throughput::default());
    let mut tally = Tally::default();
    while ours.elapsed < bench.seconds / 2 {
        limit = limit.plus(limits::read_through(&files)?);
        let (pass, read) = read(&measured.shards[0])?;
        ours = ours.plus(pass);
        tally = read;
    }
    same(tally, acknowledged)?;
    measured.store.close()?;
    let outcome = Outcome::new("read-cached", "MB/s", ours.mb_per_second())
        .limit(limit.mb_per_second())
        .bar(Bar::Times(0.8))
        .detail("records_per_s", ours.rate() / SIZE as f64)
        .detail("data_mb", acknowledged.bytes as f64 / 1e6);
    Ok(vec![outcome])
}

fn cold(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("read-cold")?;
    let path = dir.path().join("store");
    let measured = MeasuredStore::create(&path, 1)?;
    let records = if bench.quick { 500_000 } else { 2_000_000 };
    let acknowledged = fill(&measured.shards[0], records)?;
    let files = sealed_files(&path, &measured.shards[0])?;
    measured.store.close()?;

    let (mut limit, mut ours) = (Throughput::default(), Throughput::default());
    let mut from_device = 0;
    for _ in 0..COLD_PASSES {
        limits::forget(dir.path())?;
        limit = limit.plus(limits::read_direct(&files)?);
        let (pass, bytes) = read_cold(bench, &path, acknowledged)?;
        ours = ours.plus(pass);
        from_device += bytes;
    }
    let outcome = Outcome::new("read-cold", "MB/s", ours.mb_per_second())
        .limit(limit.mb_per_second())
        .bar(Bar::Times(0.75))
        .detail("records_per_s", ours.rate() / SIZE as f64)
        .detail("data_mb", acknowledged.bytes as f64 / 1e6)
        .detail("device_read_mb", from_device as f64 / 1e6);
    Ok(vec![outcome])
}

/// The files that the limits read: those of the segments that are full. In the newest ones there
/// is nothing yet in places, which takes no time to read.
fn sealed_files(path: &Path, shard: &Shard) -> Result<Vec<PathBuf>, BenchError> {
    let sealed = shard.status().segments - 1;
    Ok(segment_files(path)?.into_iter().take(sealed).collect())
}

/// Opens a store, reads all of it from the device, and closes it; how fast it was read, and what
/// the device says that was read from it.
fn read_cold(
    bench: &Bench,
    path: &Path,
    acknowledged: Tally,
) -> Result<(Throughput, u64), BenchError> {
    // Once before the store has maps, and once for what opening looked at.
    limits::forget(path)?;
    let measured = MeasuredStore::open(path, 1)?;
    limits::forget(path)?;
    let before = bench.counter.now()?;
    let (pass, tally) = read(&measured.shards[0])?;
    let device = bench.counter.since(before)?;
    measured.store.close()?;
    same(tally, acknowledged)?;
    // Zero where the file system is on no device that counts.
    let counted = device.bytes_read > 0;
    if counted && device.bytes_read < acknowledged.bytes / 10 * 9 {
        return Err(BenchError::wrong(format!(
            "{} of {} bytes came from the device: the store was not cold",
            device.bytes_read, acknowledged.bytes
        )));
    }
    Ok((pass, device.bytes_read))
}

fn same(read: Tally, acknowledged: Tally) -> Result<(), BenchError> {
    if read == acknowledged {
        return Ok(());
    }
    Err(BenchError::wrong(format!(
        "acknowledged {acknowledged:?}, read {read:?}"
    )))
}

fn fill(shard: &Shard, records: usize) -> Result<Tally, BenchError> {
    let load = Load::new(9, SIZE);
    let mut tally = Tally::default();
    let mut last = None;
    for batch in 0..records / BATCH {
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

/// Reads everything once.
fn read(shard: &Shard) -> Result<(Throughput, Tally), BenchError> {
    let mut tally = Tally::default();
    let start = Instant::now();
    let mut cursor = shard.read(Position::Oldest)?;
    while let Some(batch) = cursor.next_batch()? {
        for record in batch.records() {
            let (_, record) = record?;
            tally.add(record.key, record.data);
        }
    }
    let pass = Throughput {
        bytes: tally.bytes,
        elapsed: start.elapsed(),
    };
    Ok((pass, tally))
}
