//! Embedded peers, measured with durable acknowledgement: one peer and one row an invocation, so
//! that a harness can run them in turn with its own rows. README.md says how to build and run it.

// A command-line program speaks on its standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod directory;
mod measurement;
mod noise;
mod peer;
mod row;

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "okaywal")]
mod okaywal;
#[cfg(feature = "raft-engine")]
mod raft_engine;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "walrus")]
mod walrus;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::{Value, json};

use crate::{
    directory::Directory,
    noise::Tally,
    peer::{Named, PEERS, Plan},
    row::{ROWS, Row},
};

/// Measure one embedded peer in one row.
#[derive(Debug, Parser)]
#[command(name = "millstream-peers")]
struct Arguments {
    /// The peer
    #[arg(long, required_unless_present = "list")]
    peer: Option<String>,
    /// The row
    #[arg(long, required_unless_present = "list")]
    row: Option<String>,
    /// Where the store is made, on the device to be measured; what is made in it is removed
    #[arg(long, required_unless_present = "list")]
    dir: Option<PathBuf>,
    /// Seconds that are measured, after a warm-up of a fifth of it
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Producers, where not those that the row has or that are best for the peer
    #[arg(long)]
    threads: Option<usize>,
    /// Bytes of record data that are appended at most; the window ends when they are
    #[arg(long, default_value_t = 6_000_000_000)]
    most_bytes: u64,
    /// Append to space that was never written, also where the peer can write it before
    #[arg(long)]
    fresh: bool,
    /// Print the pairs of peer and row instead, each with whether it can run
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = if arguments.list {
        list();
        Ok(())
    } else {
        run(&arguments)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for peer in &PEERS {
        for row in &ROWS {
            let reason = why_not(peer, row);
            let mut line = json!({"peer": peer.name, "row": row.name, "runs": reason.is_none()});
            if let Some(reason) = reason {
                line["reason"] = reason.into();
            }
            println!("{line}");
        }
    }
}

/// Why a peer cannot run a row.
fn why_not(peer: &Named, row: &Row) -> Option<&'static str> {
    match &peer.entry {
        Some(entry) => (entry.cannot)(row),
        None => Some("not compiled in: see the features in Cargo.toml"),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let name = arguments.peer.as_deref().unwrap_or_default();
    let peer = PEERS
        .iter()
        .find(|peer| peer.name == name)
        .with_context(|| format!("--peer: there is no '{name}'; --list has them"))?;
    let name = arguments.row.as_deref().unwrap_or_default();
    let row = Row::named(name)
        .with_context(|| format!("--row: there is no '{name}'; --list has them"))?;
    let seconds = Duration::try_from_secs_f64(arguments.seconds).context("--seconds")?;
    ensure!(!seconds.is_zero(), "--seconds: it measures nothing");
    let line = measure(arguments, peer, row, seconds)
        .with_context(|| format!("{}, {}", peer.name, row.name))?;
    println!("{line}");
    Ok(())
}

fn measure(arguments: &Arguments, named: &Named, row: Row, seconds: Duration) -> Result<Value> {
    if let Some(reason) = why_not(named, &row) {
        anyhow::bail!("{reason}");
    }
    let entry = named.entry.as_ref().context("not compiled in")?;
    let best = (entry.threads)(&row).unwrap_or(row.threads);
    let threads = arguments.threads.unwrap_or(best);
    ensure!(threads > 0, "--threads: nobody would append");
    let root = arguments.dir.as_deref().context("--dir is missing")?;
    let directory = Directory::new(root, &format!("{}-{}", named.name, row.name))?;
    let run = seconds + seconds / measurement::WARM_UP;
    let fastest = (run.as_secs_f64() * row.fastest as f64) as u64;
    let mut plan = Plan {
        dir: directory.path(),
        row,
        threads,
        most_bytes: arguments.most_bytes.min(fastest),
        fresh: arguments.fresh || !entry.prewrites,
    };
    let peer = (entry.open)(&plan)?;
    directory.sync()?;
    plan.most_bytes = plan.most_bytes.min(peer.room());
    let settings = peer.settings();
    let measurement = measurement::run(&*peer, &plan, seconds)?;

    let mut found = Tally::default();
    let how = peer.read_back(&mut |record| found.add(record))?;
    let acknowledged = measurement.acknowledged;
    ensure!(
        found == acknowledged,
        "acknowledged {acknowledged:?}, read back {found:?} ({how})"
    );

    let rate = measurement.records as f64 / measurement.elapsed.as_secs_f64();
    let mut line = json!({
        "peer": named.name,
        "version": named.version()?,
        "row": row.name,
        "value": rate.round(),
        "unit": "rec/s",
        "mb_per_s": (rate * row.size as f64 / 1e5).round() / 10.0,
        "durability": "durable",
        "space": if plan.fresh { "fresh" } else { "written before" },
        "threads": threads,
        "seconds": measurement.elapsed.as_secs_f64(),
        "records": acknowledged.records,
        "verified": true,
        "verification": how,
        "settings": settings,
    });
    if row.latency {
        let us = |quantile| measurement.latencies.value_at_quantile(quantile) as f64 / 1000.0;
        line["p50_us"] = us(0.5).into();
        line["p99_us"] = us(0.99).into();
    }
    Ok(line)
}
