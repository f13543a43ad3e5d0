//! Durable ingest: producers with keys that are hashed, batches for each shard, a closed loop.

use std::{
    collections::VecDeque,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use millstream_engine::{CompressionChoice, ShardOptions, StoreOptions, Ticket};
use millstream_format::{HashKey, Record};

use crate::{
    device_counts::DeviceCounts,
    error::BenchError,
    noise::{Load, Tally},
    processor_time,
    rounds::Bench,
    store::MeasuredStore,
};

/// Records whose keys are hashed together.
const CHUNK: usize = 256;
/// Bytes that all producers may have unacknowledged: a write or two of a mebibyte for each shard
/// and producer of two.
const WINDOW_BYTES: usize = 16 << 20;
/// Appends that each may have unacknowledged in any case.
const LEAST_WINDOW: usize = 2;

/// The shape of what is put in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ingest {
    /// Bytes of record data.
    pub(crate) size: usize,
    /// Records in an append, all for one shard.
    pub(crate) batch: usize,
    pub(crate) shards: u32,
    pub(crate) producers: u64,
    /// Text that zstd compresses, instead of bytes that do not compress.
    pub(crate) compressed: bool,
}

/// How long it goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// The window has passed, after a warm-up that is not counted.
    Passed(Duration),
    /// So many bytes of record data are durable, all of them counted.
    Stored(u64),
}

/// What was put in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ingested {
    /// Bytes of record data of each.
    size: usize,
    /// Records acknowledged in the window.
    records: u64,
    elapsed: Duration,
    /// Processor time of all threads in the window.
    processor: Duration,
    /// In the window.
    pub(crate) device: DeviceCounts,
    /// All that was acknowledged, the warm-up too.
    pub(crate) acknowledged: Tally,
}

impl Ingested {
    /// Records a second.
    pub(crate) fn rate(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64()
    }

    /// Millions of bytes of record data a second.
    pub(crate) fn mb_per_second(&self) -> f64 {
        self.rate() * self.size as f64 / 1e6
    }

    /// Nanoseconds of processor time for each record.
    pub(crate) fn processor_ns(&self) -> f64 {
        self.processor.as_nanos() as f64 / self.records.max(1) as f64
    }
}

impl Ingest {
    /// Four shards and two producers.
    pub(crate) fn new(size: usize, batch: usize) -> Ingest {
        Ingest {
            size,
            batch,
            shards: 4,
            producers: 2,
            compressed: false,
        }
    }

    /// An empty store for it.
    pub(crate) fn store(&self, path: &Path) -> Result<MeasuredStore, BenchError> {
        let options = ShardOptions {
            compression: match self.compressed {
                true => CompressionChoice::Zstd(1),
                false => CompressionChoice::None,
            },
            ..ShardOptions::default()
        };
        MeasuredStore::create_with(path, self.shards, StoreOptions::default(), options)
    }

    fn load(&self, seed: u64) -> Load {
        match self.compressed {
            true => Load::text(seed, self.size),
            false => Load::new(seed, self.size),
        }
    }

    /// Puts records into a store. What was acknowledged is not yet read back.
    pub(crate) fn run(
        &self,
        bench: &Bench,
        measured: &MeasuredStore,
        until: Until,
    ) -> Result<Ingested, BenchError> {
        let progress = Progress::default();
        let most = match until {
            Until::Passed(_) => u64::MAX,
            Until::Stored(bytes) => bytes / self.producers,
        };
        let loads: Vec<Load> = (1..=self.producers).map(|seed| self.load(seed)).collect();
        thread::scope(|scope| {
            let threads: Vec<_> = loads
                .iter()
                .map(|load| scope.spawn(|| self.produce(measured, load, &progress, most)))
                .collect();
            if let Until::Passed(window) = until {
                thread::sleep(window / 5);
            }
            let before = bench.counter.now();
            let (start, first) = (Instant::now(), progress.records());
            let processor = processor_time::now();
            let mut window = None;
            let look = || (progress.records(), start.elapsed(), processor_time::now());
            if let Until::Passed(time) = until {
                thread::sleep(time);
                window = Some(look());
                progress.stop.store(true, Ordering::Relaxed);
            }
            let mut acknowledged = Tally::default();
            for thread in threads {
                let tally = thread
                    .join()
                    .map_err(|_| BenchError::wrong("a producer panicked"))?;
                acknowledged.merge(tally?);
            }
            let (last, elapsed, processor_end) = window.unwrap_or_else(look);
            // Those that were put in before the clock ran are of the run that is counted whole.
            let records = match until {
                Until::Passed(_) => last - first,
                Until::Stored(_) => last,
            };
            Ok(Ingested {
                size: self.size,
                records,
                elapsed,
                processor: processor_end.saturating_sub(processor),
                device: before.and_then(|before| bench.counter.since(before))?,
                acknowledged,
            })
        })
    }

    /// Produces until told to stop or `most` bytes are put in, then waits for all of it; what was
    /// put in.
    fn produce(
        &self,
        measured: &MeasuredStore,
        load: &Load,
        progress: &Progress,
        most: u64,
    ) -> Result<Tally, BenchError> {
        let mut window = Window {
            progress,
            tickets: VecDeque::new(),
            most: (WINDOW_BYTES / self.producers as usize / (self.batch * self.size))
                .max(LEAST_WINDOW),
        };
        let mut batches = Batches::new(self);
        let (mut tally, mut hashes) = (Tally::default(), Vec::with_capacity(CHUNK));
        for chunk in 0.. {
            if progress.stop.load(Ordering::Relaxed) || tally.bytes >= most {
                break;
            }
            let records = self.chunk(load, chunk);
            HashKey::of_records(&records, &mut hashes);
            for (record, hash) in records.into_iter().zip(&hashes) {
                let shard = measured.shard_of(*hash);
                if let Some(batch) = batches.push(shard, record, &mut tally) {
                    window.push(measured.shards[shard].append(batch)?)?;
                    batch.clear();
                }
            }
        }
        while window.pop()? {}
        Ok(tally)
    }

    /// Nanoseconds of processor time that making a record costs, and counting it: what
    /// [`Ingest::produce`] does without the store and without the hash that routes.
    pub(crate) fn load_ns(&self) -> f64 {
        const CHUNKS: usize = 8000;
        let load = self.load(1);
        let (mut batches, mut tally) = (Batches::new(self), Tally::default());
        let before = processor_time::now();
        for chunk in 0..CHUNKS {
            for (at, record) in self.chunk(&load, chunk).into_iter().enumerate() {
                let shard = at % self.shards as usize;
                if let Some(batch) = batches.push(shard, record, &mut tally) {
                    std::hint::black_box(&*batch);
                    batch.clear();
                }
            }
        }
        let took = processor_time::now().saturating_sub(before);
        std::hint::black_box(tally);
        took.as_nanos() as f64 / (CHUNKS * CHUNK) as f64
    }

    /// Records that are hashed together, as a producer has them.
    fn chunk<'a>(&self, load: &'a Load, chunk: usize) -> [Record<'a>; CHUNK] {
        std::array::from_fn(|at| {
            let (key, data) = load.record(chunk * CHUNK + at);
            Record::new(key, data)
        })
    }
}

/// A batch for each shard, filled in turn.
struct Batches<'a> {
    full: usize,
    of_shards: Vec<Vec<Record<'a>>>,
}

impl<'a> Batches<'a> {
    fn new(ingest: &Ingest) -> Batches<'a> {
        let batch = Vec::with_capacity(ingest.batch);
        Batches {
            full: ingest.batch,
            of_shards: vec![batch; ingest.shards as usize],
        }
    }

    /// Adds a record; the batch when it is full, its records counted.
    #[inline]
    fn push(
        &mut self,
        shard: usize,
        record: Record<'a>,
        tally: &mut Tally,
    ) -> Option<&mut Vec<Record<'a>>> {
        let batch = &mut self.of_shards[shard];
        batch.push(record);
        if batch.len() < self.full {
            return None;
        }
        for record in batch.iter() {
            tally.add(record.key, record.data);
        }
        Some(batch)
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
