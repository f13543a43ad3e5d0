//! A full medium is back-pressure, a failed write ends the shard's writes until it is reopened;
//! nothing acknowledged is lost either way, and the other shards go on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use millstream_engine::{
    Durability, Error, Position, SequenceNumber, Shard, ShardId, ShardOptions, ShardState, Store,
    Ticket, format::Record,
};
use support::{faulty::faulty_options, *};

fn end(ticket: &Ticket) -> Result<millstream_engine::Appended, Error> {
    let ended = ticket.wait_timeout(Duration::from_secs(60));
    ended.expect("the ticket never ended")
}

/// Appends until the medium refuses; how many records were acknowledged.
fn fill(shard: &Shard, from: u64) -> u64 {
    for i in from..100_000 {
        let appended = shard.append(&[Record::new("key", &data(i, 1000))]);
        match appended.and_then(|ticket| end(&ticket)) {
            Ok(appended) => assert_eq!(appended.first, SequenceNumber(i)),
            Err(Error::NoSpace { .. }) => return i,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the medium never refused");
}

#[test]
fn a_full_medium_refuses_and_writes_resume_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (options, faults) = faulty_options(dir.path());
    let store = Store::open(dir.path(), options).unwrap();
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..100, 1000);
    let mut acknowledged = 100;
    for _ in 0..3 {
        faults.full.store(true, Ordering::SeqCst);
        acknowledged = fill(&shard, acknowledged);
        assert!(matches!(shard.status().state, ShardState::NoSpace));
        assert_holds(&shard, 0..acknowledged, 1000);
        faults.full.store(false, Ordering::SeqCst);
        let mut waited = 0;
        while !matches!(shard.status().state, ShardState::Open) {
            std::thread::sleep(Duration::from_millis(10));
            waited += 1;
            assert!(waited < 6000, "writes did not resume");
        }
        append(&shard, acknowledged..acknowledged + 500, 1000);
        acknowledged += 500;
    }
    drop((shard, store));
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_holds(&shard, 0..acknowledged, 1000);
}

#[test]
fn a_refused_put_of_a_producer_may_be_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (options, faults) = faulty_options(dir.path());
    let store = Store::open(dir.path(), options).unwrap();
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    faults.full.store(true, Ordering::SeqCst);
    let record = [Record::new("k", b"1")];
    let first = shard
        .try_append_from(5, 0, &record)
        .and_then(|ticket| end(&ticket));
    assert!(matches!(first, Err(Error::NoSpace { .. })), "{first:?}");
    faults.full.store(false, Ordering::SeqCst);
    let mut tries = 0;
    let appended = loop {
        match shard
            .try_append_from(5, 0, &record)
            .and_then(|ticket| end(&ticket))
        {
            Ok(appended) => break appended,
            Err(Error::NoSpace { .. }) => std::thread::sleep(Duration::from_millis(10)),
            Err(other) => panic!("{other}"),
        }
        tries += 1;
        assert!(tries < 6000);
    };
    assert!(!appended.duplicate && appended.first.0 == 0);
}

#[test]
fn a_failed_write_poisons_its_shard_alone_and_reopening_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (options, faults) = faulty_options(dir.path());
    let store = Store::open(dir.path(), options).unwrap();
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let other = store.create_shard(ShardId(8), small_segments()).unwrap();
    append(&shard, 0..50, 100);
    append(&other, 0..50, 100);
    faults.writes.store(true, Ordering::SeqCst);
    let ticket = shard.append(&[Record::new("k", &data(999, 100))]).unwrap();
    let error = end(&ticket).unwrap_err();
    assert!(error.outcome_unknown(), "{error}");
    faults.writes.store(false, Ordering::SeqCst);
    let refused = shard.append(&[Record::new("k", b"")]).unwrap_err();
    assert!(matches!(refused, Error::Poisoned { .. }));
    assert_holds(&shard, 0..50, 100);
    append(&other, 50..60, 100);
    assert_holds(&other, 0..60, 100);

    let again = store.reopen_shard(SHARD).unwrap();
    // The write had landed although its end was an error: it was never acknowledged, and is void.
    assert_holds(&again, 0..50, 100);
    append(&again, 50..70, 100);
    assert!(shard.append(&[Record::new("k", b"")]).is_err());
    drop((shard, again, other, store));
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_holds(&shard, 0..70, 100);
    assert!(
        read_from(&shard, Position::Oldest)
            .iter()
            .all(|(_, d)| *d != data(999, 100))
    );
}

#[test]
fn a_flush_that_finds_no_room_poisons_a_written_shard_as_the_next_would_vouch_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (options, faults) = faulty_options(dir.path());
    let store = Store::open(dir.path(), options).unwrap();
    let written = ShardOptions {
        durability: Durability::Written,
        ..small_segments()
    };
    let shard = store.create_shard(SHARD, written).unwrap();
    faults.flushes.store(true, Ordering::SeqCst);
    // Until the first segment is full, and to be flushed before it is sealed.
    let acknowledged = (0..10_000).find(|i| {
        let appended = shard.append(&[Record::new("key", &data(*i, 1000))]);
        match appended.and_then(|ticket| end(&ticket)) {
            Ok(appended) => assert_eq!(appended.first, SequenceNumber(*i)),
            Err(Error::Poisoned { .. }) => return true,
            Err(other) => panic!("{other}"),
        }
        false
    });
    let acknowledged = acknowledged.expect("no flush has failed");
    assert!(matches!(shard.status().state, ShardState::Poisoned(_)));
    faults.flushes.store(false, Ordering::SeqCst);
    let again = store.reopen_shard(SHARD).unwrap();
    assert_holds(&again, 0..acknowledged, 1000);
    append(&again, acknowledged..acknowledged + 50, 1000);
    assert_holds(&again, 0..acknowledged + 50, 1000);
}

#[test]
fn back_pressure_is_a_value_and_what_was_taken_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (mut options, faults) = faulty_options(dir.path());
    options.memory_budget = 2 << 20;
    let store = Store::open(dir.path(), options).unwrap();
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    faults.stalled.store(true, Ordering::SeqCst);
    let mut taken = 0u64;
    let mut refused = 0u64;
    while taken < 3000 || refused == 0 {
        match shard.try_append(&[Record::new("key", &data(taken, 1000))]) {
            Ok(_) => taken += 1,
            Err(Error::Full { .. }) => {
                refused += 1;
                faults.stalled.store(false, Ordering::SeqCst);
                shard.room().wait();
            }
            Err(other) => panic!("{other}"),
        }
        assert!(taken < 10_000, "no back-pressure");
        assert!(store.stats().buffer_bytes <= 2 << 20);
    }
    store.close().unwrap();
    drop((shard, store));
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_eq!(shard.end(), SequenceNumber(taken));
    let too_large = shard.append(&[Record::new("k", &vec![0; 300_000])]);
    assert!(
        matches!(too_large, Err(Error::BatchTooLarge { .. })),
        "{too_large:?}"
    );
}

#[test]
fn a_segment_has_its_name_only_once_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (options, faults) = faulty_options(dir.path());
    let store = Store::open(dir.path(), options).unwrap();
    faults.full.store(true, Ordering::SeqCst);
    store.create_shard(SHARD, small_segments()).unwrap_err();
    // A name that is durable before the length would be a file that was cut short.
    assert_eq!(files(dir.path(), "seg"), Vec::<std::path::PathBuf>::new());
    let unmade = store.open_shard(SHARD, small_segments());
    assert!(matches!(unmade, Err(Error::NoShard { .. })), "{unmade:?}");
    faults.full.store(false, Ordering::SeqCst);
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..10, 1000);
}
