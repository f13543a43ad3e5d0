//! Durable ingest through the client's producer: two producers with a connection each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use millstream_client::{Producer, ProducerOptions, ProducerStats};
use tokio::task::JoinSet;

use super::server::{MeasuredServer, STREAM, join};
use crate::{
    error::BenchError,
    limits,
    noise::{Load, Tally},
    rounds::{Bench, Outcome, Scenario},
};

const PRODUCERS: u64 = 2;

#[derive(Debug)]
pub(super) struct Ingest {
    pub(super) name: &'static str,
    /// Bytes of record data.
    pub(super) size: usize,
    /// Records in a batch, all for one shard.
    pub(super) batch: u32,
}

impl Scenario for Ingest {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        let dir = bench.fresh_dir("tcp-ingest")?;
        let server = MeasuredServer::start(bench, dir.path())?;
        let outcome = server.block_on(self.measure(bench, &server))?;
        Ok(vec![outcome])
    }
}

impl Ingest {
    async fn measure(&self, bench: &Bench, server: &MeasuredServer) -> Result<Outcome, BenchError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut producers, mut tasks) = (Vec::new(), JoinSet::new());
        for seed in 0..PRODUCERS {
            let options = ProducerOptions {
                batch_records: self.batch,
                batch_bytes: 1 << 20,
                linger: Duration::from_millis(50),
                ..ProducerOptions::default()
            };
            let producer = server.client().await?.producer(STREAM, options).await?;
            producers.push(producer.clone());
            let load = Load::new(seed + 1, self.size);
            tasks.spawn(produce(producer, load, Arc::clone(&stop)));
        }
        tokio::time::sleep(bench.warm_up()).await;
        let before = bench.counter.now()?;
        let (start, first) = (Instant::now(), acknowledged(&producers));
        tokio::time::sleep(bench.seconds).await;
        let (elapsed, records) = (start.elapsed(), acknowledged(&producers) - first);
        let device = bench.counter.since(before)?;
        stop.store(true, Ordering::Relaxed);
        let sent = join(tasks).await?;
        server.check(sent).await?;

        let rate = records as f64 / elapsed.as_secs_f64();
        let mut outcome = Outcome::new(self.name, "rec/s", rate, "durable").with_device(device);
        outcome.bytes_per_second = Some(rate * self.size as f64);
        outcome.details = vec![("MB/s", rate * self.size as f64 / 1e6)];
        Ok(outcome.limited_by(limits::OVERWRITE))
    }
}

fn acknowledged(producers: &[Producer]) -> u64 {
    producers
        .iter()
        .map(|producer| producer.stats().acknowledged)
        .sum()
}

/// Sends until told to stop, then waits for all of it.
async fn produce(
    producer: Producer,
    mut load: Load,
    stop: Arc<AtomicBool>,
) -> Result<Tally, BenchError> {
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        let (key, data) = load.next();
        producer.send_detached(key, data).await?;
        tally.add(key, data);
    }
    let stats = producer.close().await?;
    all_acknowledged(&stats, tally.records)?;
    Ok(tally)
}

/// Says what became of the records that were not acknowledged.
pub(super) fn all_acknowledged(stats: &ProducerStats, sent: u64) -> Result<(), BenchError> {
    if stats.acknowledged == sent {
        return Ok(());
    }
    Err(BenchError::wrong(format!(
        "{sent} records were sent: {stats:?}"
    )))
}
