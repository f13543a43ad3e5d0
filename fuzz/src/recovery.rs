//! A store whose files were damaged, torn or forged while it was closed. Whatever the bytes,
//! opening ends, reading ends, and what is damaged is never taken for a record; what was
//! acknowledged is there or is reported; opening it again changes nothing; and a shard that takes
//! appends keeps them, under numbers of their own.
//!
//! ```text
//! byte 0   the store: a pattern (patterns::pattern), or COUNT for bytes that are a segment file
//! byte 1   bits: FORGED, AGAIN, CLOSE, POWER
//! then     changes (damage::Damage); or the segment file, in pieces
//! ```

use std::{borrow::Cow, collections::BTreeMap};

use millstream_engine::{
    Durability, Error, Position, SequenceNumber, Shard, Store, io::simulated::Disk,
};
use millstream_format::{BATCH_HEADER_LEN, BatchHeader, Record, crc32c};

use crate::{
    damage::{Damage, mend},
    dump,
    input::Input,
    patterns::{BLOCK, COUNT, PRODUCER, Pattern, SHARD, pattern},
    reading::Found,
    stand::{STORE, Stand},
};

/// Checksums are made right again after the changes: wrong records can pass for right ones.
const FORGED: u8 = 1;
/// It is opened a second time before anything is appended.
const AGAIN: u8 = 2;
/// It is closed at its end, and not killed.
const CLOSE: u8 = 4;
/// The power goes where it is not closed.
const POWER: u8 = 8;

/// Runs an input; panics where something does not hold.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let number = usize::from(input.byte()) % (COUNT + 1);
    let mode = input.byte();
    let pattern = pattern(number);
    let damage = match number {
        COUNT => raw_segment(pattern, &mut input, mode & FORGED != 0),
        _ => {
            let mut damage = Damage::none(pattern, mode & FORGED != 0);
            damage.inflict(&mut input);
            damage
        }
    };
    let disk = damage.disk();
    dump::when_asked(&disk);
    Trial {
        pattern,
        damage: &damage,
        mode,
    }
    .run(disk);
}

struct Trial<'a> {
    pattern: &'static Pattern,
    damage: &'a Damage,
    mode: u8,
}

impl Trial<'_> {
    fn run(&self, disk: Disk) {
        let stand = Stand::new(disk, 1000);
        let opened = self.open(&stand);
        if self.damage.is_none() {
            assert!(opened.is_ok(), "a good store does not open: {opened:?}");
        }
        let Ok((store, shard)) = opened else {
            return;
        };
        let found = Found::read(&shard);
        if !self.damage.forged {
            self.judge(&found, &shard);
        }
        if self.mode & AGAIN == 0 {
            self.go_on(&stand, store, &shard, &found);
            return;
        }
        let disk = self.end(&stand, store, shard);
        let stand = Stand::new(disk, 1001);
        let Some((store, shard)) = self.open_again(&stand) else {
            return;
        };
        let again = Found::read(&shard);
        if !self.damage.lies() {
            same(&found, &again);
        }
        self.go_on(&stand, store, &shard, &again);
    }

    fn open(&self, stand: &Stand) -> Result<(Store, Shard), Error> {
        let store = stand.open()?;
        let shard = store.open_shard(SHARD, self.pattern.options)?;
        Ok((store, shard))
    }

    /// Opens what was recovered before.
    fn open_again(&self, stand: &Stand) -> Option<(Store, Shard)> {
        match self.open(stand) {
            Ok(opened) => Some(opened),
            Err(_) if self.damage.lies() => None,
            Err(error) => panic!("a store that was recovered does not open again: {error}"),
        }
    }

    /// Ends a process, as the input says; what is left.
    fn end(&self, stand: &Stand, store: Store, shard: Shard) -> Disk {
        drop(shard);
        if self.mode & CLOSE != 0 {
            store.close().expect("a store closes");
            return stand.end();
        }
        let left = stand.end();
        drop(store);
        match self.mode & POWER {
            0 => stand.after_kill(left),
            _ => stand.after_power_cut(left),
        }
    }

    /// What may be found where nothing was forged.
    fn judge(&self, found: &Found, shard: &Shard) {
        for (sequence, content) in &found.records {
            assert_eq!(
                self.pattern.ever.get(sequence),
                Some(content),
                "record {sequence} is not what was put"
            );
        }
        let vouched = vouched(self.damage);
        for sequence in self.pattern.records.keys() {
            let excused = found.records.contains_key(sequence)
                || found.broken_off.is_some()
                || found.is_reported(*sequence)
                || *sequence >= vouched
                || self.pattern.options.durability == Durability::Written
                || found.read_only.as_ref().is_some_and(|damage| {
                    *sequence >= damage.sequence.0 || self.damage.files_moved
                })
                || self.damage.files_moved && *sequence < found.oldest;
            assert!(
                excused,
                "record {sequence} of \"{}\" was acknowledged, {vouched} vouches for it, and it is \
                 neither there nor reported: {} records from {} to {}, gaps {:?}, read-only {:?}",
                self.pattern.name,
                found.records.len(),
                found.oldest,
                found.end,
                found.gaps,
                found.read_only
            );
        }
        if self.damage.is_none() {
            assert!(
                found.gaps.is_empty() && found.read_only.is_none(),
                "damage is reported and there is none"
            );
        }
        // Whoever begins in the middle finds the same.
        let middle = found.records.keys().nth(found.records.len() / 2);
        if let Some(middle) = middle
            && let Ok(mut cursor) = shard.read(Position::At(SequenceNumber(*middle)))
            && let Ok(Some(batch)) = cursor.next_batch()
        {
            let first = batch.records().next().expect("a batch has a record");
            let (sequence, record) = first.expect("a good record");
            assert_eq!(sequence.0, *middle, "a cursor begins elsewhere");
            assert_eq!(record.data, found.records[middle].1);
        }
    }

    /// A shard that takes records has to keep them, and those that it showed.
    fn go_on(&self, stand: &Stand, store: Store, shard: &Shard, before: &Found) {
        if !self.damage.forged {
            self.retry(stand, shard, before);
        }
        let data = b"after recovery";
        let appended = match shard.try_append(&[Record::new("again", data)]) {
            Ok(ticket) => stand.wait(&ticket).ok(),
            Err(_) => None,
        };
        if self.damage.is_none() {
            assert!(appended.is_some(), "a good shard takes no records");
        }
        if let Some(appended) = appended {
            let first = appended.first.0;
            let newest = before.records.keys().next_back();
            assert!(
                newest.is_none_or(|newest| *newest < first) || self.damage.lies(),
                "a sequence number is used again"
            );
            if !self.damage.forged {
                assert!(first >= vouched(self.damage), "an acknowledged number");
            }
        }
        let disk = self.end(stand, store, shard.clone());
        let stand = Stand::new(disk, 1002);
        let Some((store, shard)) = self.open_again(&stand) else {
            return;
        };
        let mut after = Found::read(&shard);
        if self.damage.lies() {
            return;
        }
        let power = self.mode & (CLOSE | POWER) == POWER;
        if let Some(appended) = appended {
            let there = after.records.remove(&appended.first.0);
            let may_be_lost = power && self.pattern.options.durability == Durability::Written;
            assert!(
                there == Some(("again".to_owned(), data.to_vec()))
                    || may_be_lost && there.is_none(),
                "an acknowledged record is lost: {there:?} at {}",
                appended.first
            );
        }
        same(before, &after);
        drop(shard);
        store.close().expect("a store that was recovered closes");
    }

    /// A put that is sent again is written once.
    fn retry(&self, stand: &Stand, shard: &Shard, before: &Found) {
        let Some((number, first)) = self.pattern.puts.last() else {
            return;
        };
        let there = before.records.contains_key(first);
        let data = &self
            .pattern
            .records
            .get(first)
            .map(|content| &content.1[..]);
        let (Some(data), true) = (data, there) else {
            return;
        };
        let sent = shard.try_append_from(PRODUCER, *number, &[Record::new("key", data)]);
        match sent {
            Ok(ticket) => {
                let ended = stand.wait(&ticket).expect("what is there is durable");
                assert_eq!(ended.first.0, *first, "a put is written twice");
            }
            Err(error) => assert!(!self.damage.is_none(), "a put is forgotten: {error}"),
        }
    }
}

/// What was recovered once stays as it is.
fn same(before: &Found, after: &Found) {
    assert!(
        before.records == after.records,
        "records come and go: {:?} were there, {:?} are",
        before.records.keys().collect::<Vec<_>>(),
        after.records.keys().collect::<Vec<_>>()
    );
    assert_eq!(
        before.gaps.len(),
        after.gaps.len(),
        "reports come and go: {:?}, then {:?}",
        before.gaps,
        after.gaps
    );
    assert_eq!(
        before.read_only.is_some(),
        after.read_only.is_some(),
        "a shard is read-only once: {:?}, then {:?}",
        before.read_only,
        after.read_only
    );
}

/// The number below which all is known to have been acknowledged, by what is left: by the header of
/// the segment that was written to, and those of its batches that are where they were.
fn vouched(damage: &Damage) -> u64 {
    let segments: BTreeMap<_, _> = damage
        .files
        .iter()
        .filter(|(path, _)| {
            path.extension().is_some_and(|ext| ext == "seg") && path.starts_with(STORE)
        })
        .collect();
    let mut vouched = 0;
    for (path, file) in segments.into_iter().rev() {
        let bytes = &file.bytes;
        let header = bytes.get(..128).unwrap_or(&[0; 128]);
        let begun = header.iter().any(|byte| *byte != 0);
        let whole = header[124..128] == crc32c(&header[..124]).to_le_bytes();
        if begun && !whole {
            return 0;
        }
        if begun {
            let mark = header[64..72].first_chunk().map(|b| u64::from_le_bytes(*b));
            vouched = vouched.max(mark.unwrap_or(0));
        }
        let Some(before) = damage.batches(path) else {
            return 0;
        };
        for (at, batch) in before {
            let now = bytes.get(*at..at + BATCH_HEADER_LEN);
            let now = now.and_then(|bytes| BatchHeader::decode(bytes).ok().flatten());
            if now == Some(*batch) {
                vouched = vouched.max(batch.watermark);
            }
        }
        if begun {
            break;
        }
    }
    vouched
}

/// A store with one segment, whose bytes are the input's: its header first, when bit 0 of the first
/// byte says so, then pieces of two bytes of length each, at the next block.
fn raw_segment(pattern: &'static Pattern, input: &mut Input<'_>, forged: bool) -> Damage {
    let mut damage = Damage::none(pattern, true);
    let how = input.byte();
    let mut bytes = vec![0; BLOCK];
    let good = pattern.files.iter().find(|file| file.is_segment());
    let good = good.expect("a pattern has a segment");
    if how & 1 == 0 {
        bytes[..BLOCK].copy_from_slice(&good.bytes[..BLOCK]);
        for _ in 0..how >> 4 {
            let at = usize::from(input.byte() % 128);
            bytes[at] ^= input.byte();
        }
    } else {
        let taken = input.bytes(128);
        bytes[..taken.len()].copy_from_slice(taken);
    }
    while !input.is_empty() && bytes.len() < 128 * BLOCK {
        let len = input.number(1 << 24) & 0x0fff;
        let piece = input.bytes(len.max(1));
        bytes.extend_from_slice(piece);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    if forged {
        let epoch = good.bytes[40..48].to_vec();
        for at in (BLOCK..bytes.len()).step_by(BLOCK) {
            // One that the fuzzer has not found is given to it.
            if bytes[at + 16..at + 24] == [0; 8] {
                bytes[at + 16..at + 24].copy_from_slice(&epoch);
            }
        }
        mend(&mut bytes);
    }
    damage.only(&good.path, Cow::Owned(bytes));
    damage
}
