//! A store of many segments, and all that can be read of it around what was done to its files.

use std::path::{Path, PathBuf};

use millstream_engine::{Damage, Error, Position, Shard, ShardState, Store};

use super::{SHARD, append, batches, data, files, open, small_segments};

pub const RECORDS: u64 = 6000;

/// A store of many segments, closed.
pub fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..RECORDS, 1000);
    store.close().unwrap();
    drop((shard, store));
    let segments = begun(dir.path());
    assert!(segments.len() >= 6);
    dir
}

/// The segments that have a header.
pub fn begun(path: &Path) -> Vec<PathBuf> {
    let mut segments = files(path, "seg");
    segments.retain(|path| std::fs::read(path).unwrap()[..8] != [0; 8]);
    segments
}

/// Where the records of each begin, and after the last where they end.
pub fn bases(segments: &[PathBuf]) -> Vec<u64> {
    let mut bases: Vec<u64> = segments
        .iter()
        .map(|path| batches(path)[0].1.first_sequence)
        .collect();
    bases.push(RECORDS);
    bases
}

pub fn reopen(path: &Path) -> (Store, Shard) {
    let store = open(path);
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    (store, shard)
}

pub type Ranges = Vec<std::ops::Range<u64>>;

/// Everything that can be read from a position on, past each gap, and what was told of gaps.
pub fn read_past(shard: &Shard, position: Position, len: usize) -> (Ranges, Vec<Damage>) {
    let mut cursor = shard.read(position).unwrap();
    let (mut read, mut told) = (Ranges::new(), Vec::new());
    loop {
        match cursor.next_batch() {
            Ok(None) => return (read, told),
            Ok(Some(batch)) => {
                for record in batch.records() {
                    let (sequence, record) = record.unwrap();
                    assert!(record.data == data(sequence.0, len), "record {sequence}");
                    match read.last_mut() {
                        Some(last) if last.end == sequence.0 => last.end += 1,
                        _ => read.push(sequence.0..sequence.0 + 1),
                    }
                }
            }
            Err(Error::Damaged { damage, .. }) => {
                told.push((*damage).clone());
                let again = cursor.next_batch();
                assert!(matches!(again, Err(Error::Damaged { .. })), "{again:?}");
                let Some(resume) = damage.resume else {
                    return (read, told);
                };
                assert!(resume > damage.sequence);
                cursor.skip_to(resume);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn place(damage: &Damage) -> (&Path, u64, Option<u64>) {
    let resume = damage.resume.map(|sequence| sequence.0);
    (&damage.file, damage.sequence.0, resume)
}

pub fn read_only(shard: &Shard) -> Damage {
    match shard.status().state {
        ShardState::ReadOnly(damage) => (*damage).clone(),
        other => panic!("{other:?}"),
    }
}

pub fn without_indexes(path: &Path) {
    for index in files(path, "idx") {
        std::fs::remove_file(index).unwrap();
    }
}
