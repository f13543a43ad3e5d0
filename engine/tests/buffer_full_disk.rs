//! A full medium refuses pushes, not acknowledgements, and what these free can be written again.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use millstream_engine::{Buffer, BufferOptions, CursorStart, Error, SequenceNumber};
use support::{buffer::*, data, faulty::faulty_options};

#[test]
fn acknowledgements_on_a_full_disk_free_room_for_pushes() {
    let dir = tempfile::tempdir().unwrap();
    let (faulty, faults) = faulty_options(dir.path());
    let small = BufferOptions {
        cap_bytes: 8 << 20,
        environment: faulty.environment,
        ..options()
    };
    let buffer = Buffer::open(dir.path(), small).unwrap();
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    push(&buffer, 0..32, 64 << 10);
    faults.full.store(true, Ordering::SeqCst);
    let mut next = 32;
    let refused = loop {
        match buffer.push(&data(next, 64 << 10)) {
            Ok(_) => next += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::NoSpace { .. }), "{refused}");
    assert_eq!(peek_all(&buffer, "c"), expected(0..next, 64 << 10));
    // Within the first segment, then all of it.
    buffer.acknowledge("c", SequenceNumber(10)).unwrap();
    assert_eq!(buffer.stats().unwrap().oldest, SequenceNumber(0));
    buffer.acknowledge("c", SequenceNumber(14)).unwrap();
    assert_eq!(buffer.stats().unwrap().oldest, SequenceNumber(15));
    faults.full.store(false, Ordering::SeqCst);
    let mut tries = 0;
    while let Err(error) = buffer.push(&data(next, 64 << 10)) {
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        std::thread::sleep(Duration::from_millis(20));
        tries += 1;
        assert!(tries < 500, "writes did not resume");
    }
    assert_eq!(peek_all(&buffer, "c"), expected(15..next + 1, 64 << 10));
}

#[test]
fn a_failed_write_ends_pushes_and_nothing_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (faulty, faults) = faulty_options(dir.path());
    let poor = BufferOptions {
        environment: faulty.environment,
        ..options()
    };
    let buffer = Buffer::open(dir.path(), poor.clone()).unwrap();
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    push(&buffer, 0..20, 64 << 10);
    faults.writes.store(true, Ordering::SeqCst);
    let failed = buffer.push(&data(20, 64 << 10)).unwrap_err();
    assert!(failed.outcome_unknown(), "{failed}");
    buffer.acknowledge("c", SequenceNumber(17)).unwrap();
    assert_eq!(buffer.stats().unwrap().oldest, SequenceNumber(0));
    assert_eq!(peek_all(&buffer, "c"), expected(18..20, 64 << 10));
    assert!(matches!(buffer.push(b""), Err(Error::Poisoned { .. })));
    drop(buffer);
    faults.writes.store(false, Ordering::SeqCst);
    let buffer = Buffer::open(dir.path(), poor).unwrap();
    let records = peek_all(&buffer, "c");
    assert_eq!(records[..2], expected(18..20, 64 << 10));
    // It may be there or not, but whole.
    assert!(records.len() == 2 || records[2..] == expected(20..21, 64 << 10));
    assert_eq!(buffer.stats().unwrap().oldest, SequenceNumber(15));
}
