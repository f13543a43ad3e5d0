//! What a crash leaves is recovered: everything acknowledged is there, a torn tail is trimmed and
//! never comes back, damage to what was acknowledged is reported with its place.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{path::Path, time::Duration};

use millstream_engine::{
    Durability, Error, Position, SequenceNumber, ShardOptions, ShardState, Store, format::Record,
};
use support::*;

/// A store with `count` records, one batch each, as a crash right after the last acknowledgement
/// leaves it.
fn crashed(count: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for i in 0..count {
        append(&shard, i..i + 1, 100);
    }
    crash(dir.path())
}

fn reopen(path: &Path) -> (Store, millstream_engine::Shard) {
    let store = open(path);
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    (store, shard)
}

fn data_batches(segment: &Path) -> Vec<(u64, millstream_engine::format::BatchHeader)> {
    let mut found = batches(segment);
    found.retain(|(_, header)| header.count > 0);
    found
}

#[test]
fn everything_acknowledged_survives_a_crash_and_numbers_go_on() {
    let dir = crashed(300);
    let (store, shard) = reopen(dir.path());
    let report = shard.status().opened;
    assert!(!report.clean && report.trimmed_records == 0, "{report:?}");
    assert_holds(&shard, 0..300, 100);
    append(&shard, 300..310, 100);
    assert_holds(&shard, 0..310, 100);
    drop((store, shard));
    let (_store, shard) = reopen(dir.path());
    assert_holds(&shard, 0..310, 100);
}

#[test]
fn a_torn_tail_is_trimmed_and_never_comes_back() {
    let dir = crashed(20);
    let segment = files(dir.path(), "seg").remove(0);
    let all = data_batches(&segment);
    // The last two were in flight together: the first of them is torn, the second whole. Their
    // headers show no watermark above them.
    let (torn, header) = all[18];
    assert_eq!(header.watermark, 18);
    let mut second = all[19].1;
    second.watermark = 18;
    let mut bytes = [0; 64];
    second.encode(&mut bytes);
    overwrite(&segment, all[19].0, &bytes);
    overwrite(&segment, torn + 80, &[0xee; 16]);

    let (store, shard) = reopen(dir.path());
    let status = shard.status();
    assert!(matches!(status.state, ShardState::Open));
    assert_eq!(status.opened.trimmed_records, 1);
    assert!(status.opened.trimmed_bytes >= 8192);
    assert_holds(&shard, 0..18, 100);
    // A batch of the same length goes where the torn one was expected.
    append(&shard, 18..19, 100);
    drop(shard);
    store.close().unwrap();
    drop(store);
    let (_store, shard) = reopen(dir.path());
    assert_holds(&shard, 0..19, 100);
}

#[test]
fn trimming_is_repeated_when_recovery_itself_is_cut_off() {
    let dir = crashed(10);
    let segment = files(dir.path(), "seg").remove(0);
    let last = data_batches(&segment)[9].0;
    overwrite(&segment, last, &[0xee; 64]);
    for _ in 0..3 {
        let (store, shard) = reopen(dir.path());
        assert_holds(&shard, 0..9, 100);
        let again = crash(dir.path());
        drop((shard, store));
        let (_store, shard) = reopen(again.path());
        assert_holds(&shard, 0..9, 100);
    }
}

#[test]
fn damage_below_the_watermark_is_reported_and_read_around() {
    let dir = crashed(20);
    let segment = files(dir.path(), "seg").remove(0);
    let (offset, _) = data_batches(&segment)[5];
    overwrite(&segment, offset + 80, &[0xee]);
    let before = std::fs::read(&segment).unwrap();

    let (store, shard) = reopen(dir.path());
    let status = shard.status();
    let ShardState::ReadOnly(damage) = &status.state else {
        panic!("{status:?}");
    };
    assert_eq!(
        (damage.offset, damage.sequence),
        (offset, SequenceNumber(5))
    );
    assert_eq!(damage.resume, Some(SequenceNumber(6)));
    assert_eq!(damage.file, segment);
    let refused = shard.append(&[Record::new("k", b"1")]);
    assert!(matches!(refused, Err(Error::ReadOnly { .. })));

    let mut cursor = shard.read(Position::Oldest).unwrap();
    let mut seen = Vec::new();
    loop {
        match cursor.next_batch() {
            Ok(Some(batch)) => seen.extend(batch.records().map(|r| r.unwrap().0.0)),
            Ok(None) => break,
            Err(Error::Damaged { damage, .. }) => {
                assert_eq!(damage.sequence, SequenceNumber(5));
                cursor.skip_to(damage.resume.unwrap());
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(seen, (0..20).filter(|i| *i != 5).collect::<Vec<_>>());
    assert_eq!(read_from(&shard, Position::At(SequenceNumber(6))).len(), 14);
    drop((shard, store));
    assert_eq!(
        std::fs::read(&segment).unwrap(),
        before,
        "the evidence was touched"
    );
}

#[test]
fn zeros_over_acknowledged_records_are_damage_and_not_the_end() {
    let dir = crashed(20);
    let segment = files(dir.path(), "seg").remove(0);
    let (offset, _) = data_batches(&segment)[7];
    overwrite(&segment, offset, &[0; 4096]);
    let (_store, shard) = reopen(dir.path());
    let status = shard.status();
    let ShardState::ReadOnly(damage) = &status.state else {
        panic!("{status:?}");
    };
    assert_eq!(
        (damage.offset, damage.sequence),
        (offset, SequenceNumber(7))
    );
}

#[test]
fn an_idle_shard_shows_its_watermark_so_that_its_last_record_is_guarded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..1, 100);
    let segment = files(dir.path(), "seg").remove(0);
    let stamped = |segment: &Path| {
        batches(segment)
            .iter()
            .any(|(_, h)| h.count == 0 && h.watermark == 1)
    };
    let mut waited = Duration::ZERO;
    while !stamped(&segment) {
        std::thread::sleep(Duration::from_millis(50));
        waited += Duration::from_millis(50);
        assert!(waited < Duration::from_secs(60), "no stamp was written");
    }
    let copy = crash(dir.path());
    let segment = files(copy.path(), "seg").remove(0);
    overwrite(&segment, 4096 + 80, &[0xee]);
    let (_store, shard) = reopen(copy.path());
    let state = shard.status().state;
    assert!(matches!(state, ShardState::ReadOnly(_)), "{state:?}");
}

#[test]
fn a_damaged_or_missing_index_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..3000, 1000);
    store.close().unwrap();
    drop((shard, store));
    let indexes = files(dir.path(), "idx");
    assert!(indexes.len() >= 2, "{indexes:?}");
    overwrite(&indexes[0], 100, &[0xee; 8]);
    for index in &indexes[1..] {
        std::fs::remove_file(index).unwrap();
    }
    let (_store, shard) = reopen(dir.path());
    assert_holds(&shard, 0..3000, 1000);
    let records = read_from(&shard, Position::At(SequenceNumber(1234)));
    assert_eq!(records.len(), 3000 - 1234);
}

#[test]
fn a_lost_segment_header_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..1500, 1000);
    let begun = |path: &std::path::PathBuf| std::fs::read(path).unwrap()[..8] != [0; 8];
    // A batch that was written after another of the segment was acknowledged proves it.
    let mut next = 1500;
    let proof = |store: &Path| {
        let last = files(store, "seg").into_iter().rfind(begun).unwrap();
        data_batches(&last).len() >= 2
    };
    while next < 1502 || !proof(dir.path()) {
        append(&shard, next..next + 1, 1000);
        next += 1;
    }
    let copy = crash(dir.path());
    let last = files(copy.path(), "seg").into_iter().rfind(begun).unwrap();
    for loss in [&[0u8; 4096][..], &[0xee; 16][..]] {
        let other = crash(copy.path());
        let last = files(other.path(), "seg")
            .into_iter()
            .find(|p| p.file_name() == last.file_name());
        overwrite(&last.unwrap(), 0, loss);
        let (_store, shard) = reopen(other.path());
        let state = shard.status().state;
        assert!(matches!(state, ShardState::ReadOnly(_)), "{state:?}");
        assert!(!read_from(&shard, Position::Oldest).is_empty());
    }
}

#[test]
fn a_written_shard_jumps_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let options = ShardOptions {
        durability: Durability::Written,
        ..small_segments()
    };
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, options).unwrap();
    append(&shard, 0..5, 100);
    let copy = crash(dir.path());
    let store = open(copy.path());
    let shard = store.open_shard(SHARD, options).unwrap();
    assert!(shard.status().opened.jumped);
    let mut cursor = shard.read(Position::Oldest).unwrap();
    let mut read = 0;
    while let Some(batch) = cursor.next_batch().unwrap() {
        read += batch.records().count();
    }
    assert_eq!((read, cursor.position()), (5, shard.end()));
    append(&shard, 5..6, 100);
    assert_eq!(cursor.next_batch().unwrap().unwrap().first().0, 1 << 32 | 5);
    let records = read_from(&shard, Position::Oldest);
    let numbers: Vec<u64> = records.iter().map(|(s, _)| s.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, (1 << 32) + 5]);
}

#[test]
fn a_retry_after_a_crash_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let record = [Record::new("k", b"once")];
    for number in 0..3 {
        let ticket = shard.try_append_from(99, number, &record).unwrap();
        assert_eq!(ticket.wait().unwrap().first.0, number);
    }
    let copy = crash(dir.path());
    let (_store, shard) = reopen(copy.path());
    let again = shard
        .try_append_from(99, 2, &record)
        .unwrap()
        .wait()
        .unwrap();
    assert!(again.duplicate && again.first.0 == 2 && again.count == 1);
    let skipped = shard.try_append_from(99, 4, &record);
    assert!(matches!(
        skipped,
        Err(Error::OutOfOrder { expected: 3, .. })
    ));
    let next = shard
        .try_append_from(99, 3, &record)
        .unwrap()
        .wait()
        .unwrap();
    assert!(!next.duplicate && next.first.0 == 3);
    assert_eq!(read_from(&shard, Position::Oldest).len(), 4);
}

#[test]
fn a_producer_is_remembered_over_segments_whose_indexes_were_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let record = [Record::new("k", b"once")];
    let put = |shard: &millstream_engine::Shard, number| {
        let ticket = shard.try_append_from(99, number, &record).unwrap();
        ticket.wait().unwrap()
    };
    assert_eq!(put(&shard, 0).first.0, 0);
    for i in 1..16 {
        append(&shard, i..i + 1, 200 << 10);
    }
    assert!(files(dir.path(), "seg").len() >= 4);
    // As a kill leaves it before the others are written.
    for kept in [1, 0] {
        let copy = crash(dir.path());
        for index in files(copy.path(), "idx").iter().skip(kept) {
            std::fs::remove_file(index).unwrap();
        }
        let (_store, shard) = reopen(copy.path());
        let again = put(&shard, 0);
        assert!(again.duplicate && again.first.0 == 0, "{kept} indexes kept");
        assert!(!put(&shard, 1).duplicate);
    }
}

#[test]
fn a_producer_is_remembered_when_its_segment_is_gone_and_the_next_is_empty() {
    let options = ShardOptions {
        durability: Durability::Written,
        ..small_segments()
    };
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, options).unwrap();
    let put = |shard: &millstream_engine::Shard| {
        let record = [Record::new("k", b"once")];
        shard.try_append_from(99, 0, &record).unwrap().wait()
    };
    assert!(!put(&shard).unwrap().duplicate);
    // Its numbers jump after a crash, which begins a segment.
    let copy = crash(dir.path());
    let store = open(copy.path());
    let shard = store.open_shard(SHARD, options).unwrap();
    assert_eq!(shard.trim(shard.end()).unwrap(), 1);
    let copy = crash(copy.path());
    let store = open(copy.path());
    let shard = store.open_shard(SHARD, options).unwrap();
    assert!(put(&shard).unwrap().duplicate);
    assert!(read_from(&shard, Position::Oldest).is_empty());
}
