//! Single records: one connection that waits for each, and many at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use millstream_client::{Producer, ProducerOptions};
use tokio::task::JoinSet;

use super::server::{MeasuredServer, STREAM, join};
use crate::{
    error::BenchError,
    figure::Outcome,
    latency::Latencies,
    limits::SmallWrites,
    noise::{Load, Tally},
    rounds::{Bench, Family},
};

/// Bytes of record data.
const SIZE: usize = 100;

pub(super) fn families() -> Vec<Family> {
    let many = |figure: &'static str, connections| {
        Family::new(&[figure], move |bench| together(bench, figure, connections))
    };
    vec![
        Family::new(&["tcp-latency-p50", "tcp-latency-p99"], alone),
        many("tcp-connections-16", 16),
        many("tcp-connections-256", 256),
    ]
}

async fn producer(server: &MeasuredServer) -> Result<Producer, BenchError> {
    let options = ProducerOptions {
        // Nobody sends a second record before the first is acknowledged.
        linger: Duration::ZERO,
        memory_bytes: 4 << 20,
        ..ProducerOptions::default()
    };
    Ok(server.client().await?.producer(STREAM, options).await?)
}

async fn send(producer: &Producer, key: &str, data: &[u8]) -> Result<(), BenchError> {
    let delivery = producer.send(key, None, data).await?;
    match delivery.await {
        Ok(_) => Ok(()),
        Err(error) => Err(BenchError::wrong(format!(
            "a record was not acknowledged: {error}"
        ))),
    }
}

/// One connection, in turn with a bare durable 4 KiB write.
fn alone(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("tcp-alone")?;
    let server = MeasuredServer::start(bench, dir.path())?;
    let mut writes = SmallWrites::new(dir.path())?;
    let mut latencies = Latencies::new()?;
    let device = server.block_on(async {
        let (mut load, mut tally) = (Load::new(1, SIZE), Tally::default());
        let producer = producer(&server).await?;
        let before = bench.counter.now()?;
        let start = Instant::now();
        while start.elapsed() < bench.latency_seconds() {
            let (key, data) = load.next();
            let begun = Instant::now();
            send(&producer, key, data).await?;
            latencies.add(begun.elapsed());
            tally.add(key, data);
            writes.write()?;
        }
        let device = bench.counter.since(before)?;
        server.check(tally).await?;
        Ok(device)
    })?;
    let of = |figure, quantile| {
        Outcome::new(figure, "µs", latencies.us(quantile))
            .limit(writes.latencies.us(quantile))
            .durable()
            .detail("samples", latencies.samples() as f64)
    };
    Ok(vec![
        of("tcp-latency-p50", 0.5).device(device),
        of("tcp-latency-p99", 0.99).detail("max", latencies.max_us()),
    ])
}

/// Many connections that each wait for their record.
fn together(
    bench: &Bench,
    figure: &'static str,
    connections: u64,
) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("tcp-together")?;
    let server = MeasuredServer::start(bench, dir.path())?;
    let outcome = server.block_on(async {
        let (stop, count) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let mut tasks = JoinSet::new();
        for seed in 0..connections {
            let producer = producer(&server).await?;
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            tasks.spawn(async move {
                let (mut load, mut tally) = (Load::small(seed + 1, SIZE), Tally::default());
                while !stop.load(Ordering::Relaxed) {
                    let (key, data) = load.next();
                    send(&producer, key, data).await?;
                    tally.add(key, data);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<Tally, BenchError>(tally)
            });
        }
        tokio::time::sleep(bench.warm_up()).await;
        let before = bench.counter.now()?;
        let (start, first) = (Instant::now(), count.load(Ordering::Relaxed));
        tokio::time::sleep(bench.seconds).await;
        let records = count.load(Ordering::Relaxed) - first;
        let rate = records as f64 / start.elapsed().as_secs_f64();
        let device = bench.counter.since(before)?;
        stop.store(true, Ordering::Relaxed);
        let acknowledged = join(tasks).await?;
        server.check(acknowledged).await?;
        let outcome = Outcome::new(figure, "rec/s", rate);
        Ok(outcome.durable().device(device))
    })?;
    Ok(vec![outcome])
}
