//! Ready batches: taken as they are, in order with small appends, once, and never trusted.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use millstream_engine::{
    Error, Position, ReadyBatch, SequenceNumber, Store,
    format::{BatchBuilder, BatchLimits, ProducerEntry, Record},
};
use support::*;

fn ready(store: &Store, numbers: std::ops::Range<u64>, put: Option<(u64, u64)>) -> ReadyBatch {
    let mut builder = store.batch(256 * 1024).unwrap();
    for i in numbers {
        assert!(builder.push(&Record::new("key", &data(i, 1000))));
    }
    if let Some((producer, number)) = put {
        let count = builder.count();
        builder.push_producer(ProducerEntry {
            producer,
            number,
            first: 0,
            count,
        });
    }
    ReadyBatch::from_builder(builder).unwrap()
}

#[test]
fn both_lanes_keep_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let mut next = 0;
    // Small ones are copied into staging, large ones go as they are.
    for count in [1u64, 100, 5, 200, 1, 1, 150, 40, 30] {
        let small = shard
            .append(&[Record::new("key", &data(next, 1000))])
            .unwrap();
        assert_eq!(small.assigned().first, SequenceNumber(next));
        let batch = ready(&store, next + 1..next + 1 + count, None);
        let appended = shard.append_ready(batch).unwrap().wait().unwrap();
        assert_eq!(appended.first, SequenceNumber(next + 1));
        assert_eq!(u64::from(appended.count), count);
        next += 1 + count;
    }
    assert_holds(&shard, 0..next, 1000);
    let crashed = crash(dir.path());
    let store = open(crashed.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_holds(&shard, 0..next, 1000);
}

#[test]
fn a_numbered_batch_is_written_once_in_either_size() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for (number, range) in [(0u64, 0..3u64), (1, 3..203), (2, 203..205)] {
        for again in [false, true, true] {
            let batch = ready(&store, range.clone(), Some((77, number)));
            let appended = shard.append_ready(batch).unwrap().wait().unwrap();
            assert_eq!(appended.first, SequenceNumber(range.start));
            assert_eq!(appended.duplicate, again);
        }
    }
    let skipped = shard.append_ready(ready(&store, 0..1, Some((77, 9))));
    assert!(matches!(
        skipped,
        Err(Error::OutOfOrder { expected: 3, .. })
    ));
    assert_holds(&shard, 0..205, 1000);
}

#[test]
fn nothing_in_a_batch_from_outside_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let build = || {
        let mut builder = BatchBuilder::new(store.buffer(8192).unwrap());
        builder.push(&Record::new("key", &data(0, 1000)));
        builder.push(&Record::new("key", &data(1, 1000)));
        let (buffer, header) = builder.finish();
        (buffer, header)
    };
    let limits = BatchLimits::default();
    let (buffer, header) = build();
    let len = header.batch_len();
    assert!(ReadyBatch::check(buffer, len, &limits).is_ok());
    // Every single byte of header and body is covered.
    for at in 0..len {
        let (mut buffer, _) = build();
        buffer[at] ^= 0x40;
        assert!(
            ReadyBatch::check(buffer, len, &limits).is_err(),
            "byte {at}"
        );
    }
    for wrong in [0, 63, len - 1, len + 8, 8192, 100_000] {
        let (buffer, _) = build();
        assert!(
            ReadyBatch::check(buffer, wrong, &limits).is_err(),
            "length {wrong}"
        );
    }
    // Fields that the server stamps may say anything; they are written over.
    let (mut buffer, mut header) = build();
    header.first_sequence = 1 << 60;
    header.time_ms = u64::MAX;
    header.watermark = u64::MAX;
    header.epoch = 1;
    header.encode(&mut buffer);
    let batch = ReadyBatch::check(buffer, len, &limits).unwrap();
    assert_eq!(
        shard.append_ready(batch).unwrap().wait().unwrap().first.0,
        0
    );
    assert_holds(&shard, 0..2, 1000);
    let mut cursor = shard.read(Position::Oldest).unwrap();
    let stored = cursor.next_batch().unwrap().unwrap();
    assert_eq!(
        (stored.header().watermark, stored.header().first_sequence),
        (0, 0)
    );
    assert!(stored.time_ms() < 1 << 50 && stored.header().epoch != 1);
    // A close mark, a count of zero and a producer entry for part of the records are refused.
    for change in 0..2 {
        let (mut buffer, mut header) = build();
        match change {
            0 => header.close = true,
            _ => header.count = 0,
        }
        header.encode(&mut buffer);
        assert!(
            ReadyBatch::check(buffer, len, &limits).is_err(),
            "change {change}"
        );
    }
    let mut builder = BatchBuilder::new(store.buffer(8192).unwrap());
    builder.push(&Record::new("key", b"1"));
    builder.push(&Record::new("key", b"2"));
    builder.push_producer(ProducerEntry {
        producer: 1,
        number: 0,
        first: 0,
        count: 1,
    });
    let (buffer, header) = builder.finish();
    assert!(ReadyBatch::check(buffer, header.batch_len(), &limits).is_err());
}
