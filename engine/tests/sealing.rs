//! Sealed shards: nothing more is taken, what was taken is kept, and readers learn of the end.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{thread, time::Duration};

use millstream_engine::{Error, SequenceNumber, ShardState, format::Record};
use support::*;

#[test]
fn the_end_counts_what_was_taken_and_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let shard = shard.clone();
            thread::spawn(move || {
                let mut taken = 0u64;
                loop {
                    match shard.append(&[Record::new("key", b"data")]) {
                        Ok(ticket) => {
                            ticket.wait().unwrap();
                            taken += 1;
                        }
                        Err(Error::Sealed { .. }) => return taken,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    shard.wait_readable(SequenceNumber(20), None).unwrap();
    let end = shard.seal().unwrap();
    let taken: u64 = writers.into_iter().map(|w| w.join().unwrap()).sum();
    assert_eq!(end, SequenceNumber(taken));
    assert_eq!(shard.end(), end);
    assert_eq!(shard.seal().unwrap(), end, "once more");
    assert!(matches!(shard.status().state, ShardState::Sealed));

    // What is not on the medium is said again after a crash, and kept by a reopening.
    let crashed = crash(dir.path());
    let store = open(crashed.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_eq!(shard.seal().unwrap(), end);
    let shard = store.reopen_shard(SHARD).unwrap();
    let refused = shard.try_append(&[Record::new("key", b"data")]);
    assert!(matches!(refused, Err(Error::Sealed { .. })));
}

#[test]
fn who_waits_at_the_end_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    shard
        .append_and_wait(&[Record::new("key", b"data")])
        .unwrap();
    let waiting = {
        let shard = shard.clone();
        thread::spawn(move || shard.wait_readable(SequenceNumber(1), None))
    };
    thread::sleep(Duration::from_millis(20));
    shard.seal().unwrap();
    let told = waiting.join().unwrap();
    assert!(matches!(told, Err(Error::Sealed { .. })));
    assert!(shard.wait_readable(SequenceNumber(0), None).unwrap());
}

#[test]
fn a_numbered_put_that_was_taken_is_answered_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let record = [Record::new("key", b"data")];
    let first = shard
        .try_append_from(7, 0, &record)
        .unwrap()
        .wait()
        .unwrap();
    shard.seal().unwrap();
    let again = shard
        .try_append_from(7, 0, &record)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!((again.first, again.duplicate), (first.first, true));
    for (producer, number) in [(7, 1), (7, 2), (8, 0), (8, 3)] {
        let refused = shard.try_append_from(producer, number, &record);
        assert!(
            matches!(refused, Err(Error::Sealed { .. })),
            "{producer} {number}"
        );
    }
}
