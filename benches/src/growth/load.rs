//! By the number of producers, and by the size of records: durable ingest into an empty store.

use crate::{
    embedded::{Ingest, Until, callers},
    error::BenchError,
    figure::Outcome,
    rounds::{Bench, Family},
};

/// Producers of each row.
const PRODUCERS: [(u64, &str); 7] = [
    (1, "producers-1"),
    (2, "producers-2"),
    (4, "producers-4"),
    (8, "producers-8"),
    (16, "producers-16"),
    (32, "producers-32"),
    (64, "producers-64"),
];
/// Bytes of record data of each row.
const SIZES: [(usize, &str); 9] = [
    (16, "record-16b"),
    (64, "record-64b"),
    (256, "record-256b"),
    (1 << 10, "record-1kib"),
    (4 << 10, "record-4kib"),
    (16 << 10, "record-16kib"),
    (64 << 10, "record-64kib"),
    (256 << 10, "record-256kib"),
    (1 << 20, "record-1mib"),
];
/// Bytes of an append, about, where records are smaller.
const APPEND: usize = 512 << 10;
/// Most records in an append.
const MOST_RECORDS: usize = 5000;

pub(super) fn families() -> Vec<Family> {
    let producers = PRODUCERS.map(|(producers, figure)| {
        Family::new(&[figure], move |bench| {
            let ingest = Ingest {
                producers,
                ..Ingest::new(1024, 500)
            };
            let single = callers(bench, 1, producers)?;
            let outcome = put(bench, figure, &ingest)?;
            Ok(vec![outcome.detail("single_records_per_s", single.rate)])
        })
    });
    let sizes = SIZES.map(|(size, figure)| {
        Family::new(&[figure], move |bench| {
            let batch = (APPEND / size).clamp(1, MOST_RECORDS);
            let outcome = put(bench, figure, &Ingest::new(size, batch))?;
            Ok(vec![outcome.detail("batch_records", batch as f64)])
        })
    });
    producers.into_iter().chain(sizes).collect()
}

fn put(bench: &Bench, figure: &str, ingest: &Ingest) -> Result<Outcome, BenchError> {
    let dir = bench.fresh_dir("ingest")?;
    let measured = ingest.store(&dir.path().join("store"))?;
    let ran = ingest.run(bench, &measured, Until::Passed(bench.seconds))?;
    let stored = measured.stored_bytes() as f64 / ran.acknowledged.bytes as f64;
    measured.check_and_close(ran.acknowledged)?;
    let outcome = Outcome::new(figure, "rec/s", ran.rate()).durable();
    Ok(outcome.details(&[
        ("mb_per_s", ran.mb_per_second()),
        ("stored_to_data", stored),
        ("processor_ns", ran.processor_ns()),
    ]))
}
