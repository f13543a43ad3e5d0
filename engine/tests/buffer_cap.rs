//! A buffer keeps to its cap, on the medium and in memory, and counts what it drops.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use millstream_engine::{
    Buffer, BufferOptions, CursorStart, Error, SequenceNumber, WhenFull, format::Record,
};
use support::{buffer::*, crash, data};

fn dropping() -> BufferOptions {
    BufferOptions {
        when_full: WhenFull::DropOldest,
        ..options()
    }
}

/// Records that take a block each, so that a segment of 1 MiB holds 255.
const ONE_BLOCK: usize = 4000;

/// Pushes from `next` until the buffer is full; the number after the last that was taken.
fn fill(buffer: &Buffer, mut next: u64, len: usize) -> u64 {
    loop {
        match buffer.push(&data(next, len)) {
            Ok(sequence) => assert_eq!(sequence.0, next),
            Err(Error::BufferFull { held, cap }) => {
                assert!(held <= cap && cap == buffer.stats().unwrap().cap_bytes);
                return next;
            }
            Err(error) => panic!("{error}"),
        }
        next += 1;
    }
}

/// Sets a flag when it goes.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_full_buffer_refuses_until_acknowledgements_free_space() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    buffer.create_cursor("a", CursorStart::Oldest).unwrap();
    buffer.create_cursor("b", CursorStart::Oldest).unwrap();
    let full = fill(&buffer, 0, ONE_BLOCK);
    // Three segments of 255 blocks, less those kept for stamps.
    assert!((3 * 253..=3 * 255).contains(&full), "{full}");
    assert_eq!(peek_all(&buffer, "a"), expected(0..full, ONE_BLOCK));
    assert!(matches!(buffer.push(b""), Err(Error::BufferFull { .. })));
    buffer.acknowledge("a", SequenceNumber(full - 1)).unwrap();
    assert!(matches!(buffer.push(b""), Err(Error::BufferFull { .. })));
    // One record short of a segment.
    buffer.acknowledge("b", SequenceNumber(200)).unwrap();
    assert!(matches!(buffer.push(b""), Err(Error::BufferFull { .. })));
    buffer.acknowledge("b", SequenceNumber(254)).unwrap();
    let more = fill(&buffer, full, ONE_BLOCK);
    assert!(more - full >= 250, "{more} after {full}");
    let stats = buffer.stats().unwrap();
    assert_eq!((stats.dropped, stats.cursors[1].dropped), (0, 0));
    assert_eq!(stats.cursors[1].held, more - 255);
    drop(buffer);
    let buffer = open(dir.path());
    assert!(matches!(
        buffer.push(&[0; 60_000]),
        Err(Error::BufferFull { .. })
    ));
    assert_eq!(peek_all(&buffer, "b"), expected(255..more, ONE_BLOCK));
}

#[test]
fn the_oldest_go_and_each_cursor_counts_what_it_lost() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = Buffer::open(dir.path(), dropping()).unwrap();
    buffer.create_cursor("behind", CursorStart::Oldest).unwrap();
    buffer.create_cursor("ahead", CursorStart::Oldest).unwrap();
    push_together(&buffer, 0..600, ONE_BLOCK);
    buffer.acknowledge("ahead", SequenceNumber(99)).unwrap();
    assert_eq!(buffer.stats().unwrap().dropped, 0);
    push_together(&buffer, 600..2000, ONE_BLOCK);
    let stats = buffer.stats().unwrap();
    let oldest = stats.oldest.0;
    assert!(oldest > 1000, "{stats:?}");
    assert_eq!(stats.dropped, oldest);
    let [ahead, behind] = &stats.cursors[..] else {
        panic!("{stats:?}");
    };
    assert_eq!((ahead.dropped, ahead.held), (oldest - 100, 2000 - oldest));
    assert_eq!((behind.dropped, behind.held), (oldest, 2000 - oldest));
    assert_eq!(
        peek_all(&buffer, "behind"),
        expected(oldest..2000, ONE_BLOCK)
    );
    // The counts were on the medium before the records went.
    let crashed = crash(dir.path());
    let after = Buffer::open(crashed.path(), dropping()).unwrap();
    assert_eq!(after.cursors().unwrap(), stats.cursors);
    assert_eq!(peek_all(&after, "ahead"), expected(oldest..2000, ONE_BLOCK));
}

#[test]
fn a_cap_that_was_lowered_is_kept_to_at_the_open() {
    let dir = tempfile::tempdir().unwrap();
    let large = BufferOptions {
        cap_bytes: 16 << 20,
        ..dropping()
    };
    let buffer = Buffer::open(dir.path(), large).unwrap();
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    push_together(&buffer, 0..3000, ONE_BLOCK);
    assert_eq!(buffer.stats().unwrap().dropped, 0);
    drop(buffer);
    let buffer = Buffer::open(dir.path(), dropping()).unwrap();
    push_together(&buffer, 3000..3300, ONE_BLOCK);
    let stats = buffer.stats().unwrap();
    assert!(stats.held_bytes <= 4 << 20 && allocated(dir.path()) <= 4 << 20);
    assert_eq!(stats.cursors[0].dropped + stats.cursors[0].held, 3300);
    assert!(stats.cursors[0].held > 0);
}

#[test]
fn above_a_cap_that_was_lowered_nothing_is_pushed_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    // With segments of the same size.
    let large = BufferOptions {
        cap_bytes: 8 << 20,
        ..options()
    };
    let buffer = Buffer::open(dir.path(), large).unwrap();
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    push_together(&buffer, 0..1300, ONE_BLOCK);
    drop(buffer);
    let buffer = open(dir.path());
    assert!(buffer.stats().unwrap().held_bytes > 4 << 20);
    let refused = buffer.push(b"more").unwrap_err();
    assert!(matches!(refused, Error::BufferFull { .. }), "{refused}");
    buffer.acknowledge("c", SequenceNumber(1299)).unwrap();
    push_together(&buffer, 1300..1600, ONE_BLOCK);
    assert!(buffer.stats().unwrap().held_bytes <= 4 << 20 && allocated(dir.path()) <= 4 << 20);
    assert_eq!(peek_all(&buffer, "c"), expected(1300..1600, ONE_BLOCK));
}

#[test]
fn the_files_never_take_more_than_the_cap() {
    for (when_full, len) in [
        (WhenFull::DropOldest, ONE_BLOCK),
        (WhenFull::DropOldest, 200_000),
        (WhenFull::RejectNew, 30_000),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let cap = options().cap_bytes;
        let options = BufferOptions {
            when_full,
            ..options()
        };
        let buffer = Buffer::open(dir.path(), options).unwrap();
        buffer.create_cursor("c", CursorStart::Oldest).unwrap();
        let done = AtomicBool::new(false);
        let most = std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::SeqCst) {
                    most = most.max(allocated(dir.path()));
                    std::thread::sleep(Duration::from_millis(1));
                }
                most
            });
            // The watch ends when an assertion fails, too.
            let ending = Ending(&done);
            let mut left = 10 * cap;
            let mut number = 0;
            let mut under_way = Vec::new();
            while left > 0 {
                let bytes = data(number, len);
                match buffer.push_later(&[Record::new("", &bytes)]) {
                    Ok(ticket) => {
                        under_way.push(ticket);
                        number += 1;
                        left = left.saturating_sub(len as u64);
                    }
                    Err(Error::BufferFull { .. }) => {
                        let some = buffer.peek("c", 40, usize::MAX).unwrap();
                        buffer.acknowledge("c", some.last().unwrap()).unwrap();
                    }
                    Err(error) => panic!("{error}"),
                }
                if number % 20 == 0 {
                    let ended = under_way.drain(..).map(|ticket| ticket.wait().unwrap());
                    assert!(ended.count() <= 20);
                    assert!(buffer.stats().unwrap().held_bytes <= cap);
                }
            }
            if let Some(ticket) = under_way.pop() {
                ticket.wait().unwrap();
            }
            drop(ending);
            watch.join().unwrap()
        });
        assert!(most <= cap, "{most} bytes at a cap of {cap}");
        assert!(most > cap / 2, "{most} bytes at a cap of {cap}");
        let cursor = &buffer.cursors().unwrap()[0];
        assert_eq!(cursor.next.0 + cursor.held, buffer.stats().unwrap().end.0);
    }
}

/// Copying gives blocks to what had none.
fn make_sparse(path: &std::path::Path) {
    use std::os::unix::fs::FileExt;
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            make_sparse(&path);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        for (at, block) in (0u64..).zip(bytes.chunks(4096)) {
            if block.iter().any(|byte| *byte != 0) {
                file.write_all_at(block, at * 4096).unwrap();
            }
        }
    }
}

#[test]
fn crashes_do_not_eat_up_the_cap() {
    let mut dir = tempfile::tempdir().unwrap();
    open(dir.path())
        .create_cursor("c", CursorStart::Oldest)
        .unwrap();
    for i in 0..12 {
        let buffer = open(dir.path());
        push(&buffer, i..i + 1, 100);
        let crashed = crash(dir.path());
        make_sparse(&crashed.path().join("shards"));
        // A write behind the end that is not whole: it is trimmed, and a new segment begun.
        let shard = std::fs::read_dir(crashed.path().join("shards")).unwrap();
        let shard = shard.last().unwrap().unwrap().path();
        let mut segments: Vec<_> = std::fs::read_dir(shard)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "seg"))
            .collect();
        segments.sort();
        let active = segments.last().unwrap();
        let (at, _) = *support::batches(active).last().unwrap();
        let bytes = std::fs::read(active).unwrap();
        let header = &bytes[at as usize..at as usize + 64];
        support::overwrite(active, at + (3 << 12), header);
        drop(buffer);
        dir = crashed;
    }
    let buffer = open(dir.path());
    assert!(buffer.open_report().records.trimmed_bytes > 0);
    assert_eq!(peek_all(&buffer, "c"), expected(0..12, 100));
    assert!(fill(&buffer, 12, ONE_BLOCK) > 12 + 253);
}

#[test]
fn a_small_memory_is_enough_even_while_records_are_lent() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = Buffer::open(dir.path(), dropping()).unwrap();
    for cursor in ["a", "b", "c"] {
        buffer.create_cursor(cursor, CursorStart::Oldest).unwrap();
    }
    let len = buffer.max_push_bytes() - 16;
    assert!(len > 200_000);
    let lent = std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let buffer = &buffer;
            scope.spawn(move || {
                let mut last = None;
                for i in 0..50u64 {
                    let bytes = data(thread * 1000 + i, len);
                    last = Some(buffer.push_later(&[Record::new("", &bytes)]).unwrap());
                }
                last.unwrap().wait().unwrap();
            });
        }
        let mut lent = Vec::new();
        for _ in 0..4 {
            for cursor in ["a", "b", "c"] {
                lent.push(buffer.peek(cursor, usize::MAX, usize::MAX).unwrap());
            }
        }
        lent
    });
    let stats = buffer.stats().unwrap();
    assert_eq!(stats.end, SequenceNumber(200));
    assert_eq!(stats.cursors[0].dropped + stats.cursors[0].held, 200);
    // What was lent before it was dropped can still be read.
    for peek in &lent {
        let lens: Vec<_> = peek.records().map(|r| r.unwrap().data.len()).collect();
        assert!(lens.iter().all(|found| *found == len));
    }
    let too_large = buffer.push(&vec![0; len + 8192]);
    assert!(matches!(too_large, Err(Error::BatchTooLarge { .. })));
}

#[test]
fn many_threads_push_at_the_cap_and_lose_nothing_silently() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path());
    buffer.create_cursor("c", CursorStart::Oldest).unwrap();
    let stop = AtomicBool::new(false);
    let (pushed, mut seen) = std::thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            let mut seen = Vec::new();
            loop {
                let ending = stop.load(Ordering::SeqCst);
                let peek = buffer.peek("c", 500, 1 << 20).unwrap();
                seen.extend(peek.records().map(|r| r.unwrap().data.to_vec()));
                match peek.last() {
                    Some(last) => buffer.acknowledge("c", last).unwrap(),
                    None if ending => return seen,
                    None => std::thread::yield_now(),
                }
            }
        });
        let ending = Ending(&stop);
        let threads: Vec<_> = (0..4u64)
            .map(|thread| {
                let buffer = &buffer;
                scope.spawn(move || {
                    let mut pushed = Vec::new();
                    for i in 0..1000 {
                        let bytes = data(thread << 32 | i, 3000);
                        if buffer
                            .push_later(&[Record::new("", &bytes)])
                            .and_then(|t| t.wait())
                            .is_ok()
                        {
                            pushed.push(bytes);
                        }
                    }
                    pushed
                })
            })
            .collect();
        let pushed: Vec<_> = threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect();
        drop(ending);
        (pushed, consumer.join().unwrap())
    });
    let mut pushed = pushed;
    assert!(pushed.len() > 1000);
    pushed.sort();
    seen.sort();
    assert!(
        pushed == seen,
        "{} pushed, {} seen",
        pushed.len(),
        seen.len()
    );
}
