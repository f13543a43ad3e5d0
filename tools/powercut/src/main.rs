//! The two halves of `cargo xtask powercut` that know the engine: what writes inside the virtual
//! machine, and what judges a disk whose power was cut.
//!
//! - [`plan`]: the shards, and how each is opened.
//! - [`record`]: what a record holds; it follows from its shard and number.
//! - [`mark`]: what the writer tells the outside: what it is about to do, and what it was promised.
//! - [`workload`]: the writer. [`bug`]: the device that breaks its promise, to be caught.
//! - [`expectation`]: the marks up to a cut, folded. [`check`]: what was recovered beside them.

// A development tool: it speaks on its standard output, and stops at what cannot be.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bug;
mod check;
mod expectation;
mod mark;
mod plan;
mod record;
mod workload;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};
use millstream_engine::DeviceChoice;

#[derive(Debug, Parser)]
#[command(about = "Started by cargo xtask powercut, not by hand")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write in the virtual machine
    Write(workload::Arguments),
    /// Recover a disk, and compare it with the marks up to the cut
    Check(check::Arguments),
}

/// The device that the engine writes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeviceName {
    #[value(name = "io_uring")]
    IoUring,
    Portable,
}

impl DeviceName {
    fn choice(self) -> DeviceChoice {
        match self {
            DeviceName::IoUring => DeviceChoice::IoUring,
            DeviceName::Portable => DeviceChoice::Portable,
        }
    }
}

/// Where store and buffer are on the disk that is cut.
#[derive(Debug, Clone, clap::Args)]
struct Place {
    /// Where the disk is mounted
    #[arg(long)]
    mount: PathBuf,
    /// The device that the engine writes with
    #[arg(long)]
    device: DeviceName,
}

impl Place {
    fn store(&self) -> PathBuf {
        self.mount.join("store")
    }

    fn buffer(&self) -> PathBuf {
        self.mount.join("buffer")
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Write(arguments) => workload::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
