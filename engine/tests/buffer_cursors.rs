//! Cursors on the medium: lazy acknowledgements, damaged copies, names.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use millstream_engine::{
    AcknowledgeMode, Buffer, BufferOptions, CursorStart, Error, SequenceNumber, buffer::MAX_CURSORS,
};
use support::{buffer::*, crash, overwrite};

fn lazy(interval: Duration) -> BufferOptions {
    BufferOptions {
        acknowledge: AcknowledgeMode::Within(interval),
        ..options()
    }
}

fn file_of(store: &Path, cursor: &str) -> PathBuf {
    store.join("cursors").join(format!("{cursor}.cursor"))
}

/// A buffer with ten records, of which the cursor has acknowledged those up to 3, then up to 5:
/// one is in each copy.
fn acknowledged_in_two_steps() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    push(&buffer, 0..10, 100);
    for upto in [3, 5] {
        buffer.acknowledge("c", SequenceNumber(upto)).unwrap();
    }
    dir
}

#[test]
fn lazy_acknowledgements_are_repeated_by_a_crash_and_kept_by_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3600);
    let buffer = Buffer::open(dir.path(), lazy(hour)).unwrap();
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    push(&buffer, 0..10, 100);
    buffer.acknowledge("c", SequenceNumber(3)).unwrap();
    assert_eq!(peek_all(&buffer, "c"), expected(4..10, 100));
    let crashed = crash(dir.path());
    assert_eq!(peek_all(&open(crashed.path()), "c"), expected(0..10, 100));
    buffer.flush_acknowledgements().unwrap();
    buffer.acknowledge("c", SequenceNumber(6)).unwrap();
    let crashed = crash(dir.path());
    assert_eq!(peek_all(&open(crashed.path()), "c"), expected(4..10, 100));
    drop(buffer);
    assert_eq!(peek_all(&open(dir.path()), "c"), expected(7..10, 100));
}

#[test]
fn lazy_acknowledgements_reach_the_medium_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = Buffer::open(dir.path(), lazy(Duration::from_millis(5))).unwrap();
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    push(&buffer, 0..10, 100);
    let before = std::fs::read(file_of(dir.path(), "c")).unwrap();
    buffer.acknowledge("c", SequenceNumber(9)).unwrap();
    let mut looks = 0;
    while std::fs::read(file_of(dir.path(), "c")).unwrap() == before {
        std::thread::sleep(Duration::from_millis(5));
        looks += 1;
        assert!(looks < 2000, "nothing was written");
    }
    let crashed = crash(dir.path());
    assert!(peek_all(&open(crashed.path()), "c").is_empty());
}

#[test]
fn a_full_buffer_writes_lazy_acknowledgements_before_it_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = Buffer::open(dir.path(), lazy(Duration::from_secs(3600))).unwrap();
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    for i in 0..1200 {
        let sequence = buffer.push(&support::data(i, 4000)).unwrap();
        buffer.acknowledge("c", sequence).unwrap();
    }
    let stats = buffer.stats().unwrap();
    assert!(stats.oldest.0 >= 255 && stats.dropped == 0, "{stats:?}");
}

#[test]
fn one_damaged_copy_leaves_the_other() {
    // The newer copy holds 6, the older 4.
    for (block, next) in [(0, 6), (1, 4), (0, 6), (1, 4)] {
        let dir = acknowledged_in_two_steps();
        let file = file_of(dir.path(), "c");
        let bytes = std::fs::read(&file).unwrap();
        let newer =
            [0, 4096].map(|at| u64::from_le_bytes(bytes[at + 16..at + 24].try_into().unwrap()));
        let newest = if newer[0] > newer[1] { 0 } else { 1 };
        let (damaged, expected_next) = if block == 1 {
            (newest, next)
        } else {
            (1 - newest, next)
        };
        overwrite(&file, damaged * 4096 + 24, &[0xff]);
        let buffer = open(dir.path());
        assert_eq!(buffer.open_report().mended, ["c"]);
        assert_eq!(peek_all(&buffer, "c"), expected(expected_next..10, 100));
        drop(buffer);
        let buffer = open(dir.path());
        assert!(buffer.open_report().mended.is_empty());
        assert_eq!(peek_all(&buffer, "c"), expected(expected_next..10, 100));
    }
}

#[test]
fn two_damaged_copies_are_an_error_and_never_a_reset() {
    type Harm = fn(&Path);
    let harms: [Harm; 3] = [
        |file| {
            overwrite(file, 30, &[0xff]);
            overwrite(file, 4096 + 30, &[0xff]);
        },
        |file| overwrite(file, 0, &[0; 8192]),
        |file| std::fs::write(file, b"").unwrap(),
    ];
    for harm in harms {
        let dir = acknowledged_in_two_steps();
        harm(&file_of(dir.path(), "c"));
        let buffer = open(dir.path());
        assert_eq!(buffer.open_report().damaged, ["c"]);
        let damaged =
            |result: Result<(), Error>| matches!(result, Err(Error::CursorDamaged { .. }));
        assert!(damaged(buffer.peek("c", 1, 1).map(drop)));
        assert!(damaged(buffer.acknowledge("c", SequenceNumber(9))));
        assert!(damaged(buffer.wait("c", None).map(drop)));
        assert!(buffer.cursors().unwrap()[0].damaged);
        let again = buffer.create_cursor("c", CursorStart::Oldest);
        assert!(matches!(again, Err(Error::CursorExists { .. })));
        // Pushes go on; nothing goes.
        push(&buffer, 10..11, 100);
        buffer.remove_cursor("c").unwrap();
        buffer.create_cursor("c", CursorStart::Oldest).unwrap();
        assert_eq!(peek_all(&buffer, "c"), expected(0..11, 100));
    }
}

#[test]
fn a_cursor_beyond_the_end_is_set_back_and_passes_over_nothing_new() {
    let dir = acknowledged_in_two_steps();
    let other = tempfile::tempdir().unwrap();
    let buffer = open(other.path());
    push(&buffer, 0..2, 100);
    drop(buffer);
    // The records were lost, the cursor was not.
    std::fs::copy(file_of(dir.path(), "c"), file_of(other.path(), "c")).unwrap();
    let buffer = open(other.path());
    assert_eq!(
        buffer.open_report().set_back,
        [("c".to_owned(), SequenceNumber(6))]
    );
    push(&buffer, 2..9, 100);
    let crashed = crash(other.path());
    assert_eq!(peek_all(&open(crashed.path()), "c"), expected(2..9, 100));
}

#[test]
fn records_that_are_gone_while_cursors_are_not_are_an_error() {
    let dir = acknowledged_in_two_steps();
    std::fs::remove_dir_all(dir.path().join("shards")).unwrap();
    let opened = Buffer::open(dir.path(), options());
    assert!(matches!(opened, Err(Error::NoShard { .. })), "{opened:?}");
}

#[test]
fn a_making_cut_short_leaves_no_cursor() {
    let dir = acknowledged_in_two_steps();
    let partial = dir.path().join("cursors").join("d.cursor.partial");
    std::fs::write(&partial, b"half").unwrap();
    let buffer = open(dir.path());
    assert!(!partial.exists());
    assert_eq!(buffer.cursors().unwrap().len(), 1);
    buffer.create_cursor("d", CursorStart::Oldest).unwrap();
}

#[test]
fn names_and_numbers_of_cursors_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    let long = "x".repeat(65);
    for name in ["", ".", "..", ".a", "a/b", "a b", "ä", &long] {
        let made = buffer.create_cursor(name, CursorStart::Oldest);
        assert!(matches!(made, Err(Error::CursorName { .. })), "{name:?}");
    }
    buffer.create_cursor("a", CursorStart::Oldest).unwrap();
    let same = buffer.create_cursor("A", CursorStart::Oldest);
    assert!(matches!(same, Err(Error::CursorExists { .. })));
    for i in 1..MAX_CURSORS {
        buffer
            .create_cursor(&format!("{i}{}", "x".repeat(60)), CursorStart::Oldest)
            .unwrap();
    }
    let more = buffer.create_cursor("b", CursorStart::Oldest);
    assert!(matches!(
        more,
        Err(Error::TooManyCursors { limit: MAX_CURSORS })
    ));
    drop(buffer);
    assert_eq!(open(dir.path()).cursors().unwrap().len(), MAX_CURSORS);
}
