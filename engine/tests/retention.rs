//! Segments past retention go; a clock that leaps does not empty the store.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    Environment, Position, Retention, SequenceNumber, ShardOptions, Store, StoreOptions,
    clock::Clock,
};
use support::*;

const HOUR: u64 = 3_600_000;
const START: u64 = 1_800_000_000_000;

/// A clock that stands until it is moved.
#[derive(Debug, Default)]
struct HandClock {
    ms: AtomicU64,
}

impl Clock for HandClock {
    fn wall_ms(&self) -> u64 {
        START + self.ms.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.ms.load(Ordering::SeqCst))
    }
}

fn open_at(path: &std::path::Path, clock: &Arc<HandClock>) -> Store {
    let options = StoreOptions {
        environment: Environment {
            clock: Arc::clone(clock) as _,
            ..Environment::default()
        },
        // The tests call the reaper.
        reap_interval: Duration::from_secs(1_000_000_000),
        ..store_options()
    };
    Store::open(path, options).unwrap()
}

fn kept_for(hours: u64) -> ShardOptions {
    ShardOptions {
        retention: Retention {
            age: Some(Duration::from_millis(hours * HOUR)),
            bytes: None,
        },
        ..small_segments()
    }
}

#[test]
fn segments_past_retention_go_and_are_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let store = open_at(dir.path(), &clock);
    let shard = store.create_shard(SHARD, kept_for(24)).unwrap();
    for day in 0..6u64 {
        append(&shard, day * 3000..(day + 1) * 3000, 1000);
        clock.ms.fetch_add(12 * HOUR, Ordering::SeqCst);
    }
    let before = shard.status();
    assert!(before.segments > 12);
    store.confirm_clock();
    assert!(store.reap().unwrap() > 0);
    let after = shard.status();
    assert!(after.segments < before.segments);
    // Now is 72 h; records of 48 h and 60 h are within 24 h.
    assert_eq!(shard.oldest(), SequenceNumber(12_000));
    let records = read_from(&shard, Position::Oldest);
    assert_eq!(
        (records[0].0, records.len()),
        (SequenceNumber(12_000), 6000)
    );
    assert_eq!(
        read_from(&shard, Position::At(SequenceNumber(5))).len(),
        6000
    );
    let spares = files(dir.path(), "spare").len();
    assert!(spares > 0);
    append(&shard, 18_000..24_000, 1000);
    assert!(
        files(dir.path(), "spare").len() < spares,
        "no spare was written again"
    );
    assert_eq!(read_from(&shard, Position::Oldest).len(), 12_000);
    drop((shard, store));

    let store = open_at(dir.path(), &clock);
    let shard = store.open_shard(SHARD, kept_for(24)).unwrap();
    store.reap().unwrap();
    assert_eq!(read_from(&shard, Position::Oldest).len(), 12_000);
}

#[test]
fn a_slow_shard_does_not_outlive_its_retention() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let store = open_at(dir.path(), &clock);
    let shard = store.create_shard(SHARD, kept_for(24)).unwrap();
    append(&shard, 0..1, 10);
    for _ in 0..30 {
        clock.ms.fetch_add(HOUR, Ordering::SeqCst);
        store.reap().unwrap();
    }
    assert!(read_from(&shard, Position::Oldest).is_empty());
    assert_eq!(shard.oldest(), shard.end());
    let mut tries = 0;
    while shard.status().segments > 1 {
        std::thread::sleep(Duration::from_millis(20));
        store.reap().unwrap();
        tries += 1;
        assert!(tries < 500, "{:?}", shard.status());
    }
    append(&shard, 1..2, 10);
    assert_eq!(read_from(&shard, Position::Oldest)[0].0, SequenceNumber(1));
}

#[test]
fn a_clock_that_leapt_while_closed_drops_nothing_until_it_is_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let store = open_at(dir.path(), &clock);
    let shard = store.create_shard(SHARD, kept_for(24)).unwrap();
    append(&shard, 0..3000, 1000);
    drop((shard, store));
    clock.ms.fetch_add(10_000 * HOUR, Ordering::SeqCst);
    let store = open_at(dir.path(), &clock);
    let shard = store.open_shard(SHARD, kept_for(24)).unwrap();
    assert_eq!(store.reap().unwrap(), 0);
    assert_eq!(read_from(&shard, Position::Oldest).len(), 3000);
    store.confirm_clock();
    assert!(store.reap().unwrap() > 0);
    assert!(read_from(&shard, Position::Oldest).is_empty());
}

#[test]
fn records_are_found_by_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let store = open_at(dir.path(), &clock);
    let shard = store.create_shard(SHARD, kept_for(24)).unwrap();
    for hour in 0..8u64 {
        append(&shard, hour * 500..(hour + 1) * 500, 1000);
        clock.ms.fetch_add(HOUR, Ordering::SeqCst);
    }
    for hour in 0..8u64 {
        for (ms, expected) in [(0, hour), (1, hour + 1)] {
            let cursor = shard
                .read(Position::AtTime(START + hour * HOUR + ms))
                .unwrap();
            assert_eq!(cursor.position(), SequenceNumber(expected * 500));
        }
    }
    let cursor = shard.read(Position::AtTime(0)).unwrap();
    assert_eq!(cursor.position(), SequenceNumber(0));
}

#[test]
fn a_size_cap_drops_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..6000, 1000);
    shard.set_retention(Retention {
        age: None,
        bytes: Some(3 << 20),
    });
    store.reap().unwrap();
    let status = shard.status();
    assert!(status.bytes <= 3 << 20, "{status:?}");
    let records = read_from(&shard, Position::Oldest);
    assert_eq!(records[0].0, status.oldest);
    assert_eq!(records.last().unwrap().0, SequenceNumber(5999));
}
