//! The harness: every figure beside its limit, from the same run on the same machine,
//! interleaved, with the device's own count of writes and flushes, and read back.
//! `cargo xtask bench --help`; docs/PERFORMANCE.md says what the figures mean.

// A command-line program speaks on its standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod device_counts;
mod embedded;
mod error;
mod figure;
mod growth;
mod http;
mod latency;
mod limits;
mod log_text;
mod machine;
mod network;
mod noise;
mod peers;
mod plot;
mod processor_time;
mod report;
mod resident;
mod rounds;
mod statistics;
mod store;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{
    error::BenchError,
    peers::Peers,
    report::Report,
    rounds::{Bench, Family},
};

/// Measure Millstream beside the limits of the machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What the device, the memory and the loopback give
    Limits(Options),
    /// The figures: beside their limits, and beside peers
    Engine(Options),
    /// More of client and server over loopback, on the same cores
    Tcp(Options),
    /// The AWS API over HTTP: puts, gets, events
    Kinesis {
        #[command(flatten)]
        options: Options,
        /// Put to a server that listens here, of whatever make, instead of one of ours
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
    },
    /// What grows with shards, stored bytes, producers and records
    Growth(Options),
    /// What the harness starts of itself, to be measured and killed
    #[command(hide = true)]
    Child(growth::Child),
}

#[derive(Debug, Args)]
struct Options {
    /// Rounds; each measures everything once, in turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that a throughput is measured, after a warm-up of a fifth of it
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Few and short rounds, and no peers: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Where stores and files are made, on the device to be measured; emptied afterwards
    #[arg(long, default_value = "target/bench/data")]
    dir: PathBuf,
    /// Where the results go
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Only figures whose names hold this text, and what is measured with them
    #[arg(long, default_value = "")]
    only: String,
    /// The server program
    #[arg(long, default_value = "target/release/millstream")]
    server_bin: PathBuf,
    /// The program that measures peers (`cargo xtask bench` builds it)
    #[arg(long)]
    peers_bin: Option<PathBuf>,
    /// Leave the peers out
    #[arg(long)]
    no_peers: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), BenchError> {
    match arguments.what {
        What::Child(child) => child.run(),
        What::Limits(options) => {
            measure("limits", &options, (3, 0.5), limits::families()).map(drop)
        }
        What::Tcp(options) => measure("tcp", &options, (3, 0.5), network::families()).map(drop),
        What::Kinesis { options, address } => {
            let families = match &address {
                Some(address) => http::families_of(address),
                None => http::families(),
            };
            measure("kinesis", &options, (3, 0.5), families).map(drop)
        }
        What::Growth(options) => {
            let families = growth::families(options.quick);
            measure("growth", &options, (1, 0.5), families).map(drop)
        }
        What::Engine(options) => {
            let peers = match (&options.peers_bin, options.quick || options.no_peers) {
                (Some(program), false) => Some(Peers::new(program)?),
                (None, false) => {
                    return Err(BenchError::wrong(
                        "--peers-bin is missing; --no-peers measures without them",
                    ));
                }
                (_, true) => None,
            };
            let families = embedded::families(peers);
            let (figures, report) = measure("engine", &options, (3, 0.5), families)?;
            plot::draw(&options.out, &figures, &report.curves()?)
        }
    }
}

/// Measures families and reports; with `--quick`, so many rounds and seconds.
fn measure(
    what: &'static str,
    options: &Options,
    quick: (usize, f64),
    families: Vec<Family>,
) -> Result<(Vec<figure::Figure>, Report), BenchError> {
    let (rounds, seconds) = match options.quick {
        true => quick,
        false => (options.rounds.max(1), options.seconds),
    };
    let seconds = Duration::try_from_secs_f64(seconds)
        .map_err(|error| BenchError::wrong(format!("--seconds: {error}")))?;
    let bench = Bench::new(&options.dir, seconds, options.quick, &options.server_bin)?;
    let mut report = Report::new(&bench, &options.out, what)?;
    rounds::run(&bench, rounds, &options.only, families, &mut report)?;
    let figures = report.finish()?;
    Ok((figures, report))
}
