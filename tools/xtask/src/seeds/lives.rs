//! What a store lives through: `fuzz/src/model.rs` tells what the bytes mean.

use super::Seed;

const WRITTEN: u8 = 1;
const ZSTD: u8 = 2;
const SMALL: u8 = 4;

// Operations; the upper four bits say how much.
const APPEND: u8 = 0;
const LEADING: u8 = 2;
const READY: u8 = 3;
const PUT: u8 = 4;
const TURN: u8 = 0x36;
const PASS: u8 = 0xc8;
const REAP: u8 = 9;
const TRIM: u8 = 10;
const READ: u8 = 11;
const REOPEN: u8 = 12;
const FAIL: u8 = 13;
const CUT: u8 = 14;
const CLOSE: u8 = 0x0f;
const KILL: u8 = 0x4f;
const POWER: u8 = 0xff;
/// A process that opens undisturbed.
const CALM: u8 = 0;
/// How much of an append is a fifth of a segment.
const FAT: u8 = 0xf0;

pub(super) fn seeds() -> Vec<Seed> {
    let fat = |count| [APPEND | FAT, TURN].repeat(count);
    let life = |how: u8, parts: &[&[u8]]| [&[how], &parts.concat()[..]].concat();
    vec![
        (
            "closed",
            life(
                0,
                &[&[
                    CALM,
                    APPEND,
                    TURN,
                    READ,
                    CLOSE,
                    CALM,
                    APPEND | 0x50,
                    TURN,
                    READ,
                ]],
            ),
        ),
        (
            "killed",
            life(
                0,
                &[&[CALM, APPEND, TURN, LEADING, KILL, CALM, READY, TURN, READ]],
            ),
        ),
        (
            "power",
            life(
                0,
                &[&[
                    CALM,
                    APPEND,
                    TURN,
                    APPEND | 0x90,
                    POWER,
                    CALM,
                    READY | 0xa0,
                    POWER,
                ]],
            ),
        ),
        (
            "rolls",
            life(
                ZSTD,
                &[&[CALM], &fat(7), &[READ, POWER, CALM], &fat(3), &[CLOSE]],
            ),
        ),
        (
            "by-size",
            life(
                SMALL,
                &[
                    &[CALM],
                    &fat(14),
                    &[REAP, PASS],
                    &fat(9),
                    &[REAP, READ, KILL],
                ],
            ),
        ),
        (
            "trims",
            life(
                0,
                &[
                    &[CALM],
                    &fat(12),
                    &[TRIM, 2, TURN],
                    &fat(4),
                    &[POWER, CALM, READ],
                ],
            ),
        ),
        (
            "puts",
            life(
                0,
                &[&[
                    CALM,
                    PUT,
                    TURN,
                    PUT,
                    PUT | 0x10,
                    TURN,
                    POWER,
                    CALM,
                    PUT | 0x10,
                    PUT,
                    TURN,
                    READ,
                ]],
            ),
        ),
        (
            "puts-over-recoveries",
            life(
                WRITTEN,
                &[
                    &[CALM, PUT, TURN, POWER],
                    &[CALM, POWER, CALM, POWER, CALM, PUT | 0x10, TURN],
                ],
            ),
        ),
        (
            "fails",
            life(
                0,
                &[&[
                    CALM, APPEND, TURN, FAIL, 0, APPEND, TURN, TURN, REOPEN, APPEND, TURN, READ,
                ]],
            ),
        ),
        (
            "cut",
            life(
                0,
                &[&[
                    CALM, APPEND, TURN, CUT, 9, APPEND, READY, TURN, TURN, CALM, APPEND, TURN,
                ]],
            ),
        ),
        (
            "cut-while-opening",
            life(
                0,
                &[&[
                    CALM, APPEND, POWER, 0x29, 0x49, 0x31, CALM, APPEND, TURN, READ,
                ]],
            ),
        ),
        (
            "written",
            life(
                WRITTEN,
                &[&[
                    CALM, APPEND, TURN, PASS, APPEND, POWER, CALM, APPEND, TURN, READ, POWER,
                ]],
            ),
        ),
        (
            "written-rolls",
            life(
                WRITTEN | SMALL,
                &[&[CALM], &fat(12), &[PASS, REAP, POWER, CALM], &fat(6)],
            ),
        ),
    ]
}
