//! Durable ingest: two producers, keys that are hashed, four shards, a closed loop.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use millstream_engine::{PoolBuffer, ReadyBatch, Ticket};
use millstream_format::{
    BATCH_HEADER_LEN, BatchBuilder, BatchLimits, HashKey, PRODUCER_ENTRY_LEN, Record,
};

use super::store::{MeasuredStore, SHARDS};
use crate::{
    error::BenchError,
    limits,
    noise::{KEY_BYTES, Load, Tally},
    rounds::{Bench, Outcome, Scenario},
};

const PRODUCERS: u64 = 2;

/// Bytes that each producer may have unacknowledged: a write or two of a mebibyte for each shard.
const WINDOW_BYTES: usize = 8 << 20;

/// How batches come to the engine.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lane {
    /// Records, which the engine encodes into its staging.
    Staged,
    /// Batches that the producer built in buffers of the engine.
    Ready,
}

#[derive(Debug)]
pub(super) struct Ingest {
    pub(super) name: &'static str,
    pub(super) lane: Lane,
    /// Bytes of record data.
    pub(super) size: usize,
    /// Records in a batch, all for one shard.
    pub(super) batch: usize,
}

impl Scenario for Ingest {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        let dir = bench.fresh_dir("ingest")?;
        let measured = MeasuredStore::open(&dir.path().join("store"), SHARDS)?;
        let progress = Progress::default();
        let loads: Vec<Load> = (0..PRODUCERS)
            .map(|seed| Load::new(seed + 1, self.size))
            .collect();
        let (acknowledged, elapsed, records, device) = thread::scope(|scope| {
            let threads: Vec<_> = loads
                .iter()
                .map(|load| scope.spawn(|| self.produce(&measured, load, &progress)))
                .collect();
            thread::sleep(bench.warm_up());
            let before = bench.counter.now();
            let begun = (Instant::now(), progress.records());
            thread::sleep(bench.seconds);
            let (elapsed, records) = (begun.0.elapsed(), progress.records() - begun.1);
            let device = before.and_then(|before| bench.counter.since(before));
            progress.stop.store(true, Ordering::Relaxed);
            let mut acknowledged = Tally::default();
            for thread in threads {
                let tally = thread
                    .join()
                    .map_err(|_| BenchError::wrong("a producer panicked"))?;
                acknowledged.merge(tally?);
            }
            Ok::<_, BenchError>((acknowledged, elapsed, records, device?))
        })?;
        measured.check_and_close(acknowledged)?;
        let rate = records as f64 / elapsed.as_secs_f64();
        let mut outcome = Outcome::new(self.name, "rec/s", rate, "durable").with_device(device);
        outcome.bytes_per_second = Some(rate * self.size as f64);
        outcome.details = vec![("MB/s", rate * self.size as f64 / 1e6)];
        Ok(vec![outcome.limited_by(limits::OVERWRITE)])
    }
}

/// What the producers tell the one who measures, and the other way round.
#[derive(Debug, Default)]
struct Progress {
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

impl Progress {
    fn records(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

/// Appends that are not acknowledged yet.
struct Window<'a> {
    progress: &'a Progress,
    tickets: VecDeque<Ticket>,
    most: usize,
}

impl Window<'_> {
    fn push(&mut self, ticket: Ticket) -> Result<(), BenchError> {
        self.tickets.push_back(ticket);
        if self.tickets.len() > self.most {
            self.pop()?;
        }
        Ok(())
    }

    /// Waits for the oldest; `false` when there is none.
    fn pop(&mut self) -> Result<bool, BenchError> {
        let Some(ticket) = self.tickets.pop_front() else {
            return Ok(false);
        };
        let appended = ticket.wait()?;
        let records = &self.progress.acknowledged;
        records.fetch_add(appended.count.into(), Ordering::Relaxed);
        Ok(true)
    }
}

impl Ingest {
    /// Produces until told to stop, then waits for all of it; what was appended.
    fn produce(
        &self,
        measured: &MeasuredStore,
        load: &Load,
        progress: &Progress,
    ) -> Result<Tally, BenchError> {
        let mut window = Window {
            progress,
            tickets: VecDeque::new(),
            most: (WINDOW_BYTES / (self.batch * self.size)).max(4),
        };
        let tally = match self.lane {
            Lane::Staged => self.append(measured, load, &mut window)?,
            Lane::Ready => self.append_ready(measured, load, &mut window)?,
        };
        while window.pop()? {}
        Ok(tally)
    }

    fn append<'a>(
        &self,
        measured: &MeasuredStore,
        load: &'a Load,
        window: &mut Window<'_>,
    ) -> Result<Tally, BenchError> {
        let mut tally = Tally::default();
        let mut batches: Vec<Vec<Record<'a>>> =
            vec![Vec::with_capacity(self.batch); SHARDS as usize];
        for at in 0.. {
            let (key, data) = load.record(at);
            let shard = measured.router.route(HashKey::of_partition_key(key));
            let batch = &mut batches[shard];
            batch.push(Record::new(key, data));
            if batch.len() == self.batch {
                for record in batch.iter() {
                    tally.add(record.key, record.data);
                }
                window.push(measured.shards[shard].append(batch)?)?;
                batch.clear();
                if window.progress.stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        Ok(tally)
    }

    fn append_ready(
        &self,
        measured: &MeasuredStore,
        load: &Load,
        window: &mut Window<'_>,
    ) -> Result<Tally, BenchError> {
        let mut tally = Tally::default();
        let mut builders: Vec<Option<Building>> = (0..SHARDS).map(|_| None).collect();
        for at in 0.. {
            let (key, data) = load.record(at);
            let shard = measured.router.route(HashKey::of_partition_key(key));
            let slot = &mut builders[shard];
            let building = match slot {
                Some(building) => building,
                None => slot.insert(Building {
                    builder: BatchBuilder::new(self.buffer(measured, window)?),
                    tally: Tally::default(),
                }),
            };
            if !building.builder.push(&Record::new(key, data)) {
                return Err(BenchError::wrong("a batch does not fit in its buffer"));
            }
            building.tally.add(key, data);
            if building.builder.count() as usize == self.batch
                && let Some(done) = slot.take()
            {
                let (buffer, header) = done.builder.finish();
                let limits = BatchLimits::default();
                let batch = ReadyBatch::check(buffer, header.batch_len(), &limits)?;
                window.push(measured.shards[shard].append_ready(batch)?)?;
                tally.merge(done.tally);
                if window.progress.stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        Ok(tally)
    }

    /// A buffer of the store for one batch; waits for the own appends while memory is short.
    fn buffer(
        &self,
        measured: &MeasuredStore,
        window: &mut Window<'_>,
    ) -> Result<PoolBuffer, BenchError> {
        let record = Record::new(&"k".repeat(KEY_BYTES), &vec![0; self.size]).encoded_len();
        let len = BATCH_HEADER_LEN + record * self.batch + PRODUCER_ENTRY_LEN;
        loop {
            if let Some(buffer) = measured.store.buffer(len) {
                return Ok(buffer);
            }
            if !window.pop()? {
                measured.store.room().wait();
            }
        }
    }
}

struct Building {
    builder: BatchBuilder<PoolBuffer>,
    tally: Tally,
}
