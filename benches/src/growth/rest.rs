//! What a store takes that does nothing, and whether one works with next to nothing.

use std::{
    thread,
    time::{Duration, Instant},
};

use millstream_engine::{ShardOptions, StoreOptions};
use millstream_format::Record;
use serde_json::{Value, json};

use super::child::{Child, Task};
use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    noise::{Load, Tally},
    resident,
    rounds::Family,
    store::MeasuredStore,
};

/// How long a store rests before its memory is looked at.
pub(super) const REST: Duration = Duration::from_secs(1);
/// The least budget that a store opens with.
const LEAST_BUDGET: usize = 2 << 20;

pub(super) fn families() -> Vec<Family> {
    vec![
        Family::new(&["rss-empty"], |bench| {
            let dir = bench.fresh_dir("rest")?;
            let said = Child::new(Task::Rest, &dir.path().join("store")).finish()?;
            let outcome = Outcome::new("rss-empty", "MiB", said.number("rss_mib")?);
            Ok(vec![outcome.bar(Bar::AtMost(12.0))])
        }),
        Family::new(&["appliance"], |bench| {
            let dir = bench.fresh_dir("appliance")?;
            let child = Child {
                seconds: bench.seconds.as_secs_f64(),
                ..Child::new(Task::Appliance, &dir.path().join("store"))
            };
            let said = child.finish()?;
            // That it works is the bar: all that it acknowledged was read back.
            let outcome = Outcome::new("appliance", "rec/s", said.number("records_per_s")?);
            let outcome = outcome.bar(Bar::AtLeast(1.0)).durable();
            let details = [
                ("rss_mib", said.number("rss_mib")?),
                ("budget_mib", (LEAST_BUDGET >> 20) as f64),
            ];
            Ok(vec![outcome.details(&details)])
        }),
    ]
}

/// In a child: an empty store that rests.
pub(super) fn rest(child: &Child) -> Result<Value, BenchError> {
    let measured = MeasuredStore::create(&child.store, child.shards)?;
    thread::sleep(REST);
    let rss = resident::anonymous_mib()?;
    measured.store.close()?;
    Ok(json!({"rss_mib": rss}))
}

/// In a child: a store with the least budget, to which kilobytes are appended and read back.
pub(super) fn appliance(child: &Child) -> Result<Value, BenchError> {
    const BATCH: usize = 100;
    let options = StoreOptions {
        memory_budget: LEAST_BUDGET,
        ..StoreOptions::default()
    };
    let measured = MeasuredStore::create_with(&child.store, 1, options, ShardOptions::default())?;
    let (load, mut tally) = (Load::small(1, 1024), Tally::default());
    let start = Instant::now();
    let mut last = None;
    for batch in 0.. {
        if start.elapsed().as_secs_f64() >= child.seconds {
            break;
        }
        let records: Vec<Record<'_>> = (batch * BATCH..(batch + 1) * BATCH)
            .map(|at| load.record(at))
            .map(|(key, data)| Record::new(key, data))
            .collect();
        for record in &records {
            tally.add(record.key, record.data);
        }
        last = Some(measured.shards[0].append(&records)?);
    }
    if let Some(ticket) = last {
        ticket.wait()?;
    }
    let rate = tally.records as f64 / start.elapsed().as_secs_f64();
    let rss = resident::anonymous_mib()?;
    measured.check_and_close(tally)?;
    Ok(json!({"records_per_s": rate, "rss_mib": rss}))
}
