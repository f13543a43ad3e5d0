//! The look from outside finds what is there, and what is wrong with it.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use millstream_engine::{
    SequenceNumber, Store,
    format::HashRange,
    inspect::{
        Expected, ExpectedShards, Inspection, NoteKind, SegmentState, inspect, inspect_expecting,
    },
};
use support::*;

fn filled(records: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..records, 1000);
    store.close().unwrap();
    dir
}

fn look(path: &std::path::Path) -> Inspection {
    inspect(path, &mut |_| {}).unwrap()
}

#[test]
fn a_store_a_shard_and_a_segment_are_told_apart_and_counted() {
    let dir = filled(3000);
    let store = look(dir.path());
    assert!(store.store.is_some());
    let shard = &store.shards[0];
    assert_eq!(shard.id, SHARD);
    assert_eq!(shard.segments.iter().map(|s| s.records).sum::<u64>(), 3000);
    assert_eq!(store.damage().count(), 0);
    let active: Vec<_> = shard
        .segments
        .iter()
        .filter(|s| s.state == SegmentState::Active)
        .collect();
    assert!(active.len() == 1 && active[0].closed);

    let alone = look(&shard.dir);
    assert_eq!(alone.shards[0].segments.len(), shard.segments.len());
    let segment = look(&shard.segments[0].file);
    assert_eq!(
        segment.shards[0].segments[0].records,
        shard.segments[0].records
    );
    assert!(inspect(&dir.path().join("shards"), &mut |_| {}).is_err());
}

#[test]
fn damage_anywhere_in_a_sealed_segment_is_found_with_its_place() {
    let dir = filled(3000);
    let segment = files(dir.path(), "seg").remove(1);
    let all = batches(&segment);
    let (offset, header) = all[all.len() / 2];
    overwrite(&segment, offset + 100, &[0xee]);
    let found = look(dir.path());
    let damage: Vec<_> = found.damage().collect();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0].damage.file, segment);
    assert_eq!(damage[0].damage.offset, offset);
    assert_eq!(
        damage[0].damage.sequence,
        SequenceNumber(header.first_sequence)
    );
    assert_eq!(
        damage[0].damage.resume,
        Some(SequenceNumber(header.end_sequence()))
    );
}

#[test]
fn missing_and_headless_segments_are_found() {
    let dir = filled(4000);
    let segments = files(dir.path(), "seg");
    assert!(segments.len() >= 4);
    let copy = crash(dir.path());
    std::fs::remove_file(&files(copy.path(), "seg")[1]).unwrap();
    assert!(
        look(copy.path())
            .damage()
            .any(|f| f.damage.reason.contains("missing"))
    );
    overwrite(&segments[1], 0, &[0; 4096]);
    assert!(
        look(dir.path())
            .damage()
            .any(|f| f.damage.reason.contains("zeros"))
    );
}

#[test]
fn a_record_of_another_shard_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..10, 100);
    store.close().unwrap();
    // All records have one key: one of the two halves is theirs.
    let found = HashRange::even(2).into_iter().map(|range| {
        let range = Some(range);
        let expected = ExpectedShards::from([(
            SHARD,
            Expected {
                range,
                ..Expected::default()
            },
        )]);
        let found = inspect_expecting(dir.path(), &expected, &mut |_| {}).unwrap();
        assert_eq!(found.damage().count(), 0);
        found
            .notes()
            .filter(|(_, _, note)| note.kind == NoteKind::Misrouted)
            .count()
    });
    let mut found: Vec<_> = found.collect();
    found.sort_unstable();
    assert_eq!(found, [0, 1]);
}

#[test]
fn a_store_in_use_can_be_looked_at_and_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let store: Store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| append(&shard, 0..4000, 1000));
        for _ in 0..20 {
            let found = look(dir.path());
            let damage: Vec<_> = found.damage().collect();
            assert!(damage.is_empty(), "{damage:?}");
        }
    });
    assert_holds(&shard, 0..4000, 1000);
}

#[test]
fn a_torn_tail_is_a_note_and_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..1, 100);
    append(&shard, 1..2, 100);
    let copy = crash(dir.path());
    let segment = files(copy.path(), "seg").remove(0);
    let last = batches(&segment)
        .into_iter()
        .rfind(|(_, h)| h.count > 0)
        .unwrap();
    overwrite(&segment, last.0 + 70, &[0xee]);
    let found = look(copy.path());
    let stamped = batches(&segment).iter().any(|(_, h)| h.watermark == 2);
    assert_eq!(found.damage().count(), usize::from(stamped));
}

#[test]
fn a_segment_file_that_was_cut_short_is_damage() {
    let dir = filled(100);
    let segment = files(dir.path(), "seg").remove(0);
    let file = std::fs::OpenOptions::new().write(true).open(&segment);
    file.unwrap().set_len(20_480).unwrap();
    let found = look(dir.path());
    let findings: Vec<_> = found.damage().collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    let damage = [&findings[0].damage];
    assert_eq!(
        (damage[0].file.clone(), damage[0].offset),
        (segment, 20_480)
    );
}

#[test]
fn a_lost_header_of_the_last_segment_takes_no_records_that_still_verify() {
    let dir = filled(3000);
    let last = files(dir.path(), "seg")
        .into_iter()
        .rfind(|path| !batches(path).is_empty());
    overwrite(&last.unwrap(), 0, &[0; 4096]);
    let found = look(dir.path());
    let findings: Vec<_> = found.damage().collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].damage.reason.contains("zeros"));
    assert_eq!(findings[0].lost(), Some(0));
    let records: u64 = found.shards[0].segments.iter().map(|s| s.records).sum();
    assert_eq!(records, 3000);
}

#[test]
fn last_segments_that_are_gone_are_told_by_their_indexes() {
    for zeroed in [false, true] {
        let dir = filled(4000);
        let mut begun = files(dir.path(), "seg");
        begun.retain(|path| !batches(path).is_empty());
        let [.., before, gone, last] = &begun[..] else {
            panic!("{begun:?}");
        };
        let kept = batches(before).last().unwrap().1.end_sequence();
        // The last one was too short to have an index.
        let known = batches(last).first().unwrap().1.first_sequence;
        for path in files(dir.path(), "seg") {
            if path > *gone {
                std::fs::remove_file(path).unwrap();
            }
        }
        match zeroed {
            true => std::fs::write(gone, vec![0; 1 << 20]).unwrap(),
            false => std::fs::remove_file(gone).unwrap(),
        }
        let found = look(dir.path());
        let findings: Vec<_> = found.damage().collect();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].damage.sequence, SequenceNumber(kept));
        assert_eq!(findings[0].end, Some(SequenceNumber(known)));
    }
}

#[test]
fn a_shard_that_is_known_and_not_there_is_damage() {
    let dir = filled(10);
    let expected = Expected {
        finished: true,
        ..Expected::default()
    };
    let expected = ExpectedShards::from([(SHARD, expected)]);
    let shard = dir.path().join("shards").join(SHARD.dir_name());
    let count = || {
        let found = inspect_expecting(dir.path(), &expected, &mut |_| {}).unwrap();
        found.damage().count()
    };
    assert_eq!(count(), 0);
    for segment in files(dir.path(), "seg") {
        std::fs::remove_file(segment).unwrap();
    }
    assert_eq!(count(), 1);
    std::fs::remove_dir_all(shard).unwrap();
    assert_eq!(count(), 1);
}
