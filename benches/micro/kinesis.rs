//! The operations of the AWS API on records, without a socket: what PutRecords does beside the
//! shards, and the whole of PutRecords and GetRecords on a store in memory.
//! `cargo bench --package millstream-benches --bench kinesis`.

// A bench that cannot go on may say so by a panic.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // what is not used here is for other benches
#[path = "../counts/samples.rs"]
mod samples;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use millstream_server::measuring::KinesisStand;
use samples::noise;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Record data and records of a request.
const SHAPES: [(usize, usize); 2] = [(1024, 500), (100, 500)];
const SHARDS: u32 = 4;
/// Data in the shard that is read.
const READ_BYTES: usize = 12 << 20;

/// A directory in memory, where the system has one.
fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// A body of PutRecords as boto3 writes it.
fn body(size: usize, count: usize) -> Vec<u8> {
    let data = base64_simd::STANDARD.encode_to_string(noise(size));
    let record = |n: usize| {
        format!(
            "{{\"Data\": \"{data}\", \"PartitionKey\": \"key-{:012}\"}}",
            n * 7919
        )
    };
    let records: Vec<String> = (0..count).map(record).collect();
    format!(
        "{{\"Records\": [{}], \"StreamName\": \"s\"}}",
        records.join(", ")
    )
    .into_bytes()
}

fn put_records(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let directory = directory();
    let stand = runtime
        .block_on(KinesisStand::new(directory.path(), SHARDS))
        .unwrap();
    for (size, count) in SHAPES {
        let body = body(size, count);
        let mut group = criterion.benchmark_group("PutRecords");
        group.throughput(Throughput::Bytes(body.len() as u64));
        let of = format!("{count} x {size}");
        group.bench_with_input(BenchmarkId::new("stage", &of), &body, |bencher, body| {
            bencher.iter(|| stand.stage(black_box(body)).unwrap());
        });
        group.finish();
    }
}

fn get_records(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for (size, count) in SHAPES {
        for cbor in [false, true] {
            let directory = directory();
            let made = KinesisStand::new(directory.path(), 1);
            let stand = runtime.block_on(made).unwrap();
            let body = body(size, count);
            for _ in 0..READ_BYTES / (size * count) {
                runtime.block_on(stand.put(&body)).unwrap();
            }
            let stand = stand.speaking(cbor);
            let bytes = runtime.block_on(stand.get(0)).unwrap();
            let mut group = criterion.benchmark_group("GetRecords");
            group.throughput(Throughput::Bytes(bytes as u64));
            let of = format!("{size} {}", if cbor { "CBOR" } else { "JSON" });
            group.bench_function(BenchmarkId::new("whole", of), |bencher| {
                bencher.iter(|| runtime.block_on(stand.get(0)).unwrap());
            });
            group.finish();
        }
    }
}

criterion_group!(benches, put_records, get_records);
criterion_main!(benches);
