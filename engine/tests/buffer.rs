//! The embedded buffer: what is pushed is peeked until it is acknowledged, across closes and
//! crashes, by each cursor for itself.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::time::Duration;

use millstream_engine::{Buffer, CursorStart, Durability, Error, SequenceNumber, Store};
use support::{buffer::*, crash, data, store_options};

#[test]
fn what_is_not_acknowledged_comes_again_after_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    push(&buffer, 0..20, 100);
    assert_eq!(peek_all(&buffer, "c"), expected(0..20, 100));
    buffer.acknowledge("c", SequenceNumber(6)).unwrap();
    buffer.acknowledge("c", SequenceNumber(3)).unwrap();
    assert_eq!(peek_all(&buffer, "c"), expected(7..20, 100));
    buffer.close().unwrap();
    assert!(matches!(buffer.push(b"late"), Err(Error::Closed { .. })));
    assert!(matches!(buffer.peek("c", 1, 1), Err(Error::Closed { .. })));
    let late = buffer.acknowledge("c", SequenceNumber(9));
    assert!(matches!(late, Err(Error::Closed { .. })));
    drop(buffer);

    let buffer = open(dir.path());
    assert!(buffer.open_report().records.clean);
    assert_eq!(peek_all(&buffer, "c"), expected(7..20, 100));
    push(&buffer, 20..22, 100);
    assert_eq!(peek_all(&buffer, "c"), expected(7..22, 100));
}

#[test]
fn a_crash_repeats_only_what_was_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    for upto in (0..50u64).step_by(7) {
        push(&buffer, upto..upto + 7, 1000);
        buffer.acknowledge("c", SequenceNumber(upto)).unwrap();
        let crashed = crash(dir.path());
        let after = open(crashed.path());
        assert_eq!(after.open_report().set_back, vec![]);
        assert_eq!(peek_all(&after, "c"), expected(upto + 1..upto + 7, 1000));
        push(&after, upto + 7..upto + 9, 1000);
        assert_eq!(peek_all(&after, "c"), expected(upto + 1..upto + 9, 1000));
    }
}

#[test]
fn cursors_are_apart_and_space_waits_for_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    buffer.create_cursor("fast", CursorStart::Oldest).unwrap();
    buffer.create_cursor("slow", CursorStart::Oldest).unwrap();
    // Two segments of 1 MiB and some: 64 KiB and a header take 17 blocks, 15 fit in a segment.
    push(&buffer, 0..32, 64 << 10);
    buffer.acknowledge("fast", SequenceNumber(31)).unwrap();
    assert!(peek_all(&buffer, "fast").is_empty());
    let stats = buffer.stats().unwrap();
    assert_eq!((stats.records, stats.oldest), (32, SequenceNumber(0)));
    assert_eq!((stats.cursors[0].held, stats.cursors[1].held), (0, 32));
    buffer
        .create_cursor("late", CursorStart::AfterLatest)
        .unwrap();
    buffer.acknowledge("slow", SequenceNumber(14)).unwrap();
    assert_eq!(buffer.stats().unwrap().oldest, SequenceNumber(15));
    assert_eq!(peek_all(&buffer, "slow"), expected(15..32, 64 << 10));
    buffer.remove_cursor("slow").unwrap();
    assert_eq!(buffer.stats().unwrap().oldest, SequenceNumber(30));
    assert!(matches!(
        buffer.peek("slow", 1, 1),
        Err(Error::NoCursor { .. })
    ));
    push(&buffer, 32..33, 10);
    assert_eq!(peek_all(&buffer, "late"), expected(32..33, 10));
    drop(buffer);
    let buffer = open(dir.path());
    let names: Vec<_> = buffer
        .cursors()
        .unwrap()
        .into_iter()
        .map(|c| c.name)
        .collect();
    assert_eq!(names, ["fast", "late"]);
    assert_eq!(peek_all(&buffer, "fast"), expected(32..33, 10));
}

#[test]
fn a_cursor_made_late_starts_at_the_oldest_of_all_segments() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    push(&buffer, 0..32, 64 << 10);
    buffer.create_cursor("late", CursorStart::Oldest).unwrap();
    assert_eq!(buffer.cursors().unwrap()[0].held, 32);
    assert_eq!(peek_all(&buffer, "late"), expected(0..32, 64 << 10));
}

#[test]
fn a_peek_keeps_to_its_bounds_and_lends_one_record_at_least() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    let many: Vec<_> = (0..100).map(|i| data(i, 992)).collect();
    let pushed = buffer.push_many(&many).unwrap();
    assert_eq!((pushed.first, pushed.count), (SequenceNumber(0), 100));
    buffer.push_with_key("key", b"data").unwrap();
    assert_eq!(buffer.peek("c", 0, 1 << 20).unwrap().len(), 0);
    assert_eq!(buffer.peek("c", 7, 1 << 20).unwrap().len(), 7);
    assert_eq!(buffer.peek("c", 1000, 1).unwrap().len(), 1);
    assert_eq!(buffer.peek("c", 1000, 5500).unwrap().len(), 5);
    assert_eq!(buffer.peek("c", 1000, 1 << 20).unwrap().len(), 101);
    buffer.acknowledge("c", SequenceNumber(97)).unwrap();
    let peek = buffer.peek("c", 3, 1 << 20).unwrap();
    let last = peek.records().last().unwrap().unwrap();
    assert_eq!((last.key, last.data), ("key", &b"data"[..]));
    assert!(last.time_ms > 0 && peek.last() == Some(SequenceNumber(100)));
}

#[test]
fn a_consumer_waits_for_records() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    buffer.create_cursor("c", CursorStart::AfterLatest).unwrap();
    assert!(!buffer.wait("c", Some(Duration::ZERO)).unwrap());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| buffer.wait("c", None).unwrap());
        buffer.push(b"here").unwrap();
        assert!(waiting.join().unwrap());
    });
    assert!(buffer.wait("c", Some(Duration::ZERO)).unwrap());
    buffer.acknowledge("c", SequenceNumber(0)).unwrap();
    assert!(!buffer.wait("c", Some(Duration::ZERO)).unwrap());
    let end = buffer.acknowledge("c", SequenceNumber(1));
    assert!(matches!(end, Err(Error::AcknowledgedBeyondEnd { .. })));
}

#[test]
fn a_store_of_others_and_options_that_cannot_be_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), store_options()).unwrap();
    let shard = store.create_shard(support::SHARD, support::small_segments());
    drop((shard, store));
    let opened = Buffer::open(dir.path(), options());
    assert!(matches!(opened, Err(Error::NotABuffer { .. })));
    let dir = tempfile::tempdir().unwrap();
    let mut small = options();
    small.cap_bytes -= 1;
    let opened = Buffer::open(dir.path(), small);
    assert!(matches!(
        opened,
        Err(Error::Option {
            option: "cap_bytes",
            ..
        })
    ));
    let _open = open(dir.path());
    let mut second = options();
    second.lock_wait = Duration::ZERO;
    let opened = Buffer::open(dir.path(), second);
    assert!(matches!(opened, Err(Error::InUse { .. })));
}

#[test]
fn a_written_buffer_goes_on_after_a_crash_without_using_a_number_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = options();
    written.durability = Durability::Written;
    let buffer = Buffer::open(dir.path(), written.clone()).unwrap();
    buffer.create_cursor("all", CursorStart::Oldest).unwrap();
    buffer.create_cursor("most", CursorStart::Oldest).unwrap();
    push(&buffer, 0..10, 100);
    buffer.acknowledge("all", SequenceNumber(9)).unwrap();
    buffer.acknowledge("most", SequenceNumber(8)).unwrap();
    let crashed = crash(dir.path());
    let after = Buffer::open(crashed.path(), written).unwrap();
    assert!(after.open_report().records.jumped);
    // Nothing is there to be read, although numbers were skipped.
    assert!(!after.wait("all", Some(Duration::ZERO)).unwrap());
    let held = |buffer: &Buffer| {
        let stats = buffer.stats().unwrap();
        (stats.records, stats.cursors[0].held, stats.cursors[1].held)
    };
    assert_eq!(held(&after), (10, 0, 1));
    let next = after.push(b"next").unwrap();
    assert!(next.0 > 10);
    assert_eq!(held(&after), (11, 1, 2));
    let next = (next.0, b"next".to_vec());
    let both = [(9, data(9, 100)), next];
    assert_eq!(peek_all(&after, "all"), both[1..]);
    assert_eq!(peek_all(&after, "most"), both);
}
