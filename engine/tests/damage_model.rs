//! Whatever is done to the files of a closed store: each record is read as it was written, or
//! reported with its place; nothing is reported where nothing was done; and opening once more
//! finds the same.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
};

use millstream_engine::{Error, Position, SequenceNumber};
use support::*;

const RECORDS: u64 = 5000;
const BYTES: usize = 1000;
const SEEDS: u64 = 30;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A segment that holds records, as it was before anything was done to it.
struct Known {
    path: PathBuf,
    records: Range<u64>,
    /// Byte offset, end of the bytes that are not padding, records.
    batches: Vec<(u64, u64, Range<u64>)>,
}

fn known(store: &Path) -> Vec<Known> {
    let mut all = Vec::new();
    for path in files(store, "seg") {
        let batches: Vec<_> = batches(&path)
            .into_iter()
            .map(|(offset, h)| {
                let records = h.first_sequence..h.end_sequence();
                (offset, offset + h.batch_len() as u64, records)
            })
            .collect();
        if let (Some(first), Some(last)) = (batches.first(), batches.last()) {
            let records = first.2.start..last.2.end;
            all.push(Known {
                path,
                records,
                batches,
            });
        }
    }
    all
}

/// Does something to a segment; the records that are lost by it.
fn damage(segment: &Known, last: bool, random: &mut Random) -> (String, BTreeSet<u64>) {
    let path = &segment.path;
    if !path.exists() {
        return ("nothing".into(), BTreeSet::new());
    }
    let touched = |from: u64, to: u64| {
        let hit = segment
            .batches
            .iter()
            .filter(move |(start, end, _)| *start < to && from < *end);
        hit.flat_map(|(.., records)| records.clone()).collect()
    };
    let at = random.below(segment.batches.len());
    let (offset, end, _) = segment.batches[at];
    match random.below(6) {
        // The oldest may have gone by retention, and of the newest there may be no trace.
        0 if !last && segment.records.start > 0 => {
            std::fs::remove_file(path).unwrap();
            ("removed".into(), segment.records.clone().collect())
        }
        1 => {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            let to = offset + random.below((end - offset) as usize) as u64;
            if to < file.metadata().unwrap().len() {
                file.set_len(to).unwrap();
            }
            (format!("cut at {to}"), touched(to, u64::MAX))
        }
        2 => {
            overwrite(path, random.below(64) as u64, &[0xee; 64]);
            ("header overwritten".into(), BTreeSet::new())
        }
        3 if !last => {
            overwrite(path, 0, &[0; 4096]);
            ("header zeroed".into(), BTreeSet::new())
        }
        4 => {
            let to = offset + random.below((end - offset) as usize) as u64;
            if to + 1 < std::fs::metadata(path).unwrap().len() {
                let byte = std::fs::read(path).unwrap()[to as usize];
                overwrite(path, to, &[!byte]);
            }
            (format!("byte {to}"), touched(to, to + 1))
        }
        _ => {
            let from = random.below(20) as u64 * 4096;
            let len = (1 + random.below(20)) * 4096;
            if from + len as u64 <= std::fs::metadata(path).unwrap().len() {
                overwrite(path, from, &vec![0xee; len]);
            }
            (
                format!("{len} bytes at {from}"),
                touched(from, from + len as u64),
            )
        }
    }
}

type Told = Vec<(PathBuf, u64, Option<u64>)>;

fn read_past(path: &Path) -> Option<(BTreeSet<u64>, Told, u64)> {
    let store = open(path);
    let shard = store.open_shard(SHARD, small_segments());
    let shard = match shard {
        Ok(shard) => shard,
        Err(Error::Damaged { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    let mut cursor = shard.read(Position::Oldest).unwrap();
    let (mut read, mut told) = (BTreeSet::new(), Told::new());
    loop {
        match cursor.next_batch() {
            Ok(None) => break,
            Ok(Some(batch)) => {
                for record in batch.records() {
                    let (sequence, record) = record.unwrap();
                    assert!(record.data == data(sequence.0, BYTES), "record {sequence}");
                    assert!(read.last().is_none_or(|last| *last < sequence.0));
                    read.insert(sequence.0);
                }
            }
            Err(Error::Damaged { damage, .. }) => {
                let resume = damage.resume.map(|sequence| sequence.0);
                told.push((damage.file.clone(), damage.sequence.0, resume));
                match damage.resume {
                    Some(resume) if resume > damage.sequence => cursor.skip_to(resume),
                    Some(resume) => panic!("{resume} leads back"),
                    None => break,
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    // From anywhere the same is told.
    for (_, from, resume) in &told {
        let mut cursor = shard.read(Position::At(SequenceNumber(*from))).unwrap();
        match cursor.next_batch() {
            Err(Error::Damaged { damage, .. }) => {
                assert_eq!(damage.sequence.0, *from);
                assert_eq!(damage.resume.map(|sequence| sequence.0), *resume);
            }
            other => panic!("{other:?}"),
        }
    }
    let end = shard.end().0;
    Some((read, told, end))
}

fn run(pattern: &Path, segments: &[Known], seed: u64) {
    let copy = crash(pattern);
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut lost = BTreeSet::new();
    let mut done = Vec::new();
    let times = 1 + random.below(3);
    for _ in 0..times {
        let at = random.below(segments.len());
        let moved = Known {
            path: copy
                .path()
                .join(segments[at].path.strip_prefix(pattern).unwrap()),
            records: segments[at].records.clone(),
            batches: segments[at].batches.clone(),
        };
        let (what, more) = damage(&moved, at + 1 == segments.len(), &mut random);
        done.push(format!("{at}: {what}"));
        lost.extend(more);
    }
    // The mark of the close is what proves that the last records were acknowledged.
    let last = segments.last().unwrap();
    let moved = copy.path().join(last.path.strip_prefix(pattern).unwrap());
    let (from, to, _) = last.batches.last().unwrap();
    let mark = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.get(*from as usize..*to as usize).map(<[u8]>::to_vec)
    };
    let unproven = mark(&moved).is_some_and(|now| Some(now) != mark(&last.path));
    if unproven {
        return;
    }
    if seed & 1 == 0 {
        for index in files(copy.path(), "idx") {
            std::fs::remove_file(index).unwrap();
        }
    }
    let Some((read, told, end)) = read_past(copy.path()) else {
        panic!("seed {seed} ({done:?}): nothing can be read");
    };
    let context = format!("seed {seed} ({done:?}): told {told:?}");
    let reported = |number: u64| {
        let covers = |(_, from, to): &(PathBuf, u64, Option<u64>)| {
            (*from..to.unwrap_or(u64::MAX)).contains(&number)
        };
        told.iter().any(covers)
    };
    for number in 0..RECORDS {
        let is_read = read.contains(&number);
        assert!(is_read || reported(number), "{context}: {number} is gone");
        assert!(!is_read || !reported(number), "{context}: {number} is both");
        assert!(
            !is_read || !lost.contains(&number),
            "{context}: {number} is back"
        );
        if times == 1 {
            assert!(
                is_read || lost.contains(&number),
                "{context}: {number} is not read"
            );
        }
    }
    for (_, from, to) in &told {
        let to = to.unwrap_or(end).max(from + 1);
        let concerned = lost.range(from..&to).next().is_some();
        let cut = done
            .iter()
            .any(|done| done.contains("cut") || done.contains("bytes"));
        assert!(
            concerned || (cut && *from >= RECORDS),
            "{context}: nothing was lost at {from}"
        );
    }
    assert!(
        read_past(copy.path()) == Some((read, told, end)),
        "{context}: another time"
    );
}

#[test]
fn every_record_is_read_or_reported_whatever_is_done_to_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..RECORDS / 2, BYTES);
    for i in RECORDS / 2..RECORDS / 2 + 100 {
        append(&shard, i..i + 1, BYTES);
    }
    append(&shard, RECORDS / 2 + 100..RECORDS, BYTES);
    store.close().unwrap();
    drop((shard, store));
    let segments = known(dir.path());
    assert!(segments.len() >= 4);
    let seeds = std::env::var("MILLSTREAM_TEST_SEEDS").ok();
    let seeds = seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        run(dir.path(), &segments, seed);
    }
}
