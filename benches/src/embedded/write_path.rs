//! The figures of durable ingest: beside what the device takes over written blocks, and into fresh
//! ones.

use std::hint::black_box;

use millstream_format::{BATCH_HEADER_LEN, BatchBuilder, HashKey, Record};

use super::ingest::{Ingest, Ingested, Until};
use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    limits,
    noise::{KEY_BYTES, Load},
    processor_time,
    rounds::{Bench, Family},
};

pub(super) fn families() -> Vec<Family> {
    let mut families = vec![
        Family::new(
            &["ingest-1k", "disk-overhead", "cpu-per-record"],
            one_kilobyte,
        ),
        Family::new(&["ingest-1k-fresh"], one_kilobyte_fresh),
    ];
    families.push(Family::new(&["ingest-1k-one-shard"], |bench| {
        let one = Ingest {
            shards: 1,
            producers: 1,
            ..Ingest::new(1024, 500)
        };
        let (ran, limit) = bench.beside_overwrite(|limit| prepared(bench, &one, limit))?;
        let outcome = in_megabytes("ingest-1k-one-shard", &ran, limit);
        Ok(vec![outcome.bar(Bar::Times(0.7))])
    }));
    families.push(Family::new(&["ingest-100b"], |bench| {
        let small = Ingest::new(100, 5000);
        let (ran, limit) = bench.beside_overwrite(|limit| prepared(bench, &small, limit))?;
        let outcome = in_records("ingest-100b", &ran, limit, 100);
        Ok(vec![outcome.bar(Bar::TimesOrValue(0.6, 12e6))])
    }));
    families
}

/// A run into segments that were made ahead.
pub(super) struct PreparedRun {
    pub(super) ingested: Ingested,
    stored_bytes: u64,
    prepare_mb_per_second: f64,
    prepare_seconds: f64,
    prepared_bytes: u64,
}

/// Runs into segments made ahead, enough of them for a device of `limit` bytes a second, and
/// reads back.
pub(super) fn prepared(
    bench: &Bench,
    ingest: &Ingest,
    limit: f64,
) -> Result<PreparedRun, BenchError> {
    let dir = bench.fresh_dir("ingest")?;
    let measured = ingest.store(&dir.path().join("store"))?;
    let made = measured.prepare(bench.bytes_to_prepare(limit))?;
    // What preparing left to the device to do is not for the window.
    rustix::fs::sync();
    let ingested = ingest.run(bench, &measured, Until::Passed(bench.seconds))?;
    let stored_bytes = measured.stored_bytes();
    measured.check_and_close(ingested.acknowledged)?;
    Ok(PreparedRun {
        ingested,
        stored_bytes,
        prepare_mb_per_second: made.mb_per_second(),
        prepare_seconds: made.elapsed.as_secs_f64(),
        prepared_bytes: made.bytes,
    })
}

impl PreparedRun {
    fn describe(&self, outcome: Outcome) -> Outcome {
        let beyond = self.stored_bytes.saturating_sub(self.prepared_bytes);
        let details = [
            ("records_per_s", self.ingested.rate()),
            ("mb_per_s", self.ingested.mb_per_second()),
            ("prepare_s", self.prepare_seconds),
            ("prepare_mb_per_s", self.prepare_mb_per_second),
            ("written_beyond_prepared_mb", beyond as f64 / 1e6),
        ];
        outcome
            .durable()
            .details(&details)
            .device(self.ingested.device)
    }
}

fn in_megabytes(figure: &str, ran: &PreparedRun, limit: f64) -> Outcome {
    let outcome = Outcome::new(figure, "MB/s", ran.ingested.mb_per_second());
    ran.describe(outcome.limit(limit / 1e6))
}

/// In records, the limit as the records of `size` bytes that its bytes would be.
fn in_records(figure: &str, ran: &PreparedRun, limit: f64, size: usize) -> Outcome {
    let outcome = Outcome::new(figure, "rec/s", ran.ingested.rate());
    let outcome = outcome.limit(limit / size as f64);
    ran.describe(outcome.detail("limit_mb_per_s", limit / 1e6))
}

fn one_kilobyte(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let ingest = Ingest::new(1024, 500);
    let (ran, limit) = bench.beside_overwrite(|limit| prepared(bench, &ingest, limit))?;
    let rate = in_megabytes("ingest-1k", &ran, limit).bar(Bar::Times(0.8));

    let data = ran.ingested.acknowledged.bytes as f64;
    let overhead = Outcome::new("disk-overhead", "ratio", ran.stored_bytes as f64 / data);
    let overhead = overhead.durable().bar(Bar::AtMost(1.04)).details(&[
        ("stored_mb", ran.stored_bytes as f64 / 1e6),
        ("data_mb", data / 1e6),
    ]);

    let (with_load, load) = (ran.ingested.processor_ns(), ingest.load_ns());
    let (hash, encode) = (hash_ns(), encode_ns(&ingest));
    let ours = with_load - load;
    let processor = Outcome::new("cpu-per-record", "ns", ours);
    let processor = processor.durable().bar(Bar::AtMost(450.0)).details(&[
        ("with_load", with_load),
        ("load", load),
        ("hash", hash),
        ("copy_and_checksum", encode),
        ("submit_and_wake", ours - hash - encode),
    ]);
    Ok(vec![rate, overhead, processor])
}

fn one_kilobyte_fresh(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let (bytes, of_limit) = match bench.quick {
        true => (2_000_000_000, 1_000_000_000),
        false => (20_000_000_000, 3_000_000_000),
    };
    let write_limit = || {
        let dir = bench.fresh_dir("fresh")?;
        limits::write_fresh(dir.path(), of_limit)
    };
    let ingest = Ingest::new(1024, 500);
    let before = write_limit()?;
    let dir = bench.fresh_dir("ingest")?;
    let measured = ingest.store(&dir.path().join("store"))?;
    let ingested = ingest.run(bench, &measured, Until::Stored(bytes))?;
    measured.check_and_close(ingested.acknowledged)?;
    drop(dir);
    let limit = before.plus(write_limit()?).mb_per_second();
    let outcome = Outcome::new("ingest-1k-fresh", "MB/s", ingested.mb_per_second());
    let outcome = outcome.limit(limit).bar(Bar::Times(0.9)).durable();
    let details = [
        ("records_per_s", ingested.rate()),
        ("data_gb", ingested.acknowledged.bytes as f64 / 1e9),
    ];
    Ok(vec![outcome.details(&details).device(ingested.device)])
}

/// Nanoseconds of hashing a key, many at a time.
fn hash_ns() -> f64 {
    const ROUNDS: usize = 2000;
    const TOGETHER: usize = 256;
    let load = Load::small(1, 8);
    let mut hashes = Vec::with_capacity(TOGETHER);
    let before = processor_time::now();
    for round in 0..ROUNDS {
        let keys = (round * TOGETHER..(round + 1) * TOGETHER).map(|at| load.record(at).0);
        HashKey::of_partition_keys(black_box(keys), &mut hashes);
        black_box(&hashes);
    }
    let took = processor_time::now().saturating_sub(before);
    took.as_nanos() as f64 / (ROUNDS * TOGETHER) as f64
}

/// Nanoseconds of encoding a record into a batch, checksum included.
fn encode_ns(ingest: &Ingest) -> f64 {
    const BATCHES: usize = 1000;
    let load = Load::new(1, ingest.size);
    let record = Record::new(&"k".repeat(KEY_BYTES), &vec![0; ingest.size]).encoded_len();
    let mut buffer = vec![0; BATCH_HEADER_LEN + record * ingest.batch];
    let before = processor_time::now();
    for batch in 0..BATCHES {
        let mut builder = BatchBuilder::new(&mut buffer[..]);
        for at in 0..ingest.batch {
            let (key, data) = load.record(batch * ingest.batch + at);
            builder.push(&Record::new(key, data));
        }
        black_box(builder.finish().1);
    }
    let took = processor_time::now().saturating_sub(before);
    took.as_nanos() as f64 / (BATCHES * ingest.batch) as f64
}
