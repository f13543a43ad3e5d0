//! A repaired store has everything that was not damaged, under the same numbers, and tells
//! exactly what is gone.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too
#![allow(clippy::single_range_in_vec_init)] // one gap is a list of gaps too

mod support;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use millstream_engine::{
    Position, SequenceNumber, ShardState, Store,
    format::{BatchHeader, Record},
    inspect::{ExpectedShards, inspect},
    repair::{RepairReport, repair},
};
use support::*;

const RECORDS: u64 = 4000;

type Batches = Vec<(u64, BatchHeader)>;

fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for at in (0..RECORDS).step_by(50) {
        append(&shard, at..at + 50, 1000);
    }
    store.close().unwrap();
    dir
}

/// The segments that hold batches, with these.
fn begun(dir: &Path) -> Vec<(PathBuf, Batches)> {
    let all = files(dir, "seg").into_iter().map(|path| {
        let batches = batches(&path);
        (path, batches)
    });
    all.filter(|(_, batches)| !batches.is_empty()).collect()
}

fn range(header: &BatchHeader) -> Range<u64> {
    header.first_sequence..header.end_sequence()
}

fn run(source: &Path, target: &Path) -> RepairReport {
    repair(source, target, None, &ExpectedShards::new(), &mut |_| {}).unwrap()
}

/// Damages a copy of a store, which says what is lost; repairs it; and looks at the result.
fn damaged(name: &str, damage: impl FnOnce(&[(PathBuf, Batches)]) -> Vec<Range<u64>>) {
    let whole = filled();
    let copy = crash(whole.path());
    let lost = damage(&begun(copy.path()));
    let target = tempfile::tempdir().unwrap();
    let report = run(copy.path(), target.path());
    let gaps: Vec<_> = report
        .damage()
        .filter(|finding| finding.lost() != Some(0))
        .map(|finding| finding.damage.sequence.0..finding.end.unwrap().0)
        .collect();
    assert_eq!(gaps, lost, "{name}");
    let kept: Vec<u64> = (0..RECORDS)
        .filter(|n| !lost.iter().any(|range| range.contains(n)))
        .collect();
    assert_eq!(report.shards[0].records, kept.len() as u64, "{name}");
    let verified = |dir: &Path| {
        let found = inspect(dir, &mut |_| {}).unwrap();
        let left: Vec<_> = found.damage().collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    };
    verified(target.path());

    let store = Store::open(target.path(), store_options()).unwrap();
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert!(matches!(shard.status().state, ShardState::Open), "{name}");
    let read = |from| {
        let records = read_from(&shard, from);
        let numbers = records.iter().map(|(sequence, _)| sequence.0);
        let numbers: Vec<u64> = numbers.collect();
        for (sequence, bytes) in records {
            assert_eq!(bytes, data(sequence.0, 1000), "{name}: record {sequence}");
        }
        numbers
    };
    assert_eq!(read(Position::Oldest), kept, "{name}");
    if let Some(gap) = lost.first() {
        let after = read(Position::At(SequenceNumber(gap.start)));
        let expected = kept.iter().find(|n| **n >= gap.start);
        assert_eq!(after.first(), expected, "{name}");
    }
    append(&shard, RECORDS..RECORDS + 100, 1000);
    let end = read(Position::At(SequenceNumber(RECORDS)));
    assert_eq!(end, (RECORDS..RECORDS + 100).collect::<Vec<_>>(), "{name}");
    store.close().unwrap();
    verified(target.path());
}

#[test]
fn bits_that_flipped_in_bodies_and_headers_take_their_batches() {
    damaged("body", |all| {
        let (path, batches) = &all[1];
        let (offset, header) = &batches[batches.len() / 2];
        overwrite(path, offset + 100, &[0xee]);
        vec![range(header)]
    });
    damaged("header", |all| {
        let (path, batches) = &all[0];
        overwrite(path, batches[0].0 + 20, &[0xee]);
        let (last, other) = &all[2];
        overwrite(last, other[3].0 + 20, &[0xee]);
        vec![range(&batches[0].1), range(&other[3].1)]
    });
    damaged("in the active segment", |all| {
        let (path, batches) = all.last().unwrap();
        overwrite(path, batches[0].0 + 100, &[0xee]);
        vec![range(&batches[0].1)]
    });
}

#[test]
fn zeros_over_batches_take_what_they_cover() {
    damaged("in the middle", |all| {
        let (path, batches) = &all[1];
        let (from, to) = (&batches[3], &batches[8]);
        overwrite(path, from.0, &vec![0; (to.0 - from.0) as usize]);
        vec![from.1.first_sequence..to.1.first_sequence]
    });
    damaged("at the end of a sealed segment", |all| {
        let (path, batches) = &all[1];
        let (from, last) = (&batches[3], batches.last().unwrap());
        let end = last.0 + last.1.padded_len(4096) as u64;
        overwrite(path, from.0, &vec![0; (end - from.0) as usize]);
        vec![from.1.first_sequence..last.1.end_sequence()]
    });
    damaged(
        "at the end of the shard, but for the mark of its close",
        |all| {
            let (path, batches) = all.last().unwrap();
            let mark = batches.last().unwrap();
            assert!(mark.1.close);
            let from = batches.iter().find(|(_, h)| h.count > 0).unwrap();
            overwrite(path, from.0, &vec![0; (mark.0 - from.0) as usize]);
            vec![from.1.first_sequence..RECORDS]
        },
    );
}

#[test]
fn lost_headers_of_segments_take_nothing() {
    for at in [0, 1, usize::MAX] {
        damaged("zeros", |all| {
            overwrite(&all[at.min(all.len() - 1)].0, 0, &[0; 4096]);
            Vec::new()
        });
        damaged("a bit", |all| {
            overwrite(&all[at.min(all.len() - 1)].0, 40, &[0xee]);
            Vec::new()
        });
    }
    damaged("with the first batch", |all| {
        let (path, batches) = &all[1];
        overwrite(path, 0, &vec![0; batches[1].0 as usize]);
        vec![range(&batches[0].1)]
    });
}

#[test]
fn files_that_are_missing_cut_short_or_swapped() {
    damaged("missing", |all| {
        let (path, batches) = &all[1];
        fs::remove_file(path).unwrap();
        vec![batches[0].1.first_sequence..batches.last().unwrap().1.end_sequence()]
    });
    damaged("cut short", |all| {
        let (path, batches) = &all[1];
        let cut = &batches[5];
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(cut.0).unwrap();
        vec![cut.1.first_sequence..batches.last().unwrap().1.end_sequence()]
    });
    damaged("swapped", |all| {
        let aside = all[1].0.with_extension("aside");
        fs::rename(&all[1].0, &aside).unwrap();
        fs::rename(&all[2].0, &all[1].0).unwrap();
        fs::rename(&aside, &all[2].0).unwrap();
        Vec::new()
    });
    damaged("indexes", |all| {
        for (path, _) in all {
            let index = path.with_extension("idx");
            if index.exists() {
                overwrite(&index, 20, &[0xee; 8]);
            }
        }
        Vec::new()
    });
}

#[test]
fn a_batch_that_was_written_to_the_wrong_place_takes_what_it_covers() {
    damaged("over its beginning", |all| {
        let (path, batches) = &all[1];
        let bytes = fs::read(path).unwrap();
        let (at, of) = (&batches[2], &batches[7]);
        let len = of.1.padded_len(4096).min(at.1.padded_len(4096));
        overwrite(path, at.0, &bytes[of.0 as usize..of.0 as usize + len]);
        vec![range(&at.1)]
    });
    // A whole small batch inside of a large one.
    let whole = tempfile::tempdir().unwrap();
    let store = open(whole.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..1, 50_000);
    append(&shard, 1..2, 100);
    append(&shard, 2..3, 100);
    store.close().unwrap();
    let all = begun(whole.path());
    let (path, batches) = &all[0];
    let last = batches.iter().find(|(_, h)| h.first_sequence == 2).unwrap();
    let bytes = fs::read(path).unwrap();
    let from = last.0 as usize;
    overwrite(path, batches[0].0 + 8192, &bytes[from..from + 4096]);
    let target = tempfile::tempdir().unwrap();
    let report = run(whole.path(), target.path());
    let findings: Vec<_> = report.damage().collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].lost(), Some(1));
    assert_eq!(report.shards[0].records, 2);
}

#[test]
fn nothing_is_written_over_what_is_there() {
    let whole = filled();
    let target = tempfile::tempdir().unwrap();
    fs::write(target.path().join("mine"), "").unwrap();
    let refused = repair(
        whole.path(),
        target.path(),
        None,
        &ExpectedShards::new(),
        &mut |_| {},
    );
    assert!(refused.unwrap_err().to_string().contains("not empty"));
}

#[test]
fn one_shard_is_repaired_to_a_directory_that_takes_its_place() {
    let whole = filled();
    let (path, all) = begun(whole.path()).remove(1);
    overwrite(&path, all[2].0 + 100, &[0xee]);
    let aside = tempfile::tempdir().unwrap();
    let target = aside.path().join("shard");
    let none = ExpectedShards::new();
    let report = repair(whole.path(), &target, Some(SHARD), &none, &mut |_| {}).unwrap();
    assert_eq!(report.damage().count(), 1);
    let dir = whole.path().join("shards").join(SHARD.dir_name());
    fs::rename(&dir, aside.path().join("damaged")).unwrap();
    fs::rename(&target, &dir).unwrap();
    let store = open(whole.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    let lost = u64::from(all[2].1.count);
    assert_eq!(
        read_from(&shard, Position::Oldest).len() as u64,
        RECORDS - lost
    );
}

#[test]
fn what_producers_have_put_is_still_known() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let record = [Record::new("k", b"once")];
    for number in 0..3 {
        shard
            .try_append_from(99, number, &record)
            .unwrap()
            .wait()
            .unwrap();
    }
    // Several segments on, the put is known from the indexes alone.
    append(&shard, 3..RECORDS, 1000);
    store.close().unwrap();
    let (path, all) = begun(dir.path()).remove(1);
    overwrite(&path, all[1].0 + 100, &[0xee]);
    let target = tempfile::tempdir().unwrap();
    assert_eq!(run(dir.path(), target.path()).damage().count(), 1);
    let store = open(target.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    let again = shard
        .try_append_from(99, 2, &record)
        .unwrap()
        .wait()
        .unwrap();
    assert!(again.duplicate && again.first.0 == 2);
    let next = shard
        .try_append_from(99, 3, &record)
        .unwrap()
        .wait()
        .unwrap();
    assert!(!next.duplicate && next.first.0 == RECORDS);
}
