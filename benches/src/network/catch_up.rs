//! Reading from the oldest record on through the client, everything in the server's page cache.

use std::time::Instant;

use millstream_client::ProducerOptions;

use super::{
    ingest::all_acknowledged,
    server::{MeasuredServer, STREAM},
};
use crate::{
    error::BenchError,
    limits,
    noise::{Load, Tally},
    rounds::{Bench, Outcome, Scenario},
};

/// Bytes of record data.
const SIZE: usize = 1024;
/// Records that are stored, 512 MB of data.
const RECORDS: u64 = 500_000;

#[derive(Debug)]
pub(super) struct CatchUp;

impl Scenario for CatchUp {
    fn name(&self) -> &'static str {
        "TCP: catch-up read, 1 KiB, cached"
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        let dir = bench.fresh_dir("tcp-catch-up")?;
        let server = MeasuredServer::start(bench, dir.path())?;
        let outcome = server.block_on(async {
            let acknowledged = fill(&server).await?;
            // The first pass brings the files and the maps in.
            server.check(acknowledged).await?;
            let (mut passes, start) = (0, Instant::now());
            while passes == 0 || start.elapsed() < bench.seconds {
                server.check(acknowledged).await?;
                passes += 1;
            }
            let elapsed = start.elapsed();
            let bytes = acknowledged.bytes * passes;
            let mut outcome = Outcome::throughput(self.name(), bytes, elapsed, "-");
            let records = (acknowledged.records * passes) as f64;
            outcome.details = vec![("rec/s", records / elapsed.as_secs_f64())];
            Ok(outcome.limited_by(limits::LOOPBACK))
        })?;
        Ok(vec![outcome])
    }
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
