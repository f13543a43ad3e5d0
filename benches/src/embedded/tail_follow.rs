//! Following the tail: how long after a record is durable a reader that waits for it holds it.
//!
//! The clock begins when the writer thread has been told by the device that the write has ended,
//! which is before the watermark moves. To begin it when the appender's wait returns would be
//! kinder to us: both are woken by the same move, and what that takes would not be seen.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use millstream_engine::{Environment, Position, Shard, ShardId, ShardOptions, StoreOptions};
use millstream_format::Record;

use super::completion_clock::CompletionClock;
use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    latency::Latencies,
    noise::{Load, Tally},
    rounds::{Bench, Family},
    store::MeasuredStore,
};

/// Bytes of record data.
const SIZE: usize = 100;
/// A record comes each time this has passed, whether or not the last one was acknowledged late.
const PERIOD: Duration = Duration::from_millis(1);
/// Records in an append of the load beside, of a kilobyte each.
const BATCH_BESIDE: usize = 100;
/// Pause of the load beside between its appends: about a hundred megabytes a second.
const PAUSE_BESIDE: Duration = Duration::from_millis(1);

pub(super) fn families() -> Vec<Family> {
    vec![Family::new(&["tail-follow-p99"], |bench| {
        let quiet = follow(bench, false)?;
        let loaded = follow(bench, true)?;
        let outcome = Outcome::new("tail-follow-p99", "µs", quiet.reader.us(0.99))
            .bar(Bar::AtMost(50.0))
            .durable()
            .details(&[
                ("p50", quiet.reader.us(0.5)),
                ("p999", quiet.reader.us(0.999)),
                ("max", quiet.reader.max_us()),
                ("samples", quiet.reader.samples() as f64),
                ("appender_p50", quiet.appender.us(0.5)),
                ("appender_p99", quiet.appender.us(0.99)),
                ("from_append_p50", quiet.whole.us(0.5)),
                ("from_append_p99", quiet.whole.us(0.99)),
                ("loaded_p50", loaded.reader.us(0.5)),
                ("loaded_p99", loaded.reader.us(0.99)),
                ("loaded_appender_p99", loaded.appender.us(0.99)),
            ])
            .curve("tail follow", quiet.reader.histogram())
            .curve("tail follow, loaded", loaded.reader.histogram());
        Ok(vec![outcome])
    })]
}

/// Latencies of a run.
struct Followed {
    /// From durable until the reader holds the record.
    reader: Latencies,
    /// From durable until the appender's wait has returned.
    appender: Latencies,
    /// From the append until the reader holds the record.
    whole: Latencies,
}

/// One record of the appender: when its append began, and when its wait returned.
struct Appended {
    begun: Instant,
    told: Instant,
}

fn follow(bench: &Bench, loaded: bool) -> Result<Followed, BenchError> {
    let dir = bench.fresh_dir("follow")?;
    let followed = ShardId(0);
    let clock = CompletionClock::new(dir.path(), &followed.dir_name())?;
    let options = StoreOptions {
        environment: Environment {
            device: Some(std::sync::Arc::new(clock.clone())),
            ..Environment::default()
        },
        ..StoreOptions::default()
    };
    let path = dir.path().join("store");
    let measured = MeasuredStore::create_with(&path, 2, options, ShardOptions::default())?;
    let records = (bench.latency_seconds().as_secs_f64() / PERIOD.as_secs_f64()) as u64;
    let shard = &measured.shards[0];
    let done = AtomicBool::new(false);
    let (appended, read, beside) = thread::scope(|scope| {
        let reader = scope.spawn(|| read(shard, records, &done));
        let beside = loaded.then(|| scope.spawn(|| load_beside(&measured.shards[1], &done)));
        let appended = append(shard, records);
        if appended.is_err() {
            done.store(true, Ordering::Relaxed);
        }
        let read = reader
            .join()
            .map_err(|_| BenchError::wrong("the reader panicked"))?;
        done.store(true, Ordering::Relaxed);
        let beside = match beside.map(thread::ScopedJoinHandle::join) {
            Some(Ok(tally)) => tally?,
            Some(Err(_)) => return Err(BenchError::wrong("the load beside panicked")),
            None => Tally::default(),
        };
        Ok::<_, BenchError>((appended?, read?, beside))
    })?;
    let (appends, mut acknowledged) = appended;
    acknowledged.merge(beside);
    measured.check_and_close(acknowledged)?;
    latencies(&appends, &read, &clock.durable())
}

/// Appends a record each period; the times, and what was acknowledged.
fn append(shard: &Shard, records: u64) -> Result<(Vec<Appended>, Tally), BenchError> {
    let (mut load, mut tally) = (Load::small(1, SIZE), Tally::default());
    let mut appends = Vec::new();
    let start = Instant::now();
    for at in 0..records {
        let due = start + PERIOD * u32::try_from(at).unwrap_or(u32::MAX);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let (key, data) = load.next();
        tally.add(key, data);
        let begun = Instant::now();
        shard.append_and_wait(&[Record::new(key, data)])?;
        let told = Instant::now();
        appends.push(Appended { begun, told });
    }
    Ok((appends, tally))
}

/// Waits for each record and takes it: when it was held.
fn read(shard: &Shard, records: u64, done: &AtomicBool) -> Result<Vec<Instant>, BenchError> {
    let mut cursor = shard.read(Position::Oldest)?;
    let mut held = Vec::new();
    let mut bytes = 0;
    while (held.len() as u64) < records && !done.load(Ordering::Relaxed) {
        if !cursor.wait(Some(Duration::from_millis(500)))? {
            continue;
        }
        while let Some(batch) = cursor.next_batch()? {
            for record in batch.records() {
                let (_, record) = record?;
                held.push(Instant::now());
                bytes += record.data.len();
            }
        }
    }
    if bytes != held.len() * SIZE {
        return Err(BenchError::wrong("the follower read other records"));
    }
    Ok(held)
}

/// Fills another shard, so that the writer thread and the processor have something else to do.
fn load_beside(shard: &Shard, done: &AtomicBool) -> Result<Tally, BenchError> {
    let (load, mut tally) = (Load::new(2, 1024), Tally::default());
    let next = AtomicU64::new(0);
    let mut last = None;
    while !done.load(Ordering::Relaxed) {
        let records: Vec<Record<'_>> = (0..BATCH_BESIDE)
            .map(|_| load.record(next.fetch_add(1, Ordering::Relaxed) as usize))
            .map(|(key, data)| Record::new(key, data))
            .collect();
        for record in &records {
            tally.add(record.key, record.data);
        }
        last = Some(shard.append(&records)?);
        thread::sleep(PAUSE_BESIDE);
    }
    if let Some(ticket) = last {
        ticket.wait()?;
    }
    Ok(tally)
}

fn latencies(
    appends: &[Appended],
    held: &[Instant],
    durable: &[(u64, Instant)],
) -> Result<Followed, BenchError> {
    let mut followed = Followed {
        reader: Latencies::new()?,
        appender: Latencies::new()?,
        whole: Latencies::new()?,
    };
    for (sequence, (append, held)) in appends.iter().zip(held).enumerate() {
        let write = durable.partition_point(|(end, _)| *end <= sequence as u64);
        let Some((_, durable)) = durable.get(write) else {
            return Err(BenchError::wrong(format!(
                "record {sequence} was read, but no write with it was seen"
            )));
        };
        let reader = held.saturating_duration_since(*durable);
        let appender = append.told.saturating_duration_since(*durable);
        followed.reader.add(reader);
        followed.appender.add(appender);
        followed
            .whole
            .add(held.saturating_duration_since(append.begun));
    }
    Ok(followed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_durable_with_the_write_that_holds_it() {
        let start = Instant::now();
        let at = |us| start + Duration::from_micros(us);
        let appends = [0, 10, 20].map(|us| Appended {
            begun: at(us),
            told: at(us + 100),
        });
        // Records 0 and 1 came with one write, 2 with another.
        let durable = [(2, at(90)), (3, at(200))];
        let held = [at(100), at(110), at(230)];
        let followed = latencies(&appends, &held, &durable).unwrap();
        assert_eq!(followed.reader.samples(), 3);
        assert!((followed.reader.max_us() - 30.0).abs() < 0.1);
        assert!(latencies(&appends, &held, &durable[..1]).is_err());
    }
}
