//! An index file that is damaged, or forged so that its checksum is right, beside a good log. It
//! is never believed over the log: every record is read, and nothing is reported.
//!
//! ```text
//! byte 0   the store: a pattern
//! byte 1   bits: FORGED, ARBITRARY, KEPT; the upper four: which segment's index
//! then     changes of 64-bit words; or the bytes of the file
//! ```

use std::path::Path;

use millstream_engine::{
    Position, SequenceNumber,
    io::{
        device::{Access, Device},
        simulated::Disk,
    },
};
use millstream_format::{Record, crc32c};

use crate::{
    dump,
    input::Input,
    patterns::{COUNT, PRODUCER, Pattern, SHARD, StoredFile, pattern},
    reading::Found,
    stand::Stand,
};

/// The checksum is made right again.
const FORGED: u8 = 1;
/// The file is the input's, and not a good one that was changed.
const ARBITRARY: u8 = 2;
/// What is changed is the file as the engine wrote it, where there is one, and not one with an
/// entry for every batch.
const KEPT: u8 = 4;

const HEADER: usize = 64;
const MOST_CHANGES: usize = 16;

/// Runs an input; panics where something does not hold.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let pattern = pattern(usize::from(input.byte()) % COUNT);
    let mode = input.byte();
    let segments: Vec<_> = pattern.files.iter().filter(|f| f.is_segment()).collect();
    let segment = segments[usize::from(mode >> 4) % segments.len()];
    let path = segment.path.with_extension("idx");
    let kept = pattern.files.iter().find(|file| file.path == path);
    let mut bytes = match kept {
        _ if mode & ARBITRARY != 0 => Vec::new(),
        Some(file) if mode & KEPT != 0 => file.bytes.clone(),
        _ => index_of(segment),
    };
    let forged = mode & FORGED != 0;
    if mode & ARBITRARY != 0 {
        bytes = input.bytes(usize::MAX).to_vec();
        if forged && bytes.len() >= HEADER {
            bytes[..8].copy_from_slice(b"MSINDEX1");
            bytes[16..24].copy_from_slice(&segment.epoch().unwrap_or(0).to_le_bytes());
        }
    } else {
        for _ in 0..MOST_CHANGES {
            if input.is_empty() {
                break;
            }
            change(&mut bytes, &mut input, segment);
        }
    }
    if forged {
        mend(&mut bytes);
    }
    let disk = with_file(pattern, &path, &bytes);
    dump::when_asked(&disk);
    // One that was written by the engine tells the producers; one that was made here does not.
    let told = kept.is_some() && mode & KEPT != 0 && mode & (FORGED | ARBITRARY) == 0;
    judge(pattern, disk, told, mode);
}

/// An index of all batches of a segment, as the format has it.
fn index_of(segment: &StoredFile) -> Vec<u8> {
    let batches = || {
        segment
            .batches
            .iter()
            .filter(|(_, header)| header.count > 0)
    };
    let word = |at: usize| segment.bytes[at..at + 8].to_vec();
    let mut bytes = [b"MSINDEX1".to_vec(), vec![0; 8], word(40), word(32)].concat();
    let last = batches().next_back();
    let end = last.map_or(0, |(at, header)| {
        at + header.padded_len(crate::patterns::BLOCK)
    });
    let sequence = last.map_or(0, |(_, header)| header.end_sequence());
    let time = last.map_or(0, |(_, header)| header.time_ms);
    let words = [end as u64, sequence, time, batches().count() as u64];
    let entries = batches().flat_map(|(at, h)| [h.first_sequence, *at as u64, h.time_ms]);
    for word in words.into_iter().chain(entries) {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    mend(&mut bytes);
    bytes
}

/// Makes the checksum right, over as many entries and puts as the file says it has.
fn mend(bytes: &mut [u8]) {
    if bytes.len() < HEADER {
        return;
    }
    let count = |at: usize| {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
    };
    let end = HEADER + count(56) * 24 + count(60) * 40;
    let end = end.min(bytes.len());
    let crc = crc32c(&bytes[16..end]);
    bytes[8..16].copy_from_slice(&u64::from(crc).to_le_bytes());
}

fn change(bytes: &mut Vec<u8>, input: &mut Input<'_>, segment: &StoredFile) {
    let what = input.byte();
    match what & 7 {
        // Cut short, or longer.
        0 => {
            let len = input.number(bytes.len() + 4096);
            bytes.resize(len, 0);
        }
        // Fewer entries, or more, or puts.
        1 if bytes.len() >= HEADER => {
            let at = if what & 8 == 0 { 56 } else { 60 };
            bytes[at] = bytes[at].wrapping_add(input.byte());
            bytes[at + 3] ^= if what & 16 == 0 { 0 } else { input.byte() };
        }
        // An entry, or any word, becomes one of another batch, or near to what it was.
        2..=6 => {
            let words = bytes.len() / 8;
            let word = 2 + input.number(words.saturating_sub(2).max(1));
            let Some(slot) = bytes.get_mut(word * 8..word * 8 + 8) else {
                return;
            };
            let now = u64::from_le_bytes([
                slot[0], slot[1], slot[2], slot[3], slot[4], slot[5], slot[6], slot[7],
            ]);
            let batch = segment
                .batches
                .get(input.pick(segment.batches.len().max(1)));
            let set = match (what >> 3, batch) {
                (0..=3, Some((at, _))) => *at as u64,
                (4..=7, Some((_, header))) => header.first_sequence,
                (8..=11, _) => now.wrapping_add(u64::from(input.byte())),
                (12..=15, _) => now.wrapping_sub(u64::from(input.byte())),
                (16..=19, _) => now ^ 1 << (input.byte() % 64),
                (20..=23, _) => u64::MAX - u64::from(input.byte()),
                _ => input.wide(),
            };
            slot.copy_from_slice(&set.to_le_bytes());
        }
        _ => {
            let at = input.number(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= input.byte();
            }
        }
    }
}

fn with_file(pattern: &Pattern, path: &Path, bytes: &[u8]) -> Disk {
    let mut disk = pattern.disk.fork();
    // Where there is none, one is made.
    let _ = disk.lose(path);
    let stand = Stand::new(disk, 0);
    let file = stand.device().open(path, Access::Create).expect("a name");
    if !bytes.is_empty() {
        file.write_at(bytes, 0).expect("memory");
    }
    stand.device().sync_all("/".as_ref()).expect("memory");
    stand.end()
}

fn judge(pattern: &Pattern, disk: Disk, told: bool, mode: u8) {
    let stand = Stand::new(disk, 2000);
    let store = stand.open().expect("a good store");
    let shard = store
        .open_shard(SHARD, pattern.options)
        .expect("a good shard");
    let found = Found::read(&shard);
    assert!(
        found.gaps.is_empty() && found.read_only.is_none() && found.broken_off.is_none(),
        "an index is believed over the log: {:?}, {:?}",
        found.gaps,
        found.read_only
    );
    assert!(
        found.records == pattern.records,
        "an index is believed over the log: there are {:?}, and were {:?}",
        found.records.keys().collect::<Vec<_>>(),
        pattern.records.keys().collect::<Vec<_>>()
    );
    for (sequence, content) in pattern.records.iter().step_by(7) {
        let position = Position::At(SequenceNumber(*sequence));
        let mut cursor = shard.read(position).expect("a position in the shard");
        let batch = cursor.next_batch().expect("a good batch");
        let batch = batch.expect("a record that is there");
        let (first, record) = batch
            .records()
            .next()
            .expect("a record")
            .expect("a good record");
        assert_eq!(first.0, *sequence, "a cursor begins elsewhere");
        assert!(record.data == content.1, "record {sequence} is another");
    }
    // Its times are the index's to tell; reading from one must end, no more.
    let now = stand.now_ms();
    for time in [0, now - 1, now, u64::MAX] {
        if let Ok(mut cursor) = shard.read(Position::AtTime(time)) {
            let _ = cursor.next_batch();
        }
    }
    if let (true, Some((number, first))) = (told, pattern.puts.last())
        && let Some((key, data)) = pattern.records.get(first)
    {
        let again = shard.try_append_from(PRODUCER, *number, &[Record::new(key, data)]);
        let again = stand.wait(&again.expect("a put that is remembered"));
        assert_eq!(again.expect("it is there").first.0, *first, "written twice");
    }
    let ticket = shard.try_append(&[Record::new("next", b"after the index")]);
    let next = stand.wait(&ticket.expect("a good shard")).expect("a write");
    assert!(
        !pattern.records.contains_key(&next.first.0) && next.first.0 >= found.end,
        "a number is used again"
    );
    let disk = match mode & 8 {
        0 => {
            drop(shard);
            store.close().expect("a store closes");
            stand.end()
        }
        _ => {
            let left = stand.end();
            drop((shard, store));
            stand.after_power_cut(left)
        }
    };
    let stand = Stand::new(disk, 2001);
    let store = stand.open().expect("a good store");
    let shard = store
        .open_shard(SHARD, pattern.options)
        .expect("a good shard");
    let after = Found::read(&shard);
    assert!(after.gaps.is_empty() && after.read_only.is_none());
    let kept = after.records.range(..found.end);
    assert!(kept.eq(found.records.iter()), "records come and go");
}
