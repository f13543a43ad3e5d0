use std::os::unix::fs::MetadataExt;

use proptest::prelude::*;

use super::*;
use crate::io::fixture::{Place, pattern, places};

const B: u64 = BLOCK as u64;

fn each_place(test: impl Fn(&Place)) {
    for place in places() {
        println!("{}", place.name);
        test(&place);
    }
}

#[test]
fn what_is_written_durably_is_read_back_by_either_path() {
    each_place(|place| {
        let file = place.create("a");
        let bytes = pattern(1, (3 << 20) + BLOCK + 1);
        // At no particular address.
        let unaligned = &bytes[1..];
        file.write_durable_at(unaligned, 2 * B).unwrap();
        assert_eq!(file.len().unwrap(), 2 * B + unaligned.len() as u64);
        let reader = place.device.open(&place.path("a"), Access::Read).unwrap();
        for file in [&file, &reader] {
            let mut out = vec![0; unaligned.len()];
            file.read_at(&mut out, 2 * B).unwrap();
            assert!(out == unaligned);
            out.fill(0);
            file.read_medium_at(&mut out, 2 * B).unwrap();
            assert!(out == unaligned);
        }
    });
}

#[test]
fn a_range_that_is_not_whole_blocks_is_refused() {
    each_place(|place| {
        let file = place.create("a");
        let outcomes = [
            file.write_durable_at(&[0; 100], 0),
            file.write_durable_at(&[0; BLOCK], 100),
            file.allocate(1, B),
            file.allocate(0, B + 1),
            file.allocate(u64::MAX - B + 1, B),
            file.write_zeros(512, B),
        ];
        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(file.len().unwrap(), 0);
    });
}

#[test]
fn reading_past_the_end_is_an_error() {
    each_place(|place| {
        drop(place.create("a"));
        std::fs::write(place.path("a"), pattern(1, 5000)).unwrap();
        for access in [Access::Read, Access::Write] {
            let file = place.device.open(&place.path("a"), access).unwrap();
            let mut out = [0; 10];
            file.read_at(&mut out, 4990).unwrap();
            assert_eq!(out, pattern(1, 5000)[4990..]);
            for offset in [4991, 5000, 9000] {
                for outcome in [
                    file.read_at(&mut out, offset),
                    file.read_medium_at(&mut out, offset),
                ] {
                    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
                }
            }
        }
    });
}

#[test]
fn a_file_is_made_once_and_must_be_there_to_be_opened() {
    each_place(|place| {
        let path = place.path("a");
        let kind = |access| place.device.open(&path, access).unwrap_err().kind();
        assert_eq!(kind(Access::Read), io::ErrorKind::NotFound);
        assert_eq!(kind(Access::Write), io::ErrorKind::NotFound);
        drop(place.create("a"));
        assert_eq!(kind(Access::Create), io::ErrorKind::AlreadyExists);
    });
}

#[test]
fn allocating_gives_blocks_and_keeps_what_is_there() {
    each_place(|place| {
        let file = place.create("a");
        let bytes = pattern(1, BLOCK);
        file.write_durable_at(&bytes, 3 * B).unwrap();
        file.allocate(0, 2 << 20).unwrap();
        let metadata = std::fs::metadata(place.path("a")).unwrap();
        assert_eq!(metadata.len(), 2 << 20);
        assert!(metadata.blocks() * 512 >= 2 << 20);
        let mut expected = vec![0; 2 << 20];
        expected[3 * BLOCK..4 * BLOCK].copy_from_slice(&bytes);
        assert!(std::fs::read(place.path("a")).unwrap() == expected);
    });
}

#[test]
fn holes_are_filled_where_the_system_cannot_allocate() {
    each_place(|place| {
        let traits = Arc::new(Traits::new(place.device.report().direct));
        let file = SystemFile::open(&place.path("a"), Access::Create, &traits).unwrap();
        let bytes = pattern(1, BLOCK);
        file.write_durable_at(&bytes, 300 * B).unwrap();
        file.fill_holes(B, 2 << 20).unwrap();
        let metadata = std::fs::metadata(place.path("a")).unwrap();
        assert_eq!(metadata.len(), (2 << 20) + B);
        assert!(metadata.blocks() * 512 >= 2 << 20);
        let mut expected = vec![0; (2 << 20) + BLOCK];
        expected[300 * BLOCK..301 * BLOCK].copy_from_slice(&bytes);
        assert!(std::fs::read(place.path("a")).unwrap() == expected);
    });
}

#[test]
fn zeros_are_written_over_the_range_alone() {
    each_place(|place| {
        let file = place.create("a");
        let bytes = pattern(1, 3 << 20);
        file.write_durable_at(&bytes, 0).unwrap();
        let (from, to) = (7 * BLOCK, (2 << 20) + 9 * BLOCK);
        for _ in 0..2 {
            file.write_zeros(from as u64, (to - from) as u64).unwrap();
            file.sync().unwrap();
        }
        let mut expected = bytes;
        expected[from..to].fill(0);
        assert!(std::fs::read(place.path("a")).unwrap() == expected);
    });
}

#[test]
fn a_full_medium_is_told_as_such() {
    let traits = Arc::new(Traits::new(false));
    let file = SystemFile::open("/dev/full".as_ref(), Access::Write, &traits).unwrap();
    let outcome = file.write_durable_at(&[1; BLOCK], 0);
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::StorageFull);
    let quota = io::Error::from(io::ErrorKind::QuotaExceeded);
    assert_eq!(full(quota).kind(), io::ErrorKind::StorageFull);
}

#[test]
fn data_is_found_between_holes() {
    each_place(|place| {
        let file = place.create("a");
        file.set_len(64 << 20).unwrap();
        assert_eq!(file.next_data(64 << 20).unwrap(), None);
        assert_eq!(file.next_data(u64::MAX).unwrap(), None);
        let at = 32 << 20;
        file.write_durable_at(&pattern(1, BLOCK), at).unwrap();
        let (start, end) = file.next_data(0).unwrap().unwrap();
        assert!(start <= at && end >= at + B, "{start}..{end}");
        let (start, _) = file.next_data(at + 100).unwrap().unwrap();
        assert_eq!(start, at + 100, "inside of it");
        // Where holes are known at all, nothing follows it.
        if end < 64 << 20 {
            assert_eq!(file.next_data(end).unwrap(), None);
        }
    });
}

#[test]
fn a_map_shows_what_is_written_later() {
    each_place(|place| {
        let file = place.create("a");
        assert!(file.map().unwrap().is_empty());
        assert_eq!(file.map().unwrap().bytes(0, 0), Some(&[][..]));
        file.set_len(4 * B).unwrap();
        let map = file.map().unwrap();
        assert_eq!(map.len(), 4 * BLOCK);
        assert!(
            map.bytes(0, 4 * BLOCK)
                .unwrap()
                .iter()
                .all(|byte| *byte == 0)
        );
        let bytes = pattern(1, BLOCK);
        file.write_durable_at(&bytes, B).unwrap();
        // The map outlives its file.
        drop(file);
        assert!(map.bytes(BLOCK, BLOCK).unwrap() == bytes);
        assert!(map.bytes(BLOCK + 3, 10).unwrap() == &bytes[3..13]);
        for (offset, len) in [
            (0, 4 * BLOCK + 1),
            (4 * BLOCK, 1),
            (usize::MAX, 2),
            (1, usize::MAX),
        ] {
            assert_eq!(map.bytes(offset, len), None, "{offset} {len}");
        }
    });
}

#[test]
fn a_renamed_file_is_still_the_one_that_was_opened() {
    each_place(|place| {
        place
            .create("a")
            .write_durable_at(&pattern(1, BLOCK), 0)
            .unwrap();
        let file = place.device.open(&place.path("a"), Access::Read).unwrap();
        place
            .device
            .rename(&place.path("a"), &place.path("b"))
            .unwrap();
        std::fs::write(place.path("a"), [0; BLOCK]).unwrap();
        let mut out = vec![0; BLOCK];
        file.read_medium_at(&mut out, 0).unwrap();
        assert!(out == pattern(1, BLOCK));
    });
}

#[test]
fn any_range_of_a_file_can_be_read() {
    let places = places();
    let bytes = pattern(9, 3 * PIECE + 777);
    let mut files = Vec::new();
    for place in &places {
        drop(place.create("a"));
        std::fs::write(place.path("a"), &bytes).unwrap();
        for access in [Access::Write, Access::Read] {
            files.push(place.device.open(&place.path("a"), access).unwrap());
        }
    }
    let config = ProptestConfig::with_cases(60);
    let near = |size: usize| prop_oneof![0..size, size / BLOCK * BLOCK..size, 0..2 * BLOCK];
    let ranges = (near(bytes.len()), near(bytes.len()));
    proptest!(config, |((from, len) in ranges)| {
        let len = len.min(bytes.len() - from);
        let mut out = vec![0; len];
        for file in &files {
            file.read_at(&mut out, from as u64).unwrap();
            prop_assert!(out == bytes[from..from + len]);
            out.fill(0);
            file.read_medium_at(&mut out, from as u64).unwrap();
            prop_assert!(out == bytes[from..from + len]);
            out.fill(0);
        }
    });
}

#[test]
fn an_open_file_has_one_descriptor() {
    for place in places() {
        let file = place.create("a");
        file.write_durable_at(&[1; BLOCK], 0).unwrap();
        file.read_medium_at(&mut [0; 10], 0).unwrap();
        let map = file.map().unwrap();
        let path = place.path("a").canonicalize().unwrap();
        let open = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|target| *target == path)
            .count();
        assert_eq!((open, map.len()), (1, BLOCK));
    }
}
