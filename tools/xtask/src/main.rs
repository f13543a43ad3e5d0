//! What contributors and CI run, by the same names. `cargo xtask --help` lists it.
//!
//! - [`tidy`]: the rules of the house that a compiler does not know.
//! - [`ci`]: the steps of `.ci/run`.
//! - [`fuzz`] and [`seeds`]: the fuzz targets and their committed corpora.
//! - [`mod@bench`]: the measuring harness, built as it is shipped.
//! - [`bugs`]: changes of the source that something has to find.
//! - [`compat`]: real Kinesis clients against the server.
//! - [`counts`]: instructions of the hot paths, beside a committed baseline.
//! - [`kinesis_model`]: the shapes of the Kinesis API, from its service model.
//! - [`models`]: the engine under the interleavings of its threads.
//! - [`powercut`]: the engine under a real kernel whose power is cut.
//! - [`roundtrip`]: real text through a server and back, undisturbed and killed.
//! - [`simulate`]: lives of a store on a simulated device, and the bugs that they have to find.
//! - [`torture`]: the server killed at random moments under load, beside an oracle.

// A command-line program speaks on its standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod bugs;
mod ci;
mod compat;
mod counts;
mod failure;
mod fuzz;
mod kinesis_model;
mod models;
mod powercut;
mod roundtrip;
mod seeds;
mod simulate;
mod tidy;
mod torture;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "What contributors and CI run, by the same names"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the rules of the house: doors, unsafe, file sizes and names, lints, documents
    Tidy,
    /// Run the steps of .ci/run: all, or the named ones
    Ci {
        /// packages, format, clippy, deny, test, test-portable, counts, models, fuzz, docs
        steps: Vec<String>,
    },
    /// Run real Kinesis clients against a server that was just started
    Compat(compat::Arguments),
    /// Run the fuzz targets (needs cargo-fuzz; no nightly)
    Fuzz(fuzz::Arguments),
    /// Write the committed fuzz corpora again: fuzz/corpus/TARGET/seed-*
    FuzzSeeds,
    /// Write server/src/kinesis/model from the service model in the newest botocore (needs python3, pip)
    KinesisModel(kinesis_model::Arguments),
    /// Run the models of the engine: every run interleaves its threads in another way
    Models(models::Arguments),
    /// Put real text into a server line by line, get it back, and compare
    Roundtrip(roundtrip::Arguments),
    /// Live many lives of a store on a simulated device, and judge what is left of each
    ///
    /// Arguments go to the program that does it (try `simulate -- --help`); `--bugs [NAME]` plants
    /// deliberate bugs instead, each of which has to be found.
    Simulate {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Cut the power of a virtual machine in which the engine writes, and recover (needs root and qemu)
    Powercut(powercut::Arguments),
    /// Kill the server at random moments under load: nothing is lost, twice or in another place
    ///
    /// Arguments go to the program that does it (try `torture -- --help`).
    Torture {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Count the instructions of the hot paths, and compare them with the baseline (needs valgrind)
    Counts(counts::Arguments),
    /// Measure: limits, engine, tcp, growth. Arguments go to the harness (try `bench -- --help`)
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Tidy => tidy::run(),
        Command::Ci { steps } => ci::run(&steps),
        Command::Compat(arguments) => compat::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::FuzzSeeds => seeds::run(),
        Command::KinesisModel(arguments) => kinesis_model::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Roundtrip(arguments) => roundtrip::run(&arguments),
        Command::Simulate { arguments } => simulate::run(&arguments),
        Command::Powercut(arguments) => powercut::run(&arguments),
        Command::Torture { arguments } => torture::run(&arguments),
        Command::Counts(arguments) => counts::run(&arguments),
        Command::Bench { arguments } => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
