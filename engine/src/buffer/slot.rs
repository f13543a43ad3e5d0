//! A cursor's file: its position twice, written in turn, so that a write cut short leaves the
//! one before it.
//!
//! ```text
//! each of two blocks, zeros to the end of the block:
//! 0       8        12     16        24     32        40         41      41+n
//! ┌───────┬────────┬──────┬─────────┬──────┬─────────┬──────────┬──────┐
//! │ magic │ crc32c │ zero │ counter │ next │ dropped │ name len │ name │
//! └───────┴────────┴──────┴─────────┴──────┴─────────┴──────────┴──────┘
//! ```
//! Little-endian. The checksum covers what follows it up to the end of the name. A state with
//! counter n lies in block n mod 2; the higher counter holds.

use millstream_format::crc32c;

/// First eight bytes of a slot.
const MAGIC: u64 = u64::from_le_bytes(*b"MSCURSR1");
const NAME_AT: usize = 41;
/// Longest name of a cursor, in bytes.
pub(super) const MAX_NAME: usize = 64;
/// Bytes that are read of a slot. Within one 512-byte sector, so that they are written whole.
pub(super) const SLOT_LEN: usize = NAME_AT + MAX_NAME;

const _: () = assert!(SLOT_LEN <= 512);

/// What a cursor has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// All records below are acknowledged or dropped.
    pub next: u64,
    /// Records dropped before they were acknowledged.
    pub dropped: u64,
}

/// Which block holds the state of a counter.
pub(super) fn block_of(counter: u64) -> u64 {
    counter % 2
}

/// Writes a slot to the front of `out`, a block of zeros.
pub(super) fn encode(name: &str, counter: u64, mark: Mark, out: &mut [u8]) {
    let name = name.as_bytes();
    out[0..8].copy_from_slice(&MAGIC.to_le_bytes());
    out[16..24].copy_from_slice(&counter.to_le_bytes());
    out[24..32].copy_from_slice(&mark.next.to_le_bytes());
    out[32..40].copy_from_slice(&mark.dropped.to_le_bytes());
    out[40] = name.len() as u8;
    out[NAME_AT..NAME_AT + name.len()].copy_from_slice(name);
    let crc = crc32c(&out[12..NAME_AT + name.len()]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
}

/// Reads the slot of block `block` of the cursor `name`: its counter and state.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode(
    name: &str,
    block: u64,
    bytes: &[u8; SLOT_LEN],
) -> Result<(u64, Mark), &'static str> {
    let u64_at = |at: usize| {
        let mut b = [0; 8];
        b.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(b)
    };
    if bytes.iter().all(|byte| *byte == 0) {
        return Err("all zeros");
    }
    if u64_at(0) != MAGIC {
        return Err("not a cursor");
    }
    let len = usize::from(bytes[40]);
    if len > MAX_NAME {
        return Err("checksum mismatch");
    }
    let crc = crc32c(&bytes[12..NAME_AT + len]);
    if bytes[8..12] != crc.to_le_bytes() {
        return Err("checksum mismatch");
    }
    if &bytes[NAME_AT..NAME_AT + len] != name.as_bytes() {
        return Err("it is another cursor's");
    }
    let counter = u64_at(16);
    if block_of(counter) != block || counter == 0 {
        return Err("its counter does not belong here");
    }
    let mark = Mark {
        next: u64_at(24),
        dropped: u64_at(32),
    };
    Ok((counter, mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_comes_back_and_any_damage_shows() {
        let mark = Mark {
            next: 1 << 40,
            dropped: 3,
        };
        let mut bytes = [0; SLOT_LEN];
        encode("uplink", 7, mark, &mut bytes);
        assert_eq!(decode("uplink", 1, &bytes), Ok((7, mark)));
        assert!(decode("uplink", 0, &bytes).is_err());
        assert!(decode("other", 1, &bytes).is_err());
        for at in 0..NAME_AT + "uplink".len() {
            bytes[at] ^= 0x10;
            assert!(decode("uplink", 1, &bytes).is_err(), "byte {at}");
            bytes[at] ^= 0x10;
        }
        assert!(decode("uplink", 0, &[0; SLOT_LEN]).is_err());
    }
}
