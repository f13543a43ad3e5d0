//! A buffer's cursor: `fuzz/src/buffer.rs` tells what the bytes mean.

use super::Seed;

const FORGED: u8 = 1;

pub(super) fn seeds() -> Vec<Seed> {
    vec![
        ("untouched", vec![0]),
        ("one-lost", vec![0, 2]),
        ("other-lost", vec![0, 0x82]),
        ("both-lost", vec![0, 2, 0x82]),
        ("copied", vec![0, 1]),
        ("cut-short", vec![0, 0, 0, 0x10, 0]),
        ("flip", vec![0, 5, 24, 1, 0x85, 24, 1]),
        ("forged-counter", vec![FORGED, 3, 0, 200]),
        ("forged-next", vec![FORGED, 0x73, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("forged-name", vec![FORGED, 5, 40, 64]),
    ]
}
