//! Where a segment file is missing, cut short, or without its header, a cursor reads everything
//! around it and is told at the very place, with the first number concerned and where to go on.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too
#![allow(clippy::single_range_in_vec_init)] // what was read may be one range of numbers

mod support;

use millstream_engine::{
    Buffer, BufferOptions, CursorStart, Error, Position, SequenceNumber, ShardOptions, ShardState,
};
use support::{segments::*, *};

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
