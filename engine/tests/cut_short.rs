//! A segment file is cut short from outside while its store is open: reads of what is gone are
//! errors that name the place, and everything else goes on.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{
    fs::OpenOptions,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use millstream_engine::{
    Cursor, Damage, Error, Position, SequenceNumber, Shard, ShardId, ShardState, Store,
    StoreOptions, format::Record, inspect,
};
use support::*;

const OTHER: ShardId = ShardId(8);
/// Bytes of a record: several batches to a segment, each of several pages.
const LEN: usize = 30_000;

/// Little is kept in memory, so that readers need the maps.
fn open_small(path: &Path) -> Store {
    let options = StoreOptions {
        memory_budget: 2 << 20,
        ..store_options()
    };
    Store::open(path, options).unwrap()
}

/// Appends until the shard has so many segments; the number of records.
fn fill(shard: &Shard, segments: usize) -> u64 {
    let mut next = shard.end().0;
    while shard.status().segments < segments {
        append(shard, next..next + 1, LEN);
        next += 1;
    }
    next
}

fn cut(path: &Path, len: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(len).unwrap();
}

fn damage(error: Error) -> Arc<Damage> {
    match error {
        Error::Damaged { shard, damage } => {
            assert_eq!(shard, SHARD);
            damage
        }
        other => panic!("{other}"),
    }
}

/// Reads on to the end or to damage; each record is the one that it should be.
fn read_on(cursor: &mut Cursor) -> Option<Arc<Damage>> {
    let mut next = cursor.position().0;
    loop {
        let batch = match cursor.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => return None,
            Err(error) => return Some(damage(error)),
        };
        for record in batch.records() {
            let (sequence, record) = record.unwrap();
            assert_eq!(sequence.0, next);
            assert_eq!(record.data, data(next, LEN));
            next += 1;
        }
        assert!(batch.is_intact());
    }
}

#[test]
fn a_sealed_segment_that_is_cut_short_under_its_readers_is_damage_from_there_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_small(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let other = store.create_shard(OTHER, small_segments()).unwrap();
    let end = fill(&shard, 4);
    append(&other, 0..10, LEN);
    let segment = files(dir.path(), "seg").remove(0);
    let places: Vec<_> = batches(&segment);
    let (gone_at, gone) = places[places.len() / 2];
    let behind = places.last().unwrap().1.end_sequence();

    // One reader stands before the place, one has been lent what lies behind it.
    let mut early = shard.read(Position::Oldest).unwrap();
    let first = early.next_batch().unwrap().unwrap();
    let last = SequenceNumber(behind - 1);
    let mut late = shard.read(Position::At(last)).unwrap();
    let lent = late.next_batch().unwrap().unwrap();
    assert!(first.is_intact() && lent.is_intact());
    assert_eq!(lent.stored().len(), lent.header().batch_len());

    // The header of the batch is still there, its body is not.
    let len = gone_at + 4096;
    cut(&segment, len);
    let found = read_on(&mut early).unwrap();
    assert_eq!((&found.file, found.offset), (&segment, gone_at));
    assert_eq!(found.sequence.0, gone.first_sequence);
    assert_eq!(found.resume, Some(SequenceNumber(behind)));
    let reason = format!("the file was cut short: it has {len} bytes");
    assert_eq!(found.reason, reason);
    assert!(first.is_intact(), "it lies before the place");
    assert!(!lent.is_intact(), "it is zeros");
    assert!(lent.stored().iter().all(|byte| *byte == 0));
    // It is told again, and not passed.
    assert_eq!(read_on(&mut early), Some(Arc::clone(&found)));
    early.skip_to(found.resume.unwrap());
    assert_eq!(read_on(&mut early), None);
    assert_eq!(early.position().0, end);

    // Whoever comes new is told the same, wherever in there he begins.
    for position in [Position::Oldest, Position::At(found.sequence)] {
        let mut new = shard.read(position).unwrap();
        assert_eq!(read_on(&mut new), Some(Arc::clone(&found)));
    }
    let mut new = shard.read(Position::At(last)).unwrap();
    let found = read_on(&mut new).unwrap();
    assert_eq!((&found.file, found.sequence), (&segment, last));
    assert_eq!(found.resume, Some(SequenceNumber(behind)));

    // Nobody else is concerned.
    append(&shard, end..end + 20, LEN);
    append(&other, 10..60, LEN);
    assert!(matches!(shard.status().state, ShardState::Open));
    assert_eq!(read_from(&other, Position::Oldest).len(), 60);
    let mut new = shard.read(Position::At(SequenceNumber(behind))).unwrap();
    assert_eq!(read_on(&mut new), None);
}

#[test]
fn a_segment_that_is_whole_again_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_small(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    fill(&shard, 3);
    let segment = files(dir.path(), "seg").remove(0);
    let whole = std::fs::read(&segment).unwrap();
    assert_eq!(read_on(&mut shard.read(Position::Oldest).unwrap()), None);
    let mapped = store.stats().mapped_segments;
    let mut cursor = shard.read(Position::Oldest).unwrap();
    cursor.next_batch().unwrap().unwrap();
    cut(&segment, 8192);
    let found = read_on(&mut cursor).unwrap();
    std::fs::write(&segment, &whole).unwrap();
    // For the cursor that was told, and for a new one, which needs no medium for it.
    assert_eq!(read_on(&mut cursor), None);
    let mut new = shard.read(Position::At(found.sequence)).unwrap();
    let batch = new.next_batch().unwrap().unwrap();
    assert!(batch.is_intact() && batch.first() == found.sequence);
    assert_eq!(read_on(&mut new), None);
    assert_eq!(store.stats().mapped_segments, mapped);
}

#[test]
fn a_segment_is_cut_short_while_many_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_small(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let end = fill(&shard, 3);
    let segment = files(dir.path(), "seg").remove(0);
    let behind = batches(&segment).last().unwrap().1.end_sequence();
    let rounds = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (shard, rounds) = (shard.clone(), Arc::clone(&rounds));
            thread::spawn(move || {
                loop {
                    let mut cursor = shard.read(Position::Oldest).unwrap();
                    // A batch that was lent may turn to zeros before it is looked at; it says so.
                    let met = loop {
                        match cursor.next_batch() {
                            Ok(Some(batch)) => {
                                let seen = batch.stored().to_vec();
                                let header = batch.header();
                                let holds = header.verify_body(&seen[64..]).is_ok();
                                assert!(holds || !batch.is_intact());
                            }
                            Ok(None) => break false,
                            Err(error) => {
                                let resume = damage(error).resume.unwrap();
                                assert_eq!(resume.0, behind);
                                cursor.skip_to(resume);
                                break true;
                            }
                        }
                    };
                    rounds.fetch_add(1, Ordering::SeqCst);
                    if met {
                        assert_eq!(read_on(&mut cursor), None);
                        assert_eq!(cursor.position().0, end);
                        return;
                    }
                }
            })
        })
        .collect();
    while rounds.load(Ordering::SeqCst) < 20 {
        thread::yield_now();
    }
    cut(&segment, 64 << 10);
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn the_active_segment_is_cut_short_under_its_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_small(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let other = store.create_shard(OTHER, small_segments()).unwrap();
    append(&other, 0..10, LEN);
    let (written, stop) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let writer = {
        let (shard, written, stop) = (shard.clone(), Arc::clone(&written), Arc::clone(&stop));
        thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let next = written.load(Ordering::SeqCst);
                shard
                    .append(&[Record::new("key", &data(next, LEN))])
                    .unwrap()
                    .wait()
                    .unwrap();
                written.store(next + 1, Ordering::SeqCst);
            }
        })
    };
    let wait_for = |records: u64| {
        while written.load(Ordering::SeqCst) < records && !writer.is_finished() {
            thread::yield_now();
        }
    };
    wait_for(20);
    let segment = files(dir.path(), "seg").remove(0);
    // Mapped, and read to where the writer is.
    let mut cursor = shard.read(Position::Oldest).unwrap();
    cursor.next_batch().unwrap().unwrap();
    cut(&segment, 64 << 10);
    wait_for(200);
    stop.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    assert!(matches!(shard.status().state, ShardState::Open));
    // What was written since has made the file longer again, so that what is missing is zeros.
    let found = read_on(&mut cursor).unwrap();
    assert_eq!(found.file, segment);
    assert!((32 << 10..64 << 10).contains(&found.offset), "{found}");
    let resume = found.resume.unwrap();
    assert!((3..60).contains(&resume.0), "{found}");
    cursor.skip_to(resume);
    assert_eq!(read_on(&mut cursor), None);
    assert_eq!(cursor.position(), shard.end());
    append(&other, 10..20, LEN);
    assert_eq!(read_from(&other, Position::Oldest).len(), 20);
}

#[test]
fn a_look_from_outside_survives_files_that_are_cut_short_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_small(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    fill(&shard, 3);
    let segments = files(dir.path(), "seg");
    let mut seen = 0;
    // The next one goes while the first is looked at.
    let look = inspect::inspect(dir.path(), &mut |_| {
        seen += 1;
        if seen == 1 {
            cut(&segments[1], 64 << 10);
        }
    });
    let look = look.unwrap();
    let damaged: Vec<_> = look
        .damage()
        .map(|finding| finding.damage.file.clone())
        .collect();
    assert!(!damaged.is_empty(), "{damaged:?}");
    assert!(damaged.iter().all(|file| *file == segments[1]));
}
