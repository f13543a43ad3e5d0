//! What is done to a store's files: nothing, each kind of damage alone, and several at once. What
//! the bytes mean is told by `fuzz/src/recovery.rs` and `fuzz/src/damage.rs`.

use super::Seed;

// Which store.
const CLOSED: u8 = 0;
const KILLED: u8 = 1;
const CUT_OFF: u8 = 2;
const ROLLED: u8 = 3;
const RECYCLED: u8 = 4;
const WRITTEN_KILLED: u8 = 5;
const WRITTEN_CLOSED: u8 = 6;
const BYTES: u8 = 7;

// How.
const FORGED: u8 = 1;
const AGAIN: u8 = 2;
const CLOSE: u8 = 4;
const POWER: u8 = 8;

pub(super) fn seeds() -> Vec<Seed> {
    let with =
        |store: u8, mode: u8, changes: &[&[u8]]| [&[store, mode], &changes.concat()[..]].concat();
    let forged = FORGED | AGAIN;
    let raw = [1, 0, 0, 64, 0x4d, 0x53, 0x42, 0x31, 0, 0, 0, 0, 1];
    vec![
        ("untouched", with(CLOSED, AGAIN, &[])),
        ("untouched-killed", with(KILLED, AGAIN | CLOSE, &[])),
        ("untouched-rolled", with(ROLLED, POWER, &[])),
        ("untouched-recycled", with(RECYCLED, AGAIN | POWER, &[])),
        (
            "untouched-written",
            with(WRITTEN_KILLED, AGAIN | POWER, &[]),
        ),
        // Which file, what, and where: see `Damage::change`.
        (
            "flip-in-batch",
            with(
                CUT_OFF,
                AGAIN,
                &[&[1, 0, 2, 40, 0x40], &[3, 0, 1, 70, 0x40]],
            ),
        ),
        (
            "flip-in-index",
            with(ROLLED, 0, &[&[200, 3, 0, 0, 80, 0x40]]),
        ),
        ("lost-write", with(KILLED, AGAIN, &[&[0, 6, 0, 0x20, 0, 8]])),
        ("torn-end", with(CUT_OFF, POWER, &[&[4, 7, 0, 0x30, 0]])),
        ("cut-short", with(CLOSED, 0, &[&[0, 8, 0, 0x50, 0]])),
        ("longer", with(CLOSED, 0, &[&[0, 0xe8, 0, 0x10, 0]])),
        ("header-flip", with(CUT_OFF, AGAIN, &[&[4, 9, 60, 1]])),
        ("header-lost", with(ROLLED, AGAIN, &[&[2, 6, 0, 0, 0, 7]])),
        ("batch-astray", with(KILLED, AGAIN, &[&[0, 4, 0, 1, 3]])),
        (
            "block-astray",
            with(RECYCLED, AGAIN, &[&[0, 0x34, 1, 0, 0x20, 0, 0, 0x10, 0]]),
        ),
        ("file-lost", with(CUT_OFF, AGAIN, &[&[2, 10]])),
        ("first-lost", with(ROLLED, AGAIN, &[&[0, 10]])),
        ("last-lost", with(CUT_OFF, AGAIN, &[&[4, 10]])),
        ("files-mixed-up", with(ROLLED, AGAIN, &[&[0, 0x4a, 1]])),
        ("file-twice", with(CUT_OFF, AGAIN, &[&[3, 0x8a, 7, 0]])),
        ("file-renamed", with(ROLLED, POWER, &[&[1, 0x9a, 9, 2]])),
        ("forged-epoch", with(CUT_OFF, forged, &[&[4, 0x8c, 2, 1]])),
        ("forged-base", with(CUT_OFF, forged, &[&[4, 0x0c, 4, 9]])),
        (
            "forged-previous-end",
            with(CUT_OFF, forged, &[&[3, 0xac, 8, 2]]),
        ),
        (
            "forged-watermark",
            with(KILLED, forged, &[&[0, 0x0e, 3, 3, 200]]),
        ),
        (
            "forged-sequence",
            with(KILLED, forged | POWER, &[&[0, 0xce, 6, 1, 0]]),
        ),
        (
            "forged-length",
            with(CLOSED, forged | CLOSE, &[&[0, 0x8e, 4, 4, 20]]),
        ),
        (
            "forged-body",
            with(KILLED, forged, &[&[0, 0x21, 9, 70, 1, 1, 1]]),
        ),
        (
            "forged-behind",
            with(KILLED, forged, &[&[0, 4, 0, 2, 255, 7]]),
        ),
        (
            "written-torn",
            with(WRITTEN_CLOSED, AGAIN | POWER, &[&[0, 7, 0, 0x40, 0]]),
        ),
        (
            "written-flip",
            with(WRITTEN_KILLED, AGAIN, &[&[1, 0, 3, 80, 1]]),
        ),
        ("bytes", with(BYTES, FORGED, &[&raw])),
        ("bytes-alone", with(BYTES, 0, &[&[1], b"MSSEGMT1"])),
    ]
}
