//! Where a segment file is missing, cut short, or without its header, a cursor reads everything
//! around it and is told at the very place, with the first number concerned and where to go on.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too
#![allow(clippy::single_range_in_vec_init)] // what was read may be one range of numbers

mod support;

use std::path::{Path, PathBuf};

use millstream_engine::{
    Buffer, BufferOptions, CursorStart, Damage, Error, Position, SequenceNumber, Shard,
    ShardOptions, ShardState, Store,
};
use support::*;

const RECORDS: u64 = 6000;

/// A store of many segments, closed.
fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..RECORDS, 1000);
    store.close().unwrap();
    drop((shard, store));
    let segments = begun(dir.path());
    assert!(segments.len() >= 6);
    dir
}

/// The segments that have a header.
fn begun(path: &Path) -> Vec<PathBuf> {
    let mut segments = files(path, "seg");
    segments.retain(|path| std::fs::read(path).unwrap()[..8] != [0; 8]);
    segments
}

/// Where the records of each begin, and after the last where they end.
fn bases(segments: &[PathBuf]) -> Vec<u64> {
    let mut bases: Vec<u64> = segments
        .iter()
        .map(|path| batches(path)[0].1.first_sequence)
        .collect();
    bases.push(RECORDS);
    bases
}

fn reopen(path: &Path) -> (Store, Shard) {
    let store = open(path);
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    (store, shard)
}

type Ranges = Vec<std::ops::Range<u64>>;

/// Everything that can be read from a position on, past each gap, and what was told of gaps.
fn read_past(shard: &Shard, position: Position, len: usize) -> (Ranges, Vec<Damage>) {
    let mut cursor = shard.read(position).unwrap();
    let (mut read, mut told) = (Ranges::new(), Vec::new());
    loop {
        match cursor.next_batch() {
            Ok(None) => return (read, told),
            Ok(Some(batch)) => {
                for record in batch.records() {
                    let (sequence, record) = record.unwrap();
                    assert!(record.data == data(sequence.0, len), "record {sequence}");
                    match read.last_mut() {
                        Some(last) if last.end == sequence.0 => last.end += 1,
                        _ => read.push(sequence.0..sequence.0 + 1),
                    }
                }
            }
            Err(Error::Damaged { damage, .. }) => {
                told.push((*damage).clone());
                let again = cursor.next_batch();
                assert!(matches!(again, Err(Error::Damaged { .. })), "{again:?}");
                let Some(resume) = damage.resume else {
                    return (read, told);
                };
                assert!(resume > damage.sequence);
                cursor.skip_to(resume);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn place(damage: &Damage) -> (&Path, u64, Option<u64>) {
    let resume = damage.resume.map(|sequence| sequence.0);
    (&damage.file, damage.sequence.0, resume)
}

fn read_only(shard: &Shard) -> Damage {
    match shard.status().state {
        ShardState::ReadOnly(damage) => (*damage).clone(),
        other => panic!("{other:?}"),
    }
}

fn without_indexes(path: &Path) {
    for index in files(path, "idx") {
        std::fs::remove_file(index).unwrap();
    }
}

#[test]
fn a_missing_segment_is_told_at_its_place_and_read_around() {
    let dir = filled();
    let segments = begun(dir.path());
    let bases = bases(&segments);
    std::fs::remove_file(&segments[2]).unwrap();
    let gap = (&*segments[2], bases[2], Some(bases[3]));
    for _ in 0..2 {
        let (_store, shard) = reopen(dir.path());
        assert_eq!(place(&read_only(&shard)), gap);
        assert_eq!(
            (shard.oldest(), shard.end()),
            (SequenceNumber(0), SequenceNumber(RECORDS))
        );
        let (read, told) = read_past(&shard, Position::Oldest, 1000);
        assert_eq!(read, [0..bases[2], bases[3]..RECORDS]);
        assert_eq!(told.iter().map(place).collect::<Vec<_>>(), [gap]);
        // From a number before, in and behind the gap.
        for at in [bases[2] - 1, bases[2], bases[2] + 7, bases[3] - 1, bases[3]] {
            let (read, told) = read_past(&shard, Position::At(SequenceNumber(at)), 1000);
            let told: Vec<_> = told.iter().map(place).collect();
            let mut expected = vec![at.min(bases[2])..bases[2], at.max(bases[3])..RECORDS];
            expected.retain(|range| !range.is_empty());
            assert_eq!(read, expected);
            match at < bases[3] {
                true => assert_eq!(told, [(gap.0, at.max(bases[2]), gap.2)], "from {at}"),
                false => assert_eq!(told, [], "from {at}"),
            }
        }
        without_indexes(dir.path());
    }
}

#[test]
fn each_of_several_gaps_is_told() {
    let dir = filled();
    let segments = begun(dir.path());
    let bases = bases(&segments);
    for missing in [1, 3, 4] {
        std::fs::remove_file(&segments[missing]).unwrap();
    }
    let (_store, shard) = reopen(dir.path());
    let gaps = [
        (&*segments[1], bases[1], Some(bases[2])),
        (&*segments[3], bases[3], Some(bases[5])),
    ];
    assert_eq!(place(&read_only(&shard)), gaps[0]);
    let (read, told) = read_past(&shard, Position::Oldest, 1000);
    let around = [0..bases[1], bases[2]..bases[3], bases[5]..RECORDS];
    assert_eq!(read, around);
    assert_eq!(told.iter().map(place).collect::<Vec<_>>(), gaps);
    let late = shard.read(Position::AtTime(0)).unwrap();
    assert_eq!(late.position(), SequenceNumber(0));
    let after = u64::MAX;
    let late = shard.read(Position::AtTime(after)).unwrap();
    assert_eq!(late.position(), SequenceNumber(RECORDS));
}

#[test]
fn damage_in_the_segment_before_a_gap_is_told_for_itself() {
    let dir = filled();
    let segments = begun(dir.path());
    let bases = bases(&segments);
    let (offset, broken) = batches(&segments[1])[1];
    overwrite(&segments[1], offset + 80, &[0xee; 4]);
    std::fs::remove_file(&segments[2]).unwrap();
    let (_store, shard) = reopen(dir.path());
    let (read, told) = read_past(&shard, Position::Oldest, 1000);
    let (from, to) = (broken.first_sequence, broken.end_sequence());
    assert_eq!(read, [0..from, to..bases[2], bases[3]..RECORDS]);
    assert_eq!(
        told.iter().map(place).collect::<Vec<_>>(),
        [
            (&*segments[1], from, Some(to)),
            (&*segments[2], bases[2], Some(bases[3]))
        ]
    );
}

#[test]
fn a_batch_that_claims_the_records_of_later_segments_hides_none() {
    let dir = filled();
    let segments = begun(dir.path());
    let all = batches(&segments[1]);
    let (offset, mut forged) = all[1];
    let (from, to) = (forged.first_sequence, forged.end_sequence());
    forged.count = 2 * RECORDS as u32;
    let mut bytes = [0; 64];
    forged.encode(&mut bytes);
    overwrite(&segments[1], offset, &bytes);
    for _ in 0..2 {
        let (_store, shard) = reopen(dir.path());
        let (read, told) = read_past(&shard, Position::Oldest, 1000);
        assert_eq!(read, [0..from, to..RECORDS]);
        assert_eq!(
            told.iter().map(place).collect::<Vec<_>>(),
            [(&*segments[1], from, Some(to))]
        );
        without_indexes(dir.path());
    }
}

#[test]
fn a_header_that_says_more_than_a_segment_can_hold_is_not_relied_on() {
    let dir = filled();
    let segments = begun(dir.path());
    let bases = bases(&segments);
    for next in &segments[2..4] {
        let mut header = std::fs::read(next).unwrap()[..128].to_vec();
        // Where the segment before ends.
        header[88..96].copy_from_slice(&(u64::MAX - 100).to_le_bytes());
        let crc = millstream_engine::format::crc32c(&header[..124]);
        header[124..].copy_from_slice(&crc.to_le_bytes());
        overwrite(next, 0, &header);
    }
    let (_store, shard) = reopen(dir.path());
    assert_eq!(shard.status().bytes, u64::MAX);
    let (read, told) = read_past(&shard, Position::Oldest, 1000);
    assert_eq!(read, [0..RECORDS]);
    assert_eq!(told, []);
    let (at, _) = read_past(&shard, Position::At(SequenceNumber(bases[2])), 1000);
    assert_eq!(at, [bases[2]..RECORDS]);
}

#[test]
fn behind_damage_reading_goes_on_where_it_belongs() {
    for forged in [true, false] {
        let dir = filled();
        let segments = begun(dir.path());
        let all = batches(&segments[1]);
        let (lost, third) = (all[1].1.first_sequence, all[3].1.first_sequence);
        // One batch is lost, and in the place of the next lies one that says that it is a far
        // later one, or that is: it was written to the wrong place.
        overwrite(&segments[1], all[1].0, &[0; 4096]);
        let mut header = all[2].1;
        if forged {
            header.first_sequence = 1 << 60;
            let mut bytes = [0; 64];
            header.encode(&mut bytes);
            overwrite(&segments[1], all[2].0, &bytes);
        } else {
            let mut bytes = std::fs::read(&segments[1]).unwrap();
            let (from, len) = (all[5].0 as usize, all[5].1.batch_len());
            bytes.copy_within(from..from + len, all[2].0 as usize);
            std::fs::write(&segments[1], bytes).unwrap();
        }
        let (_store, shard) = reopen(dir.path());
        let (read, told) = read_past(&shard, Position::Oldest, 1000);
        assert_eq!(read, [0..lost, third..RECORDS]);
        assert_eq!(
            told.iter().map(place).collect::<Vec<_>>(),
            [(&*segments[1], lost, Some(third))]
        );
    }
}

#[test]
fn a_last_batch_that_another_was_written_over_is_told() {
    let dir = filled();
    let segments = begun(dir.path());
    let bases = bases(&segments);
    let mut all = batches(&segments[1]);
    all.retain(|(_, header)| header.count > 0);
    let (to, lost) = all.pop().unwrap();
    let (from, copied) = all.pop().unwrap();
    let mut bytes = std::fs::read(&segments[1]).unwrap();
    let len = copied.batch_len();
    bytes.copy_within(from as usize..from as usize + len, to as usize);
    // Only the copy is whole.
    bytes[from as usize + 80] ^= 0xee;
    std::fs::write(&segments[1], bytes).unwrap();
    let (_store, shard) = reopen(dir.path());
    let (read, told) = read_past(&shard, Position::Oldest, 1000);
    assert_eq!(read, [0..lost.first_sequence, bases[2]..RECORDS]);
    assert_eq!(
        told.iter().map(place).collect::<Vec<_>>(),
        [(&*segments[1], lost.first_sequence, Some(bases[2]))]
    );
}

#[test]
fn everything_is_read_where_two_headers_in_a_row_are_lost() {
    let dir = filled();
    let segments = begun(dir.path());
    for lost in [2, 3] {
        overwrite(&segments[lost], 0, &[0xee; 64]);
    }
    let (_store, shard) = reopen(dir.path());
    assert!(matches!(shard.status().state, ShardState::Open));
    assert_holds(&shard, 0..RECORDS, 1000);
}

#[test]
fn the_records_of_a_segment_without_its_header_and_first_batch_are_found() {
    for lost in [0, 2] {
        let dir = filled();
        let segments = begun(dir.path());
        let all = batches(&segments[lost]);
        let (first, second) = (all[0].1.first_sequence, all[1].1.first_sequence);
        overwrite(&segments[lost], 0, &[0; 4096 + 4096]);
        without_indexes(dir.path());
        let (_store, shard) = reopen(dir.path());
        assert!(matches!(shard.status().state, ShardState::Open));
        let (read, told) = read_past(&shard, Position::Oldest, 1000);
        let mut expected = vec![0..first, second..RECORDS];
        expected.retain(|range| !range.is_empty());
        assert_eq!(read, expected);
        assert_eq!(
            told.iter().map(place).collect::<Vec<_>>(),
            [(&*segments[lost], first, Some(second))]
        );
    }
}

#[test]
fn a_sealed_segment_of_which_nothing_is_left_is_a_gap() {
    for lost in [0, 2] {
        let dir = filled();
        let segments = begun(dir.path());
        let bases = bases(&segments);
        std::fs::write(&segments[lost], [0xee; 100]).unwrap();
        let (_store, shard) = reopen(dir.path());
        assert!(matches!(shard.status().state, ShardState::Open));
        let (read, told) = read_past(&shard, Position::Oldest, 1000);
        let mut expected = vec![0..bases[lost], bases[lost + 1]..RECORDS];
        expected.retain(|range| !range.is_empty());
        assert_eq!(read, expected);
        assert_eq!(
            told.iter().map(place).collect::<Vec<_>>(),
            [(&*segments[lost], bases[lost], Some(bases[lost + 1]))]
        );
        // Retention passes it like any other.
        let dropped = shard.trim(SequenceNumber(bases[4])).unwrap();
        assert_eq!(dropped, 4);
        assert_eq!(shard.oldest(), SequenceNumber(bases[4]));
        append(&shard, RECORDS..RECORDS + 1, 1000);
    }
}

#[test]
fn everything_is_read_where_the_header_of_the_active_segment_is_lost() {
    for loss in [&[0u8; 4096][..], &[0xee; 16][..]] {
        let dir = filled();
        let segments = begun(dir.path());
        let bases = bases(&segments);
        let last = segments.last().unwrap();
        let base = bases[segments.len() - 1];
        overwrite(last, 0, loss);
        for _ in 0..2 {
            let (_store, shard) = reopen(dir.path());
            assert_eq!(place(&read_only(&shard)), (&**last, base, Some(base)));
            assert_eq!(shard.end(), SequenceNumber(RECORDS));
            assert_holds(&shard, 0..RECORDS, 1000);
        }
        // And where its first batch is lost with it.
        let second = batches(last)[1].1.first_sequence;
        overwrite(last, 4096, &[0xee; 64]);
        let (_store, shard) = reopen(dir.path());
        let (read, told) = read_past(&shard, Position::Oldest, 1000);
        assert_eq!(read, [0..base, second..RECORDS]);
        assert_eq!(
            told.iter().map(place).collect::<Vec<_>>(),
            [(&**last, base, Some(second))]
        );
    }
}

#[test]
fn a_last_segment_of_which_nothing_is_left_is_told_at_the_end() {
    let dir = filled();
    let segments = begun(dir.path());
    let bases = bases(&segments);
    let last = segments.last().unwrap();
    let base = bases[segments.len() - 1];
    std::fs::write(last, [0xee; 100]).unwrap();
    for _ in 0..2 {
        let (_store, shard) = reopen(dir.path());
        assert_eq!(place(&read_only(&shard)), (&**last, base, None));
        let (read, told) = read_past(&shard, Position::Oldest, 1000);
        assert_eq!(read, [0..base]);
        assert_eq!(
            told.iter().map(place).collect::<Vec<_>>(),
            [(&**last, base, None)]
        );
    }
}

#[test]
fn a_last_segment_of_zeros_is_told_where_its_index_is_left() {
    let dir = filled();
    let segments = begun(dir.path());
    let bases = bases(&segments);
    let last = segments.len() - 2;
    std::fs::remove_file(&segments[last + 1]).unwrap();
    let len = std::fs::metadata(&segments[last]).unwrap().len();
    std::fs::write(&segments[last], vec![0; len as usize]).unwrap();
    for _ in 0..2 {
        let (_store, shard) = reopen(dir.path());
        assert_eq!(
            place(&read_only(&shard)),
            (&*segments[last], bases[last], None)
        );
        let (read, told) = read_past(&shard, Position::Oldest, 1000);
        assert_eq!(read, [0..bases[last]]);
        assert_eq!(
            told.iter().map(place).collect::<Vec<_>>(),
            [(&*segments[last], bases[last], None)]
        );
    }
}

#[test]
fn a_missing_last_segment_is_told_where_its_index_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let options = ShardOptions {
        segment_bytes: 4 << 20,
        ..small_segments()
    };
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, options).unwrap();
    append(&shard, 0..RECORDS, 1000);
    store.close().unwrap();
    drop((shard, store));
    let segments = begun(dir.path());
    assert_eq!(segments.len(), files(dir.path(), "idx").len());
    let base = *bases(&segments).get(segments.len() - 1).unwrap();
    let last = segments.last().unwrap();
    // It may have been written before the last records came.
    let index = std::fs::read(last.with_extension("idx")).unwrap();
    let known = u64::from_le_bytes(index[40..48].try_into().unwrap());
    assert!((base + 1..=RECORDS).contains(&known));
    std::fs::remove_file(last).unwrap();
    let store = open(dir.path());
    let shard = store.open_shard(SHARD, options).unwrap();
    assert_eq!(place(&read_only(&shard)), (&**last, base, None));
    assert_eq!(shard.end(), SequenceNumber(known));
    let (read, told) = read_past(&shard, Position::Oldest, 1000);
    assert_eq!(read, [0..base]);
    assert_eq!(
        told.iter().map(place).collect::<Vec<_>>(),
        [(&**last, base, None)]
    );
}

#[test]
fn a_first_batch_written_over_below_a_lost_header_is_told() {
    // A later batch lies where the first was, too: of the same segment, or of the next, of which
    // the header is lost as well, and no index helps.
    for source in [0, 1] {
        let dir = filled();
        let segments = begun(dir.path());
        let (from, copied) = batches(&segments[source])[2];
        let (to, _) = batches(&segments[0])[0];
        let mut bytes = std::fs::read(&segments[source]).unwrap();
        let copied = bytes[from as usize..from as usize + copied.batch_len()].to_vec();
        if source == 1 {
            bytes[..64].fill(0xee);
            std::fs::write(&segments[1], bytes).unwrap();
            without_indexes(dir.path());
        }
        overwrite(&segments[0], to, &copied);
        overwrite(&segments[0], 0, &[0xee; 64]);
        for _ in 0..2 {
            let (_store, shard) = reopen(dir.path());
            assert_eq!(shard.oldest(), SequenceNumber(0));
            let (read, told) = read_past(&shard, Position::Oldest, 1000);
            assert_eq!(told[0].sequence, SequenceNumber(0), "{told:?}");
            let is_told = |number: u64| {
                let ends = |damage: &Damage| damage.resume.map_or(RECORDS, |resume| resume.0);
                told.iter()
                    .any(|damage| (damage.sequence.0..ends(damage)).contains(&number))
            };
            for number in 0..RECORDS {
                let is_read = read.iter().any(|range| range.contains(&number));
                assert!(is_read || is_told(number), "{number}: {read:?}, {told:?}");
            }
        }
    }
}

#[test]
fn a_segment_file_cut_short_is_read_up_to_there() {
    for sealed in [true, false] {
        let dir = filled();
        let segments = begun(dir.path());
        let bases = bases(&segments);
        let cut = if sealed { 2 } else { segments.len() - 1 };
        let all = batches(&segments[cut]);
        let (offset, first) = all[1];
        let file = std::fs::OpenOptions::new().write(true).open(&segments[cut]);
        file.unwrap().set_len(offset + 10).unwrap();
        for _ in 0..2 {
            let (_store, shard) = reopen(dir.path());
            let resume = sealed.then(|| bases[cut + 1]);
            let gap = (&*segments[cut], first.first_sequence, resume);
            match sealed {
                true => assert!(matches!(shard.status().state, ShardState::Open)),
                false => assert_eq!(place(&read_only(&shard)), gap),
            }
            let (read, told) = read_past(&shard, Position::Oldest, 1000);
            let mut expected = vec![0..first.first_sequence];
            expected.extend(resume.map(|resume| resume..RECORDS));
            assert_eq!(read, expected);
            assert_eq!(told.iter().map(place).collect::<Vec<_>>(), [gap]);
            without_indexes(dir.path());
        }
    }
}

#[test]
fn a_file_removed_under_an_open_store_is_told() {
    let dir = filled();
    let segments = begun(dir.path());
    let bases = bases(&segments);
    let (_store, shard) = reopen(dir.path());
    std::fs::remove_file(&segments[2]).unwrap();
    let (read, told) = read_past(&shard, Position::Oldest, 1000);
    assert_eq!(read, [0..bases[2], bases[3]..RECORDS]);
    assert_eq!(
        told.iter().map(place).collect::<Vec<_>>(),
        [(&*segments[2], bases[2], Some(bases[3]))]
    );
}

#[test]
fn what_was_cut_off_before_a_missing_segment_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    for i in 0..20 {
        append(&shard, i..i + 1, 1000);
    }
    let copy = crash(dir.path());
    let first = files(copy.path(), "seg").remove(0);
    let mut all = batches(&first);
    all.retain(|(_, header)| header.count > 0);
    // The last two were in flight together, and the first of them is torn.
    let (last, mut header) = all[19];
    header.watermark = 18;
    let mut bytes = [0; 64];
    header.encode(&mut bytes);
    overwrite(&first, last, &bytes);
    overwrite(&first, all[18].0 + 80, &[0xee; 16]);
    let store = open(copy.path());
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_eq!(shard.end(), SequenceNumber(18));
    append(&shard, 18..3000, 1000);
    store.close().unwrap();
    drop((shard, store));
    let segments = begun(copy.path());
    let resume = batches(&segments[2])[0].1.first_sequence;
    std::fs::remove_file(&segments[1]).unwrap();
    let (_store, shard) = reopen(copy.path());
    let (read, told) = read_past(&shard, Position::Oldest, 1000);
    assert_eq!(
        told.iter().map(place).collect::<Vec<_>>(),
        [(&*segments[1], 18, Some(resume))]
    );
    assert_eq!(read, [0..18, resume..3000]);
}

#[test]
fn nothing_is_dropped_of_a_shard_with_a_gap() {
    let dir = filled();
    let segments = begun(dir.path());
    std::fs::remove_file(&segments[2]).unwrap();
    let (_store, shard) = reopen(dir.path());
    assert_eq!(shard.trim(SequenceNumber(RECORDS)).unwrap(), 0);
    assert_eq!(begun(dir.path()).len(), segments.len() - 1);
    assert!(shard.status().bytes > 5 << 19);
}

#[test]
fn a_buffer_tells_of_a_gap_and_goes_on_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = || BufferOptions {
        cap_bytes: 32 << 20,
        ..buffer::options()
    };
    let pushed = Buffer::open(dir.path(), options()).unwrap();
    pushed.create_cursor("uplink", CursorStart::Oldest).unwrap();
    buffer::push_together(&pushed, 0..2000, 8000);
    pushed.close().unwrap();
    drop(pushed);
    let shards = dir.path().join("shards");
    let shard = std::fs::read_dir(shards).unwrap().next().unwrap().unwrap();
    let segment = |ordinal: u64| shard.path().join(format!("{ordinal:016x}.seg"));
    let bases = [1, 2].map(|ordinal| batches(&segment(ordinal))[0].1.first_sequence);
    std::fs::remove_file(segment(1)).unwrap();

    let buffer = Buffer::open(dir.path(), options()).unwrap();
    assert!(matches!(buffer.state(), ShardState::ReadOnly(_)));
    buffer.stats().unwrap();
    let mut next = 0;
    let damage = loop {
        match buffer.peek("uplink", 1000, 1 << 20) {
            Ok(peek) => {
                next = peek.last().unwrap().0 + 1;
                buffer.acknowledge("uplink", peek.last().unwrap()).unwrap();
            }
            Err(Error::Damaged { damage, .. }) => break damage,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(next, bases[0]);
    assert_eq!(place(&damage), (&*segment(1), bases[0], Some(bases[1])));
    let behind = SequenceNumber(damage.resume.unwrap().0 - 1);
    buffer.acknowledge("uplink", behind).unwrap();
    let peek = buffer.peek("uplink", 1, 1).unwrap();
    assert_eq!(peek.last(), Some(SequenceNumber(bases[1])));
}
