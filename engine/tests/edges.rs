//! Where a full medium, damage and a crash meet retention, reopening, rolling and closing.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    Environment, Error, Retention, SequenceNumber, ShardOptions, ShardState, Store, StoreOptions,
    clock::Clock, format::Record,
};
use support::{
    faulty::{Faults, faulty_options},
    *,
};

fn open_faulty(path: &Path) -> (Store, Arc<Faults>) {
    let (options, faults) = faulty_options(path);
    (Store::open(path, options).unwrap(), faults)
}

#[derive(Debug, Default)]
struct HandClock {
    ms: AtomicU64,
}

impl Clock for HandClock {
    fn wall_ms(&self) -> u64 {
        1_800_000_000_000 + self.ms.load(Ordering::SeqCst)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.ms.load(Ordering::SeqCst))
    }
}

#[test]
fn retention_leaves_a_damaged_segment_alone() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let options = ShardOptions {
        retention: Retention {
            age: Some(Duration::from_secs(24 * 3600)),
            bytes: None,
        },
        ..small_segments()
    };
    let store_at = |path: &Path| {
        let options = StoreOptions {
            environment: Environment {
                clock: Arc::clone(&clock) as _,
                ..Environment::default()
            },
            reap_interval: Duration::from_secs(1_000_000_000),
            ..store_options()
        };
        Store::open(path, options).unwrap()
    };
    let store = store_at(dir.path());
    let shard = store.create_shard(SHARD, options).unwrap();
    for i in 0..20 {
        append(&shard, i..i + 1, 100);
    }
    let copy = crash(dir.path());
    let segment = files(copy.path(), "seg").remove(0);
    let (offset, _) = batches(&segment)
        .into_iter()
        .filter(|(_, h)| h.count > 0)
        .nth(5)
        .unwrap();
    overwrite(&segment, offset + 80, &[0xee]);
    let before = std::fs::read(&segment).unwrap();
    let store = store_at(copy.path());
    let shard = store.open_shard(SHARD, options).unwrap();
    assert!(matches!(shard.status().state, ShardState::ReadOnly(_)));
    clock.ms.fetch_add(2 * 3_600_000, Ordering::SeqCst);
    store.confirm_clock();
    store.reap().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        std::fs::read(&segment).unwrap() == before,
        "the evidence was touched"
    );
}

#[test]
fn reopening_does_not_trim_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for i in 0..20 {
        append(&shard, i..i + 1, 100);
    }
    let segment = files(dir.path(), "seg").remove(0);
    let (offset, _) = batches(&segment)
        .into_iter()
        .filter(|(_, h)| h.count > 0)
        .nth(5)
        .unwrap();
    overwrite(&segment, offset + 80, &[0xee]);
    let shard = store.reopen_shard(SHARD).unwrap();
    assert!(shard.end() >= SequenceNumber(20), "{:?}", shard.status());
    assert!(matches!(shard.status().state, ShardState::ReadOnly(_)));
}

fn full_and_free_again(record: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = open_faulty(dir.path());
    let shard = store.create_shard(SHARD, ShardOptions::default()).unwrap();
    let data = vec![7; record];
    for _ in 0..20 {
        shard
            .append(&[Record::new("k", &data)])
            .unwrap()
            .wait()
            .unwrap();
    }
    faults.full.store(true, Ordering::SeqCst);
    let refused = loop {
        match shard
            .append(&[Record::new("k", &data)])
            .and_then(|t| t.wait())
        {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::NoSpace { .. }), "{refused}");
    faults.full.store(false, Ordering::SeqCst);
    for _ in 0..100 {
        if shard
            .append(&[Record::new("k", &data)])
            .and_then(|t| t.wait())
            .is_ok()
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("writes did not resume: {:?}", shard.status().state);
}

#[test]
fn small_writes_resume_when_the_medium_has_room_again() {
    full_and_free_again(100);
}

#[test]
fn large_writes_resume_when_the_medium_has_room_again() {
    full_and_free_again(600_000);
}

#[test]
fn a_store_on_a_full_medium_can_be_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for i in 0..20 {
        append(&shard, i..i + 1, 100);
    }
    let copy = crash(dir.path());
    let (store, faults) = open_faulty(copy.path());
    let _shard = store.open_shard(SHARD, small_segments()).unwrap();
    faults.full.store(true, Ordering::SeqCst);
    let (said, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = store.close();
        let _ = said.send(());
    });
    assert!(
        hear.recv_timeout(Duration::from_secs(20)).is_ok(),
        "close hangs"
    );
}

#[test]
fn a_segment_whose_header_never_landed_held_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let mut i = 0;
    while shard.status().segments < 2 {
        append(&shard, i..i + 1, 4000);
        i += 1;
    }
    let copy = crash(dir.path());
    // Header and first batch were in flight together; the batch landed, the header did not.
    let segment = files(copy.path(), "seg").remove(1);
    let first = batches(&segment)[0].1.first_sequence;
    overwrite(&segment, 0, &[0; 4096]);
    for (offset, _) in batches(&segment).into_iter().skip(1) {
        overwrite(&segment, offset, &[0; 4096]);
    }
    let store = open(copy.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    let state = shard.status().state;
    assert!(matches!(state, ShardState::Open), "{state:?}");
    assert_eq!(shard.end(), SequenceNumber(first));
}
