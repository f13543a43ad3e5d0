//! The file of a buffer's cursor, damaged or forged. A cursor stands where it was put, or where it
//! stood before, or its use is an error; it never passes over records by itself.
//!
//! ```text
//! byte 0   bits: FORGED; changes of the file follow
//! ```

use std::{path::PathBuf, sync::OnceLock};

use millstream_engine::{
    Buffer, BufferOptions, CursorStart, Error, SequenceNumber, io::simulated::Disk,
};
use millstream_format::{Record, crc32c};

use crate::{
    dump,
    input::Input,
    patterns::BLOCK,
    stand::{STORE, Stand},
};

const FORGED: u8 = 1;
const MOST_CHANGES: usize = 16;
const NAME: &str = "uplink";
const RECORDS: u64 = 12;
/// Where the cursor was put, one after the other.
const STOOD: [u64; 4] = [0, 2, 5, 9];

/// Runs an input; panics where something does not hold.
pub fn run(input: &[u8]) {
    let (good, path) = good();
    let mut input = Input::new(input);
    let forged = input.byte() & FORGED != 0;
    let mut disk = good.fork();
    let mut bytes = disk.bytes(path).expect("the cursor's file");
    for _ in 0..MOST_CHANGES {
        if input.is_empty() {
            break;
        }
        change(&mut bytes, &mut input);
    }
    if forged {
        bytes.chunks_mut(BLOCK).for_each(mend);
    }
    disk.resize(path, bytes.len() as u64).expect("the file");
    disk.overwrite(path, 0, &bytes).expect("the file");
    dump::when_asked(&disk);
    judge(disk, forged);
}

fn change(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    let what = input.byte();
    let slot = usize::from(what >> 7) * BLOCK;
    match what & 7 {
        0 => {
            let len = input.number(3 * BLOCK);
            bytes.resize(len, 0);
        }
        1 => {
            let kept = bytes
                .get(BLOCK - slot..2 * BLOCK - slot)
                .map(<[u8]>::to_vec);
            if let (Some(kept), Some(place)) = (kept, bytes.get_mut(slot..slot + BLOCK)) {
                place.copy_from_slice(&kept);
            }
        }
        2 => {
            if let Some(place) = bytes.get_mut(slot..slot + BLOCK) {
                place.fill(0);
            }
        }
        3 | 4 => {
            let at = slot + 16 + 8 * input.pick(3);
            if let Some(place) = bytes.get_mut(at..at + 8) {
                let given = input.bytes(1 + usize::from(what >> 4 & 7));
                for (byte, given) in place.iter_mut().zip(given) {
                    *byte ^= given;
                }
            }
        }
        _ => {
            let at = slot + input.pick(128);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= input.byte();
            }
        }
    }
}

fn mend(slot: &mut [u8]) {
    let len = slot.get(40).map_or(0, |len| usize::from(*len));
    if let Some(covered) = slot.get(12..41 + len) {
        let crc = crc32c(covered);
        slot[8..12].copy_from_slice(&crc.to_le_bytes());
    }
}

fn options(stand: &Stand) -> BufferOptions {
    BufferOptions {
        cap_bytes: 4 << 20,
        memory_budget: 2 << 20,
        environment: stand.environment(),
        ..BufferOptions::default()
    }
}

fn data(number: u64) -> [u8; 24] {
    [number as u8; 24]
}

fn push(stand: &Stand, buffer: &Buffer, number: u64) -> SequenceNumber {
    let data = data(number);
    let ticket = buffer.push_later(&[Record::new("", &data)]);
    let ended = stand.wait(&ticket.expect("room")).expect("a write");
    ended.first
}

/// A buffer whose cursor has come a part of the way.
fn good() -> &'static (Disk, PathBuf) {
    static GOOD: OnceLock<(Disk, PathBuf)> = OnceLock::new();
    GOOD.get_or_init(|| {
        let stand = Stand::new(Disk::default(), 3000);
        let buffer = Buffer::open(STORE, options(&stand)).expect("a new buffer");
        buffer
            .create_cursor(NAME, CursorStart::Oldest)
            .expect("a new cursor");
        for number in 0..RECORDS {
            assert_eq!(push(&stand, &buffer, number).0, number);
        }
        for next in &STOOD[1..] {
            let last = SequenceNumber(next - 1);
            buffer.acknowledge(NAME, last).expect("a record");
        }
        buffer.close().expect("a buffer closes");
        let disk = stand.end();
        let files = disk.files();
        let path = files
            .into_iter()
            .find(|path| path.extension().is_some_and(|ext| ext == "cursor"));
        (disk, path.expect("the cursor's file"))
    })
}

fn judge(disk: Disk, forged: bool) {
    let stand = Stand::new(disk, 3001);
    let buffer = Buffer::open(STORE, options(&stand)).expect("damage does not fail an opening");
    let status = buffer.cursors().expect("cursors can be looked at");
    let status = status.first().expect("the cursor");
    if status.damaged {
        let peeked = buffer.peek(NAME, 100, 1 << 20);
        assert!(
            matches!(peeked, Err(Error::CursorDamaged { .. })),
            "a damaged cursor is used"
        );
        buffer.remove_cursor(NAME).expect("it can be removed");
        buffer
            .create_cursor(NAME, CursorStart::Oldest)
            .expect("it can be made anew");
        assert_eq!(peek(&buffer), (0..RECORDS).collect::<Vec<_>>());
        return;
    }
    let next = status.next.0;
    assert!(next <= RECORDS, "a cursor beyond the end");
    let [.., before, last] = STOOD;
    assert!(
        forged || next == before || next == last,
        "a cursor stands at {next}, where it never was"
    );
    assert_eq!(peek(&buffer), (next..RECORDS).collect::<Vec<_>>());
    assert_eq!(push(&stand, &buffer, RECORDS).0, RECORDS);
    buffer
        .acknowledge(NAME, SequenceNumber(RECORDS - 1))
        .expect("records that are there");
    // An acknowledgement is on the medium when it returns.
    let left = stand.end();
    drop(buffer);
    let stand = Stand::new(stand.after_power_cut(left), 3002);
    let buffer = Buffer::open(STORE, options(&stand)).expect("a good buffer");
    assert_eq!(peek(&buffer), [RECORDS], "an acknowledgement is forgotten");
}

fn peek(buffer: &Buffer) -> Vec<u64> {
    let peek = buffer.peek(NAME, 100, 1 << 20).expect("a good cursor");
    let numbers = peek.records().map(|record| {
        let record = record.expect("a good record");
        assert_eq!(record.data, data(record.sequence.0));
        record.sequence.0
    });
    numbers.collect()
}
