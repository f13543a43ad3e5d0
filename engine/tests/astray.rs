//! Where a batch lies in another's place, or a header says what cannot be, a cursor reads what
//! belongs there and is told of the rest.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too
#![allow(clippy::single_range_in_vec_init)] // what was read may be one range of numbers

mod support;

use millstream_engine::{Damage, Position, SequenceNumber};
use support::{segments::*, *};

#[test]
fn a_batch_that_claims_the_records_of_later_segments_hides_none() {
    let dir = filled();
    let segments = begun(dir.path());
    let all = batches(&segments[1]);
    let (offset, mut forged) = all[1];
    let (from, to) = (forged.first_sequence, forged.end_sequence());
    forged.count = 1100;
    assert!(forged.end_sequence() > bases(&segments)[2]);
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
