//! Index files: changed, forged, and of any bytes. `fuzz/src/index.rs` tells what the bytes mean.

use super::Seed;

const FORGED: u8 = 1;
const ARBITRARY: u8 = 2;
const KEPT: u8 = 4;

pub(super) fn seeds() -> Vec<Seed> {
    let with = |store: u8, mode: u8, rest: &[u8]| [&[store, mode], rest].concat();
    vec![
        ("untouched", with(0, KEPT, &[])),
        ("every-batch", with(3, FORGED | 0x10, &[])),
        ("flip", with(3, KEPT, &[7, 0, 0, 70, 1])),
        ("cut-short", with(4, 0, &[0, 0, 0, 100])),
        ("more-entries", with(0, FORGED, &[1, 9])),
        ("more-puts", with(0, FORGED, &[9, 9, 25, 200])),
        ("offset-of-another", with(3, FORGED, &[2, 0, 0, 7, 1])),
        ("sequence-of-another", with(1, FORGED, &[0x23, 0, 0, 9, 2])),
        ("behind-the-end", with(2, FORGED, &[0x43, 0, 0, 10, 200])),
        ("far-behind-the-end", with(5, FORGED, &[0xa3, 0, 0, 13, 1])),
        ("bytes", with(6, FORGED | ARBITRARY, &[0; 96])),
        ("no-bytes", with(6, ARBITRARY, &[])),
    ]
}
