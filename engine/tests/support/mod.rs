//! What the engine's tests share. Not every test uses all of it.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod buffer;
pub mod faulty;
pub mod segments;

use std::path::Path;

use millstream_engine::{
    DeviceChoice, Position, SequenceNumber, Shard, ShardId, ShardOptions, Store, StoreOptions,
    format::Record,
};

/// Options with the device that the environment asks for: `MILLSTREAM_TEST_DEVICE`.
pub fn store_options() -> StoreOptions {
    let device = match std::env::var("MILLSTREAM_TEST_DEVICE").as_deref() {
        Ok("portable") => DeviceChoice::Portable,
        Ok("io_uring") => DeviceChoice::IoUring,
        Ok("auto") | Err(_) => DeviceChoice::Auto,
        Ok(other) => panic!("MILLSTREAM_TEST_DEVICE is {other}: auto, portable or io_uring"),
    };
    StoreOptions {
        device,
        ..StoreOptions::default()
    }
}

/// Small segments, so that little data makes many.
pub fn small_segments() -> ShardOptions {
    ShardOptions {
        segment_bytes: 1 << 20,
        ..ShardOptions::default()
    }
}

pub fn open(path: &Path) -> Store {
    Store::open(path, store_options()).unwrap()
}

pub const SHARD: ShardId = ShardId(7);

/// The data of record `i`: its number, then filling that depends on it.
pub fn data(i: u64, len: usize) -> Vec<u8> {
    let mut data = i.to_le_bytes().to_vec();
    data.extend(
        (0..len.saturating_sub(8)).map(|at| (i as u8).wrapping_mul(31).wrapping_add(at as u8)),
    );
    data
}

/// Appends records `numbers`; how they lie in batches does not depend on how fast the writer is.
pub fn append(shard: &Shard, numbers: std::ops::Range<u64>, len: usize) {
    let step = (50_000 / len).clamp(1, 50);
    for first in numbers.clone().step_by(step) {
        let numbers = first..numbers.end.min(first + step as u64);
        let data: Vec<_> = numbers.map(|i| data(i, len)).collect();
        let records: Vec<_> = data.iter().map(|data| Record::new("key", data)).collect();
        shard.append(&records).unwrap().wait().unwrap();
    }
}

/// Everything readable from a position: sequence numbers and data.
pub fn read_from(shard: &Shard, position: Position) -> Vec<(SequenceNumber, Vec<u8>)> {
    let mut cursor = shard.read(position).unwrap();
    let mut records = Vec::new();
    while let Some(batch) = cursor.next_batch().unwrap() {
        for record in batch.records() {
            let (sequence, record) = record.unwrap();
            records.push((sequence, record.data.to_vec()));
        }
    }
    records
}

/// Asserts that the shard holds exactly records `numbers`, each under its own sequence number.
pub fn assert_holds(shard: &Shard, numbers: std::ops::Range<u64>, len: usize) {
    let records = read_from(shard, Position::Oldest);
    assert_eq!(records.len() as u64, numbers.end - numbers.start);
    for (i, (sequence, bytes)) in numbers.zip(records) {
        assert_eq!(sequence, SequenceNumber(i));
        assert_eq!(bytes, data(i, len), "record {i}");
    }
}

/// A copy of a store as a crash at this moment would leave it, nothing being in flight.
pub fn crash(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_tree(from, to.path());
    to
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else if !target.to_string_lossy().ends_with(".partial") {
            // An index that is being written is on its way to another name.
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files of the shard with an extension, sorted.
pub fn files(store: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let dir = store.join("shards").join(SHARD.dir_name());
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

/// Changes bytes of a file in place.
pub fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
    file.sync_all().unwrap();
}

/// Byte offsets of the batches in a segment, with their headers.
pub fn batches(path: &Path) -> Vec<(u64, millstream_engine::format::BatchHeader)> {
    use millstream_engine::format::BatchHeader;
    let bytes = std::fs::read(path).unwrap();
    (4096..bytes.len())
        .step_by(4096)
        .filter_map(|at| Some((at as u64, BatchHeader::decode(&bytes[at..at + 64]).ok()??)))
        .collect()
}
