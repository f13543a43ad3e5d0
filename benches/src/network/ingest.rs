//! Durable ingest through the client's producer: two producers with a connection each, four
//! shards, whose segments the server made ahead.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use millstream_client::{Producer, ProducerOptions, ProducerStats};
use millstream_format::Record;
use tokio::task::JoinSet;

use super::server::{MeasuredServer, STREAM, join};
use crate::{
    device_counts::DeviceCounts,
    error::BenchError,
    figure::{Bar, Outcome},
    noise::{Load, Tally},
    rounds::{Bench, Family},
    statistics::Throughput,
};

const PRODUCERS: u64 = 2;
/// Records that are handed to the producer at a time.
const CHUNK: usize = 2000;

/// The figures over TCP that stand beside the device's limit.
pub(crate) fn families() -> Vec<Family> {
    vec![
        Family::new(&["tcp-ingest-1k"], |bench| {
            let (ran, limit) = measure(bench, 1024, 500)?;
            let outcome = Outcome::new("tcp-ingest-1k", "MB/s", ran.rate * 1024.0 / 1e6)
                .limit(limit / 1e6)
                .bar(Bar::Times(0.75))
                .detail("records_per_s", ran.rate);
            Ok(vec![ran.describe(outcome)])
        }),
        Family::new(&["tcp-ingest-100b"], |bench| {
            let (ran, limit) = measure(bench, 100, 5000)?;
            let outcome = Outcome::new("tcp-ingest-100b", "rec/s", ran.rate)
                .limit(limit / 100.0)
                .bar(Bar::TimesOrValue(0.4, 8e6))
                .detail("limit_mb_per_s", limit / 1e6)
                .detail("mb_per_s", ran.rate * 100.0 / 1e6);
            Ok(vec![ran.describe(outcome)])
        }),
    ]
}

/// What a run gave.
struct Ran {
    /// Records a second.
    rate: f64,
    device: DeviceCounts,
    prepared: Throughput,
}

impl Ran {
    fn describe(&self, outcome: Outcome) -> Outcome {
        outcome
            .durable()
            .details(&[
                ("prepare_s", self.prepared.elapsed.as_secs_f64()),
                ("prepare_mb_per_s", self.prepared.mb_per_second()),
            ])
            .device(self.device)
    }
}

fn measure(bench: &Bench, size: usize, batch: u32) -> Result<(Ran, f64), BenchError> {
    bench.beside_overwrite(|limit| {
        let dir = bench.fresh_dir("tcp-ingest")?;
        let bytes = bench.bytes_to_prepare(limit);
        let server = MeasuredServer::prepared(bench, dir.path(), bytes)?;
        server.block_on(put(bench, &server, size, batch))
    })
}

async fn put(
    bench: &Bench,
    server: &MeasuredServer,
    size: usize,
    batch: u32,
) -> Result<Ran, BenchError> {
    let stop = Arc::new(AtomicBool::new(false));
    let (mut producers, mut tasks) = (Vec::new(), JoinSet::new());
    for seed in 0..PRODUCERS {
        let options = ProducerOptions {
            batch_records: batch,
            batch_bytes: 1 << 20,
            linger: Duration::from_millis(50),
            ..ProducerOptions::default()
        };
        let producer = server.client().await?.producer(STREAM, options).await?;
        producers.push(producer.clone());
        let load = Load::new(seed + 1, size);
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
    Ok(Ran {
        rate: records as f64 / elapsed.as_secs_f64(),
        device,
        prepared: server.prepared,
    })
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
    load: Load,
    stop: Arc<AtomicBool>,
) -> Result<Tally, BenchError> {
    let (mut tally, mut records) = (Tally::default(), Vec::with_capacity(CHUNK));
    for chunk in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        records.clear();
        for at in chunk * CHUNK..(chunk + 1) * CHUNK {
            let (key, data) = load.record(at);
            tally.add(key, data);
            records.push(Record::new(key, data));
        }
        send(&producer, &records).await?;
    }
    let stats = producer.close().await?;
    all_acknowledged(&stats, tally.records)?;
    Ok(tally)
}

/// Hands records to the producer: the one place that knows how.
async fn send(producer: &Producer, records: &[Record<'_>]) -> Result<(), BenchError> {
    Ok(producer.send_all_detached(records).await?)
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
