//! A snapshot of a store in use has all that was acknowledged before it, and never changes.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use millstream_engine::{
    Buffer, CursorStart, Position, Retention, SequenceNumber, Shard, ShardId, ShardOptions,
    ShardState, Store, StoreOptions,
    format::Record,
    inspect::inspect,
    snapshot::{SnapshotReport, snapshot},
};
use support::*;

fn take(source: &Path, target: &Path, link: bool) -> SnapshotReport {
    snapshot(source, target, link, &mut |_| {}).unwrap()
}

fn assert_clean(dir: &Path) {
    let found = inspect(dir, &mut |_| {}).unwrap();
    let damage: Vec<_> = found.damage().collect();
    assert!(damage.is_empty(), "{damage:?}");
}

/// Two segments at most, so that each roll drops one, which is written again.
fn tight() -> ShardOptions {
    let retention = Retention {
        bytes: Some(2 << 20),
        ..Retention::default()
    };
    ShardOptions {
        retention,
        ..small_segments()
    }
}

fn shards(store: &Store) -> Vec<Shard> {
    let make = |id| store.create_shard(ShardId(id), tight()).unwrap();
    (1..4).map(make).collect()
}

/// Records of a snapshot: dense, as they were put, and up to `acknowledged` at least.
fn assert_has(dir: &Path, id: ShardId, acknowledged: u64) {
    let store = Store::open(dir, store_options()).unwrap();
    let shard = store.open_shard(id, tight()).unwrap();
    assert!(matches!(shard.status().state, ShardState::Open));
    let records = read_from(&shard, Position::Oldest);
    let first = records.first().map_or(0, |(sequence, _)| sequence.0);
    for (expected, (sequence, bytes)) in (first..).zip(&records) {
        assert_eq!(sequence.0, expected);
        assert_eq!(*bytes, data(expected, 2000));
    }
    let end = first + records.len() as u64;
    assert!(
        end >= acknowledged,
        "{end}, {acknowledged} were acknowledged"
    );
    let next = shard.append(&[Record::new("key", b"more")]).unwrap();
    assert_eq!(next.wait().unwrap().first, SequenceNumber(end));
}

fn under_load(link: bool, rounds: u64) {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("store");
    let options = StoreOptions {
        reap_interval: Duration::from_millis(5),
        recycled_segments: 2,
        ..store_options()
    };
    let store = Store::open(&source, options).unwrap();
    let shards = shards(&store);
    let acknowledged: Vec<_> = shards.iter().map(|_| Arc::new(AtomicU64::new(0))).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for (shard, acknowledged) in shards.iter().zip(&acknowledged) {
            let stop = &stop;
            scope.spawn(move || {
                let mut next = 0;
                while !stop.load(Ordering::SeqCst) {
                    let mut last = None;
                    for _ in 0..32 {
                        let bytes = data(next, 2000);
                        last = Some(shard.append(&[Record::new("key", &bytes)]).unwrap());
                        next += 1;
                    }
                    last.unwrap().wait().unwrap();
                    acknowledged.store(next, Ordering::SeqCst);
                }
            });
        }
        // Segments have been dropped and are written again by now.
        while acknowledged.iter().any(|a| a.load(Ordering::SeqCst) < 4000) {
            thread::yield_now();
        }
        let mut linked = 0;
        let mut targets = Vec::new();
        for round in 0..rounds {
            let before: Vec<u64> = acknowledged
                .iter()
                .map(|a| a.load(Ordering::SeqCst))
                .collect();
            let target = root.path().join(format!("snapshot-{round}"));
            let report = take(&source, &target, link);
            assert!(report.damaged.is_empty());
            assert_eq!(report.shards, 3);
            linked += report.linked;
            // While the store goes on, and writes its files again, the snapshot stays.
            assert_clean(&target);
            targets.push((target, before));
        }
        assert_eq!(linked > 0, link);
        let later: Vec<u64> = acknowledged
            .iter()
            .map(|a| a.load(Ordering::SeqCst))
            .collect();
        while acknowledged
            .iter()
            .zip(&later)
            .any(|(a, l)| a.load(Ordering::SeqCst) < l + 4000)
        {
            thread::yield_now();
        }
        assert_clean(&source);
        stop.store(true, Ordering::SeqCst);
        for (target, before) in targets {
            assert_clean(&target);
            for (shard, before) in shards.iter().zip(before) {
                assert_has(&target, shard.id(), before);
            }
        }
    });
    store.close().unwrap();
    assert_clean(&source);
}

#[test]
fn under_load_rolls_retention_and_recycling_it_has_all_that_was_acknowledged() {
    under_load(true, 6);
}

#[test]
fn the_same_where_nothing_is_shared() {
    under_load(false, 3);
}

#[test]
fn a_shared_segment_is_not_written_again_by_either_store() {
    let root = tempfile::tempdir().unwrap();
    let (source, target) = (root.path().join("store"), root.path().join("snapshot"));
    let fill = |dir: &Path, records: std::ops::Range<u64>| {
        let store = Store::open(dir, store_options()).unwrap();
        let shard = match store.open_shard(SHARD, tight()) {
            Ok(shard) => shard,
            Err(_) => store.create_shard(SHARD, tight()).unwrap(),
        };
        for at in records.step_by(100) {
            append(&shard, at..at + 100, 2000);
            store.reap().unwrap();
        }
        store.close().unwrap();
    };
    fill(&source, 0..1500);
    let report = take(&source, &target, true);
    assert!(report.linked > 0);
    let names: Vec<_> = files(&target, "seg");
    let as_it_was: Vec<_> = names
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    fill(&source, 1500..5000);
    for (path, bytes) in names.iter().zip(&as_it_was) {
        assert!(std::fs::read(path).unwrap() == *bytes, "{}", path.display());
    }
    // The other way round.
    let again = root.path().join("again");
    take(&target, &again, true);
    fill(&again, 1500..5000);
    for (path, bytes) in names.iter().zip(&as_it_was) {
        assert!(std::fs::read(path).unwrap() == *bytes, "{}", path.display());
    }
}

#[test]
fn a_damaged_store_is_copied_with_its_damage() {
    let root = tempfile::tempdir().unwrap();
    let (source, target) = (root.path().join("store"), root.path().join("snapshot"));
    let store = open(&source);
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for at in (0..300).step_by(10) {
        append(&shard, at..at + 10, 1000);
    }
    store.close().unwrap();
    let segment = files(&source, "seg").remove(0);
    let all = batches(&segment);
    overwrite(&segment, all[3].0 + 100, &[0xee]);
    let report = take(&source, &target, true);
    assert_eq!(report.damaged, [SHARD]);
    let count = |dir: &Path| {
        let found = inspect(dir, &mut |_| {}).unwrap();
        let lost: Vec<_> = found.damage().map(|finding| finding.lost()).collect();
        lost
    };
    assert_eq!(count(&source), count(&target));
    assert_eq!(count(&target), [Some(u64::from(all[3].1.count))]);
}

#[test]
fn a_buffer_in_use_is_copied_with_its_cursors() {
    let root = tempfile::tempdir().unwrap();
    let (source, target) = (root.path().join("buffer"), root.path().join("snapshot"));
    let buffer: Buffer = buffer::open(&source);
    buffer.create_cursor("uplink", CursorStart::Oldest).unwrap();
    buffer::push(&buffer, 0..100, 100);
    buffer.acknowledge("uplink", SequenceNumber(39)).unwrap();
    take(&source, &target, true);
    let copy = buffer::open(&target);
    assert!(copy.open_report().mended.is_empty() && copy.open_report().set_back.is_empty());
    assert_eq!(buffer::peek_all(&copy, "uplink").len(), 60);
}
