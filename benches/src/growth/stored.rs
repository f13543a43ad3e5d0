//! The time to open, by what is stored: after a clean close and after `kill -9`, with nothing of
//! the store in the page cache, from before the lock is taken until the first append is
//! acknowledged.

use std::{io::Write, path::Path, time::Instant};

use millstream_engine::{Position, Shard};
use millstream_format::Record;
use serde_json::{Value, json};

use super::child::{Child, Said, Task};
use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    limits,
    noise::Load,
    resident,
    rounds::{Bench, Family},
    store::MeasuredStore,
};

const GB: u64 = 1_000_000_000;
/// Bytes of record data.
const SIZE: usize = 1024;
/// Records in an append.
const BATCH: usize = 500;
/// What the newest segment holds when a child is killed or closes: recovery looks through it.
const IN_NEWEST: u64 = 32 << 20;

pub(super) fn families() -> Vec<Family> {
    let figures = [
        "stored-1gb",
        "stored-5gb",
        "stored-20gb",
        "open-20gb-after-kill",
        "open-20gb-to-1gb",
    ];
    vec![Family::new(&figures, grow)]
}

/// One store that grows, opened again and again.
fn grow(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("stored")?;
    let store = dir.path().join("store");
    let (first, one) = at_size(&store, "stored-1gb", GB)?;
    let (second, _) = at_size(&store, "stored-5gb", 5 * GB)?;
    let (third, twenty) = at_size(&store, "stored-20gb", 20 * GB)?;
    let absolute = Outcome::new("open-20gb-after-kill", "ms", twenty);
    let relative = Outcome::new("open-20gb-to-1gb", "ms", twenty).limit(one);
    Ok(vec![
        first,
        second,
        third,
        absolute.bar(Bar::AtMost(100.0)),
        relative.bar(Bar::AtMostTimes(1.3)),
    ])
}

/// Fills up to `bytes` and opens; the milliseconds after `kill -9` once more by themselves.
fn at_size(store: &Path, figure: &str, bytes: u64) -> Result<(Outcome, f64), BenchError> {
    let child = |task| Child {
        bytes,
        ..Child::new(task, store)
    };
    child(Task::Fill).finish()?;
    let clean = open_cold(store)?;
    let acknowledged = child(Task::FillOn).kill_when_it_speaks()?;
    let killed = open_cold(store)?;
    let there = child(Task::Verify).finish()?.number("records")?;
    if there < acknowledged.number("records")? {
        return Err(BenchError::wrong(format!(
            "{figure}: {there} records are there after kill -9, {acknowledged:?} were acknowledged"
        )));
    }
    let ours = killed.number("ms")?;
    let outcome = Outcome::new(figure, "ms", ours).durable().details(&[
        ("clean_ms", clean.number("ms")?),
        ("killed_opened_ms", killed.number("opened_ms")?),
        ("killed_append_ms", killed.number("append_ms")?),
        ("rss_mib", killed.number("rss_mib")?),
    ]);
    Ok((outcome, ours))
}

/// Opens in a new process, with nothing in the page cache.
fn open_cold(store: &Path) -> Result<Said, BenchError> {
    limits::forget(store)?;
    Child::new(Task::Open, store).finish()
}

fn open_or_create(child: &Child) -> Result<MeasuredStore, BenchError> {
    match child.store.exists() {
        true => MeasuredStore::open(&child.store, child.shards),
        false => MeasuredStore::create(&child.store, child.shards),
    }
}

/// Appends batches while told so of the shard's bytes; every record is known by its number.
fn append_while(
    shard: &Shard,
    load: &Load,
    go_on: impl Fn(&Shard) -> bool,
) -> Result<(), BenchError> {
    while go_on(shard) {
        let mut last = None;
        for _ in 0..8 {
            // Nobody else appends: what was appended and not acknowledged is counted below.
            last = Some(append_batch(shard, load, last)?);
        }
        if let Some((ticket, _)) = last {
            ticket.wait()?;
        }
    }
    Ok(())
}

/// A ticket, and the number after its records.
type Pending = (millstream_engine::Ticket, u64);

fn append_batch(shard: &Shard, load: &Load, last: Option<Pending>) -> Result<Pending, BenchError> {
    let first = last.as_ref().map_or(shard.end().0, |(_, end)| *end);
    let end = first + BATCH as u64;
    let records: Vec<Record<'_>> = (first..end)
        .map(|at| load.record(at as usize))
        .map(|(key, data)| Record::new(key, data))
        .collect();
    Ok((shard.append(&records)?, end))
}

fn fill_shard(shard: &Shard, bytes: u64) -> Result<Load, BenchError> {
    let load = Load::new(9, SIZE);
    append_while(shard, &load, |shard| shard.status().bytes < bytes)?;
    // The newest segment is always as full: else it would be luck how much is to be recovered.
    let segments = shard.status().segments;
    append_while(shard, &load, |shard| shard.status().segments == segments)?;
    let rolled = shard.status().bytes;
    append_while(shard, &load, |shard| {
        shard.status().bytes < rolled + IN_NEWEST
    })?;
    Ok(load)
}

/// In a child: fills a shard and closes the store.
pub(super) fn fill(child: &Child) -> Result<Value, BenchError> {
    let measured = open_or_create(child)?;
    fill_shard(&measured.shards[0], child.bytes)?;
    let records = measured.shards[0].end().0;
    measured.store.close()?;
    Ok(json!({"records": records}))
}

/// In a child: fills a shard, says how many records are durable, and goes on until it is killed.
pub(super) fn fill_on(child: &Child) -> Result<Value, BenchError> {
    let measured = open_or_create(child)?;
    let shard = &measured.shards[0];
    let load = fill_shard(shard, child.bytes)?;
    let said = json!({"records": shard.end().0});
    println!("{said}");
    std::io::stdout()
        .flush()
        .map_err(BenchError::io("write to", "standard output"))?;
    // It is killed at once; were it not, the disk would not be filled.
    let most = shard.status().bytes + GB;
    append_while(shard, &load, |shard| shard.status().bytes < most)?;
    Err(BenchError::wrong("nobody killed it"))
}

/// In a child: the milliseconds from before the lock is taken until an append is acknowledged.
pub(super) fn open(child: &Child) -> Result<Value, BenchError> {
    let load = Load::new(9, SIZE);
    let ms = |start: Instant| start.elapsed().as_secs_f64() * 1000.0;
    let start = Instant::now();
    let measured = MeasuredStore::open(&child.store, child.shards)?;
    let opened_ms = ms(start);
    let Some(shard) = measured.shards.first() else {
        return Err(BenchError::wrong("no shard was asked for"));
    };
    let (key, data) = load.record(shard.end().0 as usize);
    let begun = Instant::now();
    shard.append_and_wait(&[Record::new(key, data)])?;
    let (append_ms, all_ms) = (ms(begun), ms(start));
    std::thread::sleep(super::rest::REST);
    let rss = resident::anonymous_mib()?;
    measured.store.close()?;
    Ok(json!({
        "ms": all_ms,
        "opened_ms": opened_ms,
        "append_ms": append_ms,
        "rss_mib": rss,
    }))
}

/// In a child: reads a filled shard and compares every record with what was appended.
pub(super) fn verify(child: &Child) -> Result<Value, BenchError> {
    let measured = MeasuredStore::open(&child.store, child.shards)?;
    let load = Load::new(9, SIZE);
    let mut next = 0;
    let mut cursor = measured.shards[0].read(Position::Oldest)?;
    while let Some(batch) = cursor.next_batch()? {
        for record in batch.records() {
            let (sequence, record) = record?;
            if sequence.0 != next || load.record(next as usize) != (record.key, record.data) {
                return Err(BenchError::wrong(format!(
                    "record {sequence}, where {next} is next, is not what was appended"
                )));
            }
            next += 1;
        }
    }
    measured.store.close()?;
    Ok(json!({"records": next}))
}
