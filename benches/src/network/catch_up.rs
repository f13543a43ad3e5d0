//! Reading from the oldest record on through the client, everything in the server's page cache.

use std::time::Instant;

use millstream_client::ProducerOptions;

use super::{
    ingest::all_acknowledged,
    server::{MeasuredServer, STREAM},
};
use crate::{
    error::BenchError,
    figure::Outcome,
    limits,
    noise::{Load, Tally},
    rounds::{Bench, Family},
    statistics::Throughput,
};

/// Bytes of record data.
const SIZE: usize = 1024;
/// Records that are stored, 512 MB of data.
const RECORDS: u64 = 500_000;

pub(super) fn families() -> Vec<Family> {
    vec![Family::new(&["tcp-read-cached"], catch_up)]
}

fn catch_up(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("tcp-catch-up")?;
    let server = MeasuredServer::start(bench, dir.path())?;
    let acknowledged = server.block_on(async {
        let acknowledged = fill(&server).await?;
        // The first pass brings the files and the maps in.
        server.check(acknowledged).await?;
        Ok(acknowledged)
    })?;
    let before = limits::loopback(bench.seconds / 2)?;
    let ours = server.block_on(async {
        let (mut bytes, start) = (0, Instant::now());
        while bytes == 0 || start.elapsed() < bench.seconds {
            server.check(acknowledged).await?;
            bytes += acknowledged.bytes;
        }
        let elapsed = start.elapsed();
        Ok(Throughput { bytes, elapsed })
    })?;
    let limit = before.plus(limits::loopback(bench.seconds / 2)?);
    let outcome = Outcome::new("tcp-read-cached", "MB/s", ours.mb_per_second())
        .limit(limit.mb_per_second())
        .detail("records_per_s", ours.rate() / SIZE as f64);
    Ok(vec![outcome])
}

async fn fill(server: &MeasuredServer) -> Result<Tally, BenchError> {
    let (mut load, mut tally) = (Load::new(9, SIZE), Tally::default());
    let client = server.client().await?;
    let producer = client.producer(STREAM, ProducerOptions::default()).await?;
    for _ in 0..RECORDS {
        let (key, data) = load.next();
        producer.send_detached(key, data).await?;
        tally.add(key, data);
    }
    all_acknowledged(&producer.close().await?, tally.records)?;
    Ok(tally)
}
