//! The header of a sealed segment is lost: all records are read all the same, by what the batches
//! and the next segment say.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use millstream_engine::{Position, SequenceNumber};
use support::*;

fn read_with_lost_header(segment: impl Fn(usize) -> usize, loss: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..6000, 1000);
    store.close().unwrap();
    drop((shard, store));
    // One that was made ahead has no header yet.
    let mut segments = files(dir.path(), "seg");
    segments.retain(|path| std::fs::read(path).unwrap()[..8] != [0; 8]);
    overwrite(&segments[segment(segments.len())], 0, loss);
    for _ in 0..2 {
        let store = open(dir.path());
        let shard = store.open_shard(SHARD, small_segments()).unwrap();
        assert_eq!(shard.oldest(), SequenceNumber(0));
        assert_holds(&shard, 0..6000, 1000);
        for at in [0u64, 1500, 3000, 5999] {
            let records = read_from(&shard, Position::At(SequenceNumber(at)));
            assert_eq!(records.len() as u64, 6000 - at);
        }
        drop((shard, store));
        // And once without the indexes.
        for index in files(dir.path(), "idx") {
            std::fs::remove_file(index).unwrap();
        }
    }
}

#[test]
fn that_of_the_oldest_segment() {
    read_with_lost_header(|_| 0, &[0xee; 64]);
}

#[test]
fn that_of_a_segment_in_between() {
    read_with_lost_header(|_| 2, &[0xee; 64]);
    read_with_lost_header(|_| 3, &[0; 4096]);
}

#[test]
fn that_of_the_last_sealed_segment() {
    read_with_lost_header(|segments| segments - 2, &[0xee; 64]);
}
