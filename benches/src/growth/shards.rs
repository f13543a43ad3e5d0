//! By the number of shards, all of them in use in turn: how fast, how much memory then and at rest,
//! and how long it takes to open them all.

use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use millstream_format::Record;
use serde_json::{Value, json};

use super::{
    child::{Child, Task},
    rest,
};
use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    limits,
    noise::{Load, Tally},
    resident,
    rounds::{Bench, Family},
    store::MeasuredStore,
};

/// Records in an append.
const BATCH: usize = 16;
/// Threads that append, each to shards of its own.
const PRODUCERS: usize = 2;
/// Appends that each may have unacknowledged.
const WINDOW: usize = 1024;

pub(super) fn families(quick: bool) -> Vec<Family> {
    let table: &[(u32, &'static str)] = &[
        (1, "shards-1"),
        (10, "shards-10"),
        (100, "shards-100"),
        (1000, "shards-1000"),
    ];
    let mut families: Vec<Family> = table
        .iter()
        .map(|&(shards, figure)| {
            Family::new(&[figure], move |bench| {
                Ok(vec![at_number(bench, shards, figure)?.outcome])
            })
        })
        .collect();
    if !quick {
        families.push(most());
    }
    families
}

/// Ten thousand shards, and the figures that are of them.
fn most() -> Family {
    let figures = ["shards-10000", "open-10000-shards", "rss-10000-idle"];
    Family::new(&figures, |bench| {
        let grown = at_number(bench, 10_000, "shards-10000")?;
        let open = Outcome::new("open-10000-shards", "ms", grown.open_ms);
        let rss = Outcome::new("rss-10000-idle", "MiB", grown.idle_mib);
        Ok(vec![
            grown.outcome,
            open.bar(Bar::AtMost(2000.0)),
            rss.bar(Bar::AtMost(160.0))
                .detail("just_opened", grown.opened_mib),
        ])
    })
}

struct Grown {
    outcome: Outcome,
    open_ms: f64,
    /// After all were in use.
    idle_mib: f64,
    /// After all were opened.
    opened_mib: f64,
}

fn at_number(bench: &Bench, shards: u32, figure: &str) -> Result<Grown, BenchError> {
    let dir = bench.fresh_dir("shards")?;
    let child = |task| Child {
        shards,
        seconds: bench.seconds.as_secs_f64(),
        ..Child::new(task, &dir.path().join("store"))
    };
    let said = child(Task::Shards).finish()?;
    limits::forget(dir.path())?;
    let opened = child(Task::Open).finish()?;
    let (open_ms, opened_mib) = (opened.number("ms")?, opened.number("rss_mib")?);
    let idle_mib = said.number("idle_mib")?;
    let outcome = Outcome::new(figure, "rec/s", said.number("records_1k_per_s")?)
        .durable()
        .details(&[
            ("records_100b_per_s", said.number("records_100b_per_s")?),
            ("create_ms", said.number("create_ms")?),
            ("open_ms", open_ms),
            ("rss_active_mib", said.number("active_mib")?),
            ("rss_idle_mib", idle_mib),
            ("rss_opened_mib", opened_mib),
        ]);
    Ok(Grown {
        outcome,
        open_ms,
        idle_mib,
        opened_mib,
    })
}

/// In a child: makes the shards, appends to all in turn, small records and then kilobytes, and
/// rests.
pub(super) fn append_to_all(child: &Child) -> Result<Value, BenchError> {
    let start = Instant::now();
    let measured = MeasuredStore::create(&child.store, child.shards)?;
    let create_ms = start.elapsed().as_secs_f64() * 1000.0;
    let (small, mut acknowledged) = in_turn(&measured, 100, child.seconds)?;
    let (large, tally) = in_turn(&measured, 1024, child.seconds)?;
    acknowledged.merge(tally);
    let active_mib = resident::anonymous_mib()?;
    // Two watermarks' stamps, and whatever else is done for shards that have become quiet.
    thread::sleep(rest::REST * 3);
    let idle_mib = resident::anonymous_mib()?;
    measured.check_and_close(acknowledged)?;
    Ok(json!({
        "create_ms": create_ms,
        "records_100b_per_s": small,
        "records_1k_per_s": large,
        "active_mib": active_mib,
        "idle_mib": idle_mib,
    }))
}

/// Appends to all shards in turn, for a time and at least once to each: records a second.
fn in_turn(
    measured: &MeasuredStore,
    size: usize,
    seconds: f64,
) -> Result<(f64, Tally), BenchError> {
    let time = Duration::from_secs_f64(seconds);
    let start = Instant::now();
    let tally = thread::scope(|scope| {
        let threads: Vec<_> = (0..PRODUCERS)
            .map(|first| scope.spawn(move || produce(measured, size, first, start, time)))
            .collect();
        let mut sum = Tally::default();
        for thread in threads {
            let tally = thread
                .join()
                .map_err(|_| BenchError::wrong("a producer panicked"))?;
            sum.merge(tally?);
        }
        Ok::<_, BenchError>(sum)
    })?;
    let rate = tally.records as f64 / start.elapsed().as_secs_f64();
    Ok((rate, tally))
}

fn produce(
    measured: &MeasuredStore,
    size: usize,
    first: usize,
    start: Instant,
    time: Duration,
) -> Result<Tally, BenchError> {
    let (load, mut tally) = (Load::new(first as u64 + 1, size), Tally::default());
    let own = measured.shards.iter().skip(first).step_by(PRODUCERS);
    let number = own.clone().count();
    let (mut window, mut next) = (VecDeque::new(), 0);
    for (turn, shard) in own.cycle().enumerate() {
        if turn >= number && start.elapsed() >= time {
            break;
        }
        let records: Vec<Record<'_>> = (next..next + BATCH)
            .map(|at| load.record(at))
            .map(|(key, data)| Record::new(key, data))
            .collect();
        next += BATCH;
        for record in &records {
            tally.add(record.key, record.data);
        }
        window.push_back(shard.append(&records)?);
        if window.len() > WINDOW
            && let Some(oldest) = window.pop_front()
        {
            oldest.wait()?;
        }
    }
    for ticket in window {
        ticket.wait()?;
    }
    Ok(tally)
}
