//! A caller that waits anyhow writes by itself while the shard is idle; together with the writer
//! thread and other callers it keeps every promise.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use millstream_engine::{Error, Position, SequenceNumber, ShardState, Store, format::Record};
use support::{faulty::faulty_options, *};

#[test]
fn records_are_durable_when_it_returns_and_segments_roll() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for i in 0..600 {
        let bytes = data(i, 5000);
        let appended = shard.append_and_wait(&[Record::new("key", &bytes)]);
        assert_eq!(appended.unwrap().first, SequenceNumber(i));
        assert_eq!(shard.end(), SequenceNumber(i + 1));
    }
    assert!(shard.status().segments > 2);
    // What a crash would leave.
    let copy = crash(dir.path());
    let store = open(copy.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_holds(&shard, 0..600, 5000);
}

#[test]
fn callers_who_wait_and_callers_who_do_not_share_a_shard() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for waits in [true, true, true, false, false] {
            let (shard, stop, acknowledged) = (&shard, &stop, &acknowledged);
            scope.spawn(move || {
                let mut last = None;
                while !stop.load(Ordering::Relaxed) {
                    let record = [Record::new("key", b"data")];
                    let appended = match waits {
                        true => shard.append_and_wait(&record),
                        false => shard.append(&record).unwrap().wait(),
                    };
                    let first = Some(appended.unwrap().first);
                    assert!(first > last, "numbers of one caller grow");
                    last = first;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while acknowledged.load(Ordering::Relaxed) < 4000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let acknowledged = acknowledged.into_inner();
    assert_eq!(shard.end(), SequenceNumber(acknowledged));
    store.close().unwrap();
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_eq!(
        read_from(&shard, Position::Oldest).len() as u64,
        acknowledged
    );
}

#[test]
fn a_write_that_fails_on_the_callers_thread_poisons_the_shard() {
    let dir = tempfile::tempdir().unwrap();
    let (options, faults) = faulty_options(dir.path());
    let store = Store::open(dir.path(), options).unwrap();
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let record = [Record::new("key", b"data")];
    shard.append_and_wait(&record).unwrap();
    // The first one had the preparer make blocks; these go by the caller's thread.
    shard.append_and_wait(&record).unwrap();
    faults.writes.store(true, Ordering::SeqCst);
    let failed = shard.append_and_wait(&record);
    assert!(matches!(failed, Err(Error::Poisoned { .. })), "{failed:?}");
    assert!(failed.unwrap_err().outcome_unknown());
    assert!(matches!(shard.status().state, ShardState::Poisoned(_)));
    assert_eq!(shard.end(), SequenceNumber(2));
    faults.writes.store(false, Ordering::SeqCst);
    let shard = store.reopen_shard(SHARD).unwrap();
    shard.append_and_wait(&record).unwrap();
    assert!(shard.end() >= SequenceNumber(3));
}

#[test]
fn a_full_medium_refuses_it_and_takes_it_later() {
    let dir = tempfile::tempdir().unwrap();
    let (options, faults) = faulty_options(dir.path());
    let store = Store::open(dir.path(), options).unwrap();
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    faults.full.store(true, Ordering::SeqCst);
    let record = [Record::new("key", b"data")];
    let refused = shard.append_and_wait(&record);
    assert!(matches!(refused, Err(Error::NoSpace { .. })), "{refused:?}");
    faults.full.store(false, Ordering::SeqCst);
    let mut tries = 0;
    while let Err(error) = shard.append_and_wait(&record) {
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        std::thread::sleep(Duration::from_millis(10));
        tries += 1;
        assert!(tries < 6000, "writes did not resume");
    }
    assert_eq!(shard.end(), SequenceNumber(1));
}

#[test]
fn the_watermark_of_what_was_written_that_way_is_shown_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for i in 0..3 {
        let bytes = data(i, 100);
        shard
            .append_and_wait(&[Record::new("key", &bytes)])
            .unwrap();
    }
    let segment = files(dir.path(), "seg").remove(0);
    let mut tries = 0;
    while !batches(&segment)
        .iter()
        .any(|(_, header)| header.count == 0 && header.watermark == 3)
    {
        std::thread::sleep(Duration::from_millis(50));
        tries += 1;
        assert!(tries < 1200, "no stamp was written");
    }
}

#[test]
fn a_close_ends_what_was_staged_before_the_first_write() {
    // The shard was marked as closed when it was made, and the first write waits for blocks: the
    // writer must not take the one for a reason to forget the other.
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let shard = store.create_shard(SHARD, small_segments()).unwrap();
        let ticket = shard.try_append(&[Record::new("key", b"data")]).unwrap();
        store.close().unwrap();
        let ended = ticket.wait_timeout(Duration::ZERO);
        assert!(
            ended.is_some(),
            "the store is closed, the append has no end"
        );
    }
}
