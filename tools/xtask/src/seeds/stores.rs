//! What is done to a store's files (`segment_recovery` tells what the bytes mean): nothing, each
//! kind of damage alone, and several at once.

use super::Seed;

/// First byte: the store as it was closed, or as a killed process leaves it; and whether the
/// checksums are made right after the damage.
const CLEAN: u8 = 0;
const TORN: u8 = 1;
const FORGED: u8 = 2;

/// The segment is the last file but a few; 3 bytes of offset follow file and kind.
pub(super) fn seeds() -> Vec<Seed> {
    let change = |file: u8, kind: u8, at: u32, more: &[u8]| {
        let [_, a, b, c] = at.to_be_bytes();
        [&[file, kind, a, b, c], more].concat()
    };
    let flip = |file, at| change(file, 0, at, &[0x40]);
    let lost = |file, at| change(file, 3, at, &[0, 0x10, 0]);
    let torn = |file, at| change(file, 4, at, &[]);
    let moved = |file, at| change(file, 5, at, &[0, 0x10, 0]);
    let with = |mode: u8, changes: &[Vec<u8>]| [vec![mode], changes.concat()].concat();
    let every_file = |change: &dyn Fn(u8) -> Vec<u8>| (0..6).map(change).collect::<Vec<_>>();
    vec![
        ("untouched", with(CLEAN, &[])),
        ("untouched-torn", with(TORN, &[])),
        (
            "flips-in-headers",
            with(CLEAN, &every_file(&|file| flip(file, 40))),
        ),
        (
            "flips-in-batches",
            with(TORN, &every_file(&|file| flip(file, 9000))),
        ),
        (
            "lost-write",
            with(TORN, &every_file(&|file| lost(file, 8192))),
        ),
        (
            "torn-end",
            with(TORN, &every_file(&|file| torn(file, 20_000))),
        ),
        (
            "moved-block",
            with(CLEAN, &every_file(&|file| moved(file, 12_288))),
        ),
        ("cut-file", with(CLEAN, &[change(2, 6, 100, &[])])),
        ("gone-file", with(TORN, &[vec![1, 7]])),
        (
            "forged-header",
            with(FORGED, &every_file(&|file| flip(file, 4096 + 24))),
        ),
        (
            "forged-body",
            with(FORGED | TORN, &every_file(&|file| flip(file, 4096 + 64))),
        ),
    ]
}
