//! What is appended is read back, in order, now and after a clean close.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use millstream_engine::{
    CompressionChoice, Durability, Position, SequenceNumber, ShardOptions, format::Record,
};
use support::*;

#[test]
fn records_come_back_in_order_and_after_a_clean_close() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, ShardOptions::default()).unwrap();
    append(&shard, 0..1000, 100);
    assert_holds(&shard, 0..1000, 100);
    store.close().unwrap();
    assert!(shard.append(&[Record::new("", b"late")]).is_err());
    drop((shard, store));

    let store = open(dir.path());
    let shard = store.open_shard(SHARD, ShardOptions::default()).unwrap();
    let report = shard.status().opened;
    assert!(report.clean && report.trimmed_bytes == 0, "{report:?}");
    assert_holds(&shard, 0..1000, 100);
    append(&shard, 1000..1100, 100);
    assert_holds(&shard, 0..1100, 100);
}

#[test]
fn many_segments_are_rolled_and_read_across() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..6000, 1000);
    assert!(shard.status().segments >= 6, "{:?}", shard.status());
    assert_holds(&shard, 0..6000, 1000);
    drop((shard, store));

    let store = open(dir.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert!(shard.status().opened.clean);
    assert_holds(&shard, 0..6000, 1000);
    for at in [0u64, 1, 999, 3000, 5999] {
        let records = read_from(&shard, Position::At(SequenceNumber(at)));
        assert_eq!(records[0].0, SequenceNumber(at));
        assert_eq!(records.len() as u64, 6000 - at);
        let records = read_from(&shard, Position::After(SequenceNumber(at)));
        assert_eq!(records.len() as u64, 5999 - at);
    }
    assert!(read_from(&shard, Position::AfterLatest).is_empty());
}

#[test]
fn many_threads_share_writes_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let mut numbers: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16u64)
            .map(|thread| {
                let shard = &shard;
                scope.spawn(move || {
                    let mut numbers = Vec::new();
                    for i in 0..200 {
                        let bytes = data(thread * 1000 + i, 50);
                        let ticket = shard.append(&[Record::new("k", &bytes)]).unwrap();
                        let appended = ticket.wait().unwrap();
                        assert!(shard.end() > appended.first);
                        numbers.push(appended.first.0);
                    }
                    assert!(numbers.windows(2).all(|w| w[0] < w[1]));
                    numbers
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (0..3200).collect::<Vec<_>>());
    assert_eq!(read_from(&shard, Position::Oldest).len(), 3200);
}

#[test]
fn compressed_shards_hold_the_same_in_fewer_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let options = ShardOptions {
        compression: CompressionChoice::Zstd(1),
        ..small_segments()
    };
    let shard = store.create_shard(SHARD, options).unwrap();
    let text = "the same words again and again ".repeat(40);
    let records: Vec<_> = (0..500)
        .map(|_| Record::new("k", text.as_bytes()))
        .collect();
    for _ in 0..10 {
        let half = &records[..150];
        shard.append(half).unwrap().wait().unwrap();
    }
    let status = shard.status();
    assert!(status.bytes < 1500 * text.len() as u64 / 4, "{status:?}");
    drop((shard, store));
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, options).unwrap();
    let records = read_from(&shard, Position::Oldest);
    assert_eq!(records.len(), 1500);
    assert!(records.iter().all(|(_, data)| data == text.as_bytes()));
}

#[test]
fn a_written_shard_that_was_closed_goes_on_without_a_jump() {
    let dir = tempfile::tempdir().unwrap();
    let options = ShardOptions {
        durability: Durability::Written,
        ..small_segments()
    };
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, options).unwrap();
    append(&shard, 0..10, 10);
    drop((shard, store));
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, options).unwrap();
    assert!(!shard.status().opened.jumped);
    append(&shard, 10..20, 10);
    assert_holds(&shard, 0..20, 10);
}
