//! The harness: every figure beside its limit, from the same run on the same machine,
//! interleaved, with the device's own count of writes and flushes, and read back.
//! `cargo xtask bench --help`; docs/PERFORMANCE.md says what the rows mean.

// A command-line program speaks on its standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod device_counts;
mod embedded;
mod error;
mod latency;
mod limits;
mod machine;
mod network;
mod noise;
mod report;
mod rounds;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

use crate::{error::BenchError, report::Report, rounds::Bench};

/// Measure Millstream beside the limits of the machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// What to measure
    what: What,
    /// Rounds; each measures every row once, in turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each row of a throughput is measured, after a warm-up
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Three short rounds: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Where stores and files are made, on the device to be measured; emptied afterwards
    #[arg(long, default_value = "target/bench/data")]
    dir: PathBuf,
    /// Where the results go, as JSON lines
    #[arg(long)]
    out: Option<PathBuf>,
    /// Only rows whose names hold this text, and their limits
    #[arg(long, default_value = "")]
    only: String,
    /// The server program that `tcp` measures
    #[arg(long, default_value = "target/release/millstream")]
    server_bin: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What the device, the memory and the loopback give
    Limits,
    /// The engine in this process
    Engine,
    /// Client and server over loopback, on the same cores
    Tcp,
    /// All of them
    All,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let (rounds, seconds) = match arguments.quick {
        true => (3, 0.7),
        false => (arguments.rounds.max(1), arguments.seconds),
    };
    let seconds = Duration::try_from_secs_f64(seconds)
        .map_err(|error| BenchError::wrong(format!("--seconds: {error}")))?;
    let bench = Bench::new(&arguments.dir, seconds, &arguments.server_bin)?;
    let mut scenarios = Vec::new();
    if matches!(arguments.what, What::Limits | What::All) {
        scenarios.extend(limits::scenarios());
    }
    if matches!(arguments.what, What::Engine | What::All) {
        scenarios.extend(embedded::scenarios());
    }
    if matches!(arguments.what, What::Tcp | What::All) {
        scenarios.extend(network::scenarios());
    }
    let mut report = Report::new(&bench, arguments.out.as_deref())?;
    rounds::run(&bench, rounds, &arguments.only, scenarios, &mut report)?;
    report.print();
    Ok(())
}
