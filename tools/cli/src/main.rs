//! The `millstream` command.
//!
//! - [`arguments`]: the command line; [`command`]: one file for each command.
//! - [`connection`]: the way to the server.
//! - [`input`], [`key`]: from bytes to records with keys; [`mod@format`]: records as output.
//! - [`start`], [`shard_name`], [`quantity`], [`table`]: how things are written and read.
//! - [`stored`]: stored files, offline.
//! - [`output`], [`sink`], [`progress`]: standard output and standard error.
//! - [`signals`], [`log`]: being asked to end, and telling what happens.
//! - [`failure`]: how a command fails, and the exit code that says so.

// A command line talks through standard output and standard error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod command;
mod connection;
mod failure;
mod format;
mod identity;
mod input;
mod key;
mod log;
mod output;
mod progress;
mod quantity;
mod shard_name;
mod signals;
mod sink;
mod start;
mod stored;
mod table;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::Failure;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.reader_gone() => ExitCode::SUCCESS,
        Err(failure) => {
            for (at, line) in failure.to_string().lines().enumerate() {
                let opening = if at == 0 { "error: " } else { "" };
                eprintln!("{opening}{}", table::printable(line));
            }
            if let Some(advice) = failure.advice() {
                eprintln!("hint: {advice}");
            }
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let global = &arguments.global;
    match arguments.command {
        Command::Serve(serve) => block_on(command::serve::run(global, serve)),
        Command::Stream(stream) => block_on(command::stream::run(global, stream)),
        Command::Put(put) => block_on(command::put::run(global, put)),
        Command::Get(get) => block_on(command::get::run(global, get)),
        Command::Inspect(inspect) => command::inspect::run(global, &inspect),
        Command::Verify(verify) => command::verify::run(global, &verify),
        Command::Repair(repair) => command::repair::run(global, &repair),
        Command::Snapshot(snapshot) => command::snapshot::run(global, &snapshot),
    }
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|source| Failure::System {
        doing: "starting the worker threads",
        source,
    })?;
    let result = runtime.block_on(command);
    // A thread may still wait for standard input; nothing is left to wait for it.
    runtime.shutdown_background();
    result
}
