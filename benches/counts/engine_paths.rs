//! Through the engine, on a store that costs nothing but the engine.

use std::{error::Error, hint::black_box, time::Duration};

use millstream_engine::{
    Position, ReadyBatch, SequenceNumber,
    format::{BatchLimits, Record},
};

use crate::{
    hot_path::{HotPath, Round},
    memory_device::Keeping,
    samples::{Sequence, batch, records},
    stand::{BEGINNING_MS, Stand},
};

/// Buffers and tail. The tail has a quarter, and is soon full.
const MEMORY: usize = 16 << 20;
/// So large that rounds meet the end of a segment rarely.
const SEGMENT: u64 = 256 << 20;
/// Rounds between two looks at what a store needs beside appends.
const CHORES: u64 = 64;

pub(crate) const PATHS: &[HotPath] = &[
    HotPath {
        name: "check a ready batch of 500 x 1 KiB",
        unit: "record",
        units: 500,
        rounds: (10, 40),
        make: || check(500, 1024),
    },
    HotPath {
        name: "check a ready batch of 5000 x 100 B",
        unit: "record",
        units: 5000,
        rounds: (10, 40),
        make: || check(5000, 100),
    },
    HotPath {
        name: "check and append a ready batch of 40 x 1 KiB",
        unit: "batch",
        units: 1,
        rounds: (4 * CHORES, 12 * CHORES),
        make: append_ready,
    },
    HotPath {
        name: "append 500 x 1 KiB",
        unit: "record",
        units: 500,
        rounds: (CHORES, 2 * CHORES),
        make: || append(500, 1024),
    },
    HotPath {
        name: "append one of 100 B",
        unit: "record",
        units: 1,
        rounds: (10 * CHORES, 30 * CHORES),
        make: || append(1, 100),
    },
    HotPath {
        name: "append one of 100 B and wait",
        unit: "record",
        units: 1,
        rounds: (10 * CHORES, 30 * CHORES),
        make: append_and_wait,
    },
    HotPath {
        name: "read 500 x 1 KiB from a segment",
        unit: "record",
        units: 500,
        rounds: (CATCH_UP, 3 * CATCH_UP),
        make: || read(From::Segment),
    },
    HotPath {
        name: "read 500 x 1 KiB from the tail",
        unit: "record",
        units: 500,
        rounds: (CATCH_UP, 3 * CATCH_UP),
        make: || read(From::Tail),
    },
    HotPath {
        name: "seek a sequence number",
        unit: "seek",
        units: 1,
        rounds: (100, 1100),
        make: || seek(|sought| Position::At(SequenceNumber(sought))),
    },
    HotPath {
        name: "seek a time",
        unit: "seek",
        units: 1,
        // As many milliseconds as records, so the same numbers do for both.
        rounds: (100, 1100),
        make: || seek(|sought| Position::AtTime(BEGINNING_MS + sought)),
    },
];

/// A round that is followed by the store's chores now and then: the part of them that a round
/// brings about is a part of its cost.
fn with_chores(
    stand: Stand,
    mut round: impl FnMut(&Stand) -> Result<(), Box<dyn Error>> + 'static,
) -> Round {
    let mut rounds = 0u64;
    Box::new(move || {
        round(&stand)?;
        rounds += 1;
        if rounds.is_multiple_of(CHORES) {
            stand.keep_up()?;
        }
        Ok(())
    })
}

fn append(count: usize, len: usize) -> Result<Round, Box<dyn Error>> {
    let records = records(count, len);
    let stand = Stand::new(Keeping::NoBatches, MEMORY, SEGMENT)?;
    Ok(with_chores(stand, move |stand| {
        black_box(stand.append(&records)?);
        Ok(())
    }))
}

fn append_and_wait() -> Result<Round, Box<dyn Error>> {
    let records = records(1, 100);
    let stand = Stand::new(Keeping::NoBatches, MEMORY, SEGMENT)?;
    Ok(with_chores(stand, move |stand| {
        black_box(stand.shard.append_and_wait(&records)?);
        Ok(())
    }))
}

/// What a server does with a batch that it has received into a buffer. A buffer that is given
/// back is the next one to be given out, and holds what it held.
fn check(count: usize, len: usize) -> Result<Round, Box<dyn Error>> {
    let batch = batch(&records(count, len));
    let stand = Stand::new(Keeping::NoBatches, MEMORY, SEGMENT)?;
    let mut buffer = stand.store.buffer(batch.len()).ok_or("no buffer")?;
    buffer[..batch.len()].copy_from_slice(&batch);
    drop(buffer);
    let limits = BatchLimits::default();
    Ok(Box::new(move || {
        let buffer = stand.store.buffer(batch.len()).ok_or("no buffer")?;
        black_box(ReadyBatch::check(buffer, batch.len(), &limits)?);
        Ok(())
    }))
}

/// From a buffer that was filled from a connection to the acknowledgement. Hardly larger than what
/// would be copied into staging, so that the check does not hide what the append costs.
fn append_ready() -> Result<Round, Box<dyn Error>> {
    let batch = batch(&records(40, 1024));
    let limits = BatchLimits::default();
    let stand = Stand::new(Keeping::NoBatches, MEMORY, SEGMENT)?;
    Ok(with_chores(stand, move |stand| {
        let mut buffer = stand.store.buffer(batch.len()).ok_or("no buffer")?;
        buffer[..batch.len()].copy_from_slice(&batch);
        let ready = ReadyBatch::check(buffer, batch.len(), &limits)?;
        let ticket = stand.shard.append_ready(ready)?;
        black_box(stand.acknowledged(ticket)?);
        Ok(())
    }))
}

/// Batches to catch up with.
const CATCH_UP: u64 = 16;

enum From {
    Segment,
    Tail,
}

/// As a consumer catches up: batch after batch with its checksums, and every record of it.
fn read(from: From) -> Result<Round, Box<dyn Error>> {
    let records = records(500, 1024);
    let mut stand = Stand::new(Keeping::Everything, 4 * MEMORY, SEGMENT)?;
    for _ in 0..CATCH_UP {
        stand.append(&records)?;
    }
    if matches!(from, From::Segment) {
        stand = stand.reopened()?;
    }
    let mut cursor = stand.shard.read(Position::Oldest)?;
    Ok(Box::new(move || {
        let batch = match cursor.next_batch()? {
            Some(batch) => batch,
            None => {
                cursor = stand.shard.read(Position::Oldest)?;
                cursor.next_batch()?.ok_or("there is nothing to read")?
            }
        };
        for record in batch.records() {
            black_box(record?);
        }
        Ok(())
    }))
}

/// Batches to seek in: 24 segments of 16 index entries.
const SOUGHT: u64 = 3000;
const SOUGHT_RECORDS: u64 = 4;
const SOUGHT_SEGMENT: u64 = 1 << 20;

/// A seek with the first batch that it finds, somewhere in many segments.
fn seek(position: fn(u64) -> Position) -> Result<Round, Box<dyn Error>> {
    let records: Vec<Record<'_>> = records(SOUGHT_RECORDS as usize, 1024);
    let stand = Stand::new(Keeping::Everything, MEMORY, SOUGHT_SEGMENT)?;
    for _ in 0..SOUGHT {
        stand.append(&records)?;
        // A millisecond for each record.
        stand.pass(Duration::from_millis(SOUGHT_RECORDS));
    }
    let stand = stand.reopened()?;
    let end = SOUGHT * SOUGHT_RECORDS;
    let find = move |sought| {
        let mut cursor = stand.shard.read(position(sought))?;
        let found = cursor.next_batch()?.ok_or("there is nothing to read")?;
        black_box(found.first());
        Ok(())
    };
    // Headers, indexes and maps of all segments are in memory from here on.
    for sought in (0..end).step_by(SOUGHT_RECORDS as usize) {
        find(sought)?;
    }
    let mut sequence = Sequence::default();
    Ok(Box::new(move || find(sequence.next() % end)))
}
