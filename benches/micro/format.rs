//! The steps that every record pays for: hash, encode, checksum, walk, compress, and the wire.
//! `cargo bench --package millstream-benches`.

// A bench that cannot go on may say so by a panic.
#![allow(clippy::unwrap_used)]

#[path = "../counts/byte_paths.rs"]
mod byte_paths;
#[allow(dead_code)] // how often a path is repeated is criterion's to say here
#[path = "../counts/hot_path.rs"]
mod hot_path;
#[path = "../counts/samples.rs"]
mod samples;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use millstream_format::{
    BATCH_HEADER_LEN, BatchBuilder, BatchHeader, BatchLimits, Compression, HashKey, RawBody,
    Record, compression, crc32c,
};
use samples::noise;

/// Record data and records a batch, as the rows of the harness have them.
const SHAPES: [(usize, usize); 3] = [(100, 500), (100, 5_000), (1024, 500)];
const KEY: &str = "0123456789abcdef";

/// Text as logs have it.
fn text(len: usize) -> Vec<u8> {
    let line = |i: usize| {
        format!(
            "2026-11-23T03:{:02}:{:02}Z GET /orders/{} 200\n",
            i % 60,
            i % 59,
            i * 7
        )
    };
    let mut out: Vec<u8> = (0..len / 40 + 1)
        .flat_map(|i| line(i).into_bytes())
        .collect();
    out.truncate(len);
    out
}

fn build(data: &[u8], count: usize) -> (Vec<u8>, BatchHeader) {
    let record = Record::new(KEY, data);
    let len = BATCH_HEADER_LEN + record.encoded_len() * count;
    let mut builder = BatchBuilder::new(vec![0; len]);
    for _ in 0..count {
        assert!(builder.push(&record));
    }
    builder.finish()
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (size, count) in SHAPES {
        let data = noise(size);
        let record = Record::new(KEY, &data);
        let mut buffer = vec![0; BATCH_HEADER_LEN + record.encoded_len() * count];
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new(format!("{size} B"), count), |bencher| {
            bencher.iter(|| {
                let mut builder = BatchBuilder::new(&mut buffer[..]);
                for _ in 0..count {
                    builder.push(black_box(&record));
                }
                builder.finish().1
            });
        });
    }
}

fn walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk");
    for (size, count) in SHAPES {
        let (batch, header) = build(&noise(size), count);
        let body = &batch[BATCH_HEADER_LEN..header.batch_len()];
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(
            BenchmarkId::new(format!("check {size} B"), count),
            |bencher| {
                let raw = RawBody::new(&header, body).unwrap();
                bencher.iter(|| black_box(raw).check(&BatchLimits::default()).unwrap());
            },
        );
        group.bench_function(
            BenchmarkId::new(format!("verify and read {size} B"), count),
            |bencher| {
                bencher.iter(|| {
                    let header = BatchHeader::decode(black_box(&batch)).unwrap().unwrap();
                    header.verify_body(body).unwrap();
                    let raw = RawBody::new(&header, body).unwrap();
                    raw.records()
                        .map(|record| record.unwrap().data.len())
                        .sum::<usize>()
                });
            },
        );
    }
}

fn checksum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("crc32c");
    for len in [64, 4096, 1 << 20] {
        let bytes = noise(len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| crc32c(black_box(&bytes)));
        });
    }
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash key");
    for key in [KEY, &KEY.repeat(4), &KEY.repeat(16)] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(key.len()), |bencher| {
            bencher.iter(|| HashKey::of_partition_key(black_box(key)));
        });
    }
}

/// As a producer hashes: the keys of many records at once.
fn hash_many(criterion: &mut Criterion) {
    const COUNT: usize = 500;
    let mut group = criterion.benchmark_group("hash 500 keys");
    group.throughput(Throughput::Elements(COUNT as u64));
    let mut out = Vec::new();
    for len in [8, 16, 36, 64] {
        let key = |n: usize| format!("{n:08}{}", KEY.repeat(4))[..len].to_owned();
        let keys: Vec<String> = (0..COUNT).map(key).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        group.bench_function(BenchmarkId::new("keys", len), |bencher| {
            bencher.iter(|| {
                HashKey::of_partition_keys(black_box(&keys).iter().copied(), &mut out);
                black_box(&out).len()
            });
        });
        let records: Vec<Record<'_>> = keys.iter().map(|key| Record::new(key, b"")).collect();
        group.bench_function(BenchmarkId::new("records", len), |bencher| {
            bencher.iter(|| {
                HashKey::of_records(black_box(&records), &mut out);
                black_box(&out).len()
            });
        });
    }
}

fn zstd(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("zstd");
    let (batch, mut header) = build(&text(1024), 500);
    let raw = &batch[BATCH_HEADER_LEN..header.batch_len()];
    let mut out = vec![0; raw.len()];
    group.throughput(Throughput::Bytes(raw.len() as u64));
    for level in [1, 3] {
        group.bench_function(BenchmarkId::new("compress", level), |bencher| {
            bencher.iter(|| compression::compress(level, black_box(raw), &mut out).unwrap());
        });
    }
    let len = compression::compress(1, raw, &mut out).unwrap().unwrap();
    header.compression = Compression::Zstd;
    group.bench_function("decompress", |bencher| {
        bencher.iter(|| compression::decompress(&header, black_box(&out[..len])).unwrap());
    });
}

/// The paths whose instructions `cargo xtask counts` counts, in time.
fn paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bytes");
    for path in byte_paths::PATHS {
        group.throughput(Throughput::Elements(path.units));
        group.bench_function(path.name, |bencher| {
            let mut round = (path.make)().unwrap();
            bencher.iter(|| round().unwrap());
        });
    }
}

criterion_group!(steps, encode, walk, checksum, hash, hash_many, zstd, paths);
criterion_main!(steps);
