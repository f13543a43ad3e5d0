//! Segments made ahead are written before any other, survive a restart, and hold nothing old.

#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod support;

use millstream_engine::{Position, SequenceNumber, ShardId};
use support::*;

#[test]
fn what_was_made_ahead_is_used_and_kept_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let made = shard.prepare(8 << 20).unwrap();
    assert!((7 << 20..=8 << 20).contains(&made), "{made} bytes");
    assert_eq!(shard.prepare(8 << 20).unwrap(), 0, "it is there already");
    let spares = files(dir.path(), "spare").len();
    assert_eq!(spares as u64, made >> 20);
    append(&shard, 0..3000, 1000);
    store.close().unwrap();
    let left = files(dir.path(), "spare").len();
    assert!((1..spares).contains(&left), "{left} of {spares} spares");

    let store = open(dir.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_holds(&shard, 0..3000, 1000);
    // Those that are left count, and the new ones take no name of theirs.
    shard.prepare(16 << 20).unwrap();
    assert!(files(dir.path(), "spare").len() > left);
    append(&shard, 3000..9000, 1000);
    assert_holds(&shard, 0..9000, 1000);
}

#[test]
fn a_spare_that_was_not_finished_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..10, 100);
    store.close().unwrap();
    let shard_dir = dir.path().join("shards").join(ShardId(7).dir_name());
    let partial = shard_dir.join("8000000000000000.spare.partial");
    std::fs::write(&partial, b"cut off").unwrap();
    // A name that is a spare's, and a number that is no segment's.
    std::fs::write(shard_dir.join("ffffffffffffffff.spare"), b"short").unwrap();
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert!(!partial.exists());
    shard.prepare(3 << 20).unwrap();
    append(&shard, 10..5000, 1000);
    assert_eq!(read_from(&shard, Position::Oldest).len(), 5000);
}

#[test]
fn a_newer_segment_that_is_named_a_spare_is_not_written_over() {
    for name in ["0000000000000000.spare", "8000000000000000.spare"] {
        newest_is_named(name);
    }
}

fn newest_is_named(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..3000, 1000);
    store.close().unwrap();
    drop((shard, store));
    let mut segments = files(dir.path(), "seg");
    segments.retain(|path| std::fs::read(path).unwrap()[..8] != [0; 8]);
    let spare = segments[0].with_file_name(name);
    std::fs::rename(segments.last().unwrap(), &spare).unwrap();
    for index in files(dir.path(), "idx") {
        std::fs::remove_file(index).unwrap();
    }
    let before = std::fs::read(&spare).unwrap();
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    let end = shard.end().0;
    assert!(end < 3000);
    append(&shard, end..end + 3000, 1000);
    assert_holds(&shard, 0..end + 3000, 1000);
    // Segments are made ahead, and the first one goes, whose name as a spare is taken.
    shard.prepare(3 << 20).unwrap();
    assert!(shard.trim(SequenceNumber(end)).unwrap() > 0);
    assert!(std::fs::read(&spare).unwrap() == before);
}
