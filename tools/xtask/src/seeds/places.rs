//! Shard iterators and sequence numbers: `fuzz/src/places.rs` tells what the first bytes mean.

use super::Seed;

const SEALED: u8 = 0;
const ITERATOR: u8 = 1;
const NUMBER: u8 = 2;
/// 2^36 times as many milliseconds since 1970.
const NOW: u8 = 25;

/// Of record 5 of shard 1, made in November 2023; and the place before it.
const RECORD: &str = "49646437577130777162115407028973509772956151183654780946";
const BEFORE: &str = "49646437577130777162115407028973509656133040732454780946";

/// What an iterator of version 1 holds.
fn content(kind: u8, value: u64) -> Vec<u8> {
    let issued_ms = u64::from(NOW) << 36;
    let mut content = vec![SEALED, NOW, 1, kind];
    content.extend(3u64.to_le_bytes());
    content.extend(1u32.to_le_bytes());
    content.extend(value.to_le_bytes());
    content.extend(issued_ms.to_le_bytes());
    content.extend(b"orders");
    content
}

pub(super) fn seeds() -> Vec<Seed> {
    let text = |kind, text: &str| [&[kind, NOW], text.as_bytes()].concat();
    vec![
        ("oldest", content(0, 0)),
        ("at", content(1, 7)),
        ("time", content(2, 1_700_000_000_000)),
        ("text", text(ITERATOR, "AQAAAAAAAAAAAAAA")),
        ("number", text(NUMBER, RECORD)),
        ("between", text(NUMBER, BEFORE)),
    ]
}
