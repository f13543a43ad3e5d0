//! `cargo xtask counts` runs this under callgrind: hot paths, repeated as often as it is told to,
//! with nothing in them that differs from run to run.
//!
//! - `millstream-counts list`: a line for each path, its fields apart by tabs: name, unit, units of
//!   a round, rounds of the shorter and of the longer run.
//! - `millstream-counts run NAME ROUNDS`: makes a path, and repeats it.

// A command-line program speaks on its standard output.
#![allow(clippy::print_stdout)]

mod byte_paths;
mod engine_paths;
mod hot_path;
mod memory_device;
mod samples;
mod stand;

use std::{env, error::Error};

use hot_path::HotPath;

fn paths() -> impl Iterator<Item = &'static HotPath> {
    byte_paths::PATHS.iter().chain(engine_paths::PATHS)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            for path in paths() {
                let (fewer, more) = path.rounds;
                println!(
                    "{}\t{}\t{}\t{fewer}\t{more}",
                    path.name, path.unit, path.units
                );
            }
            Ok(())
        }
        ["run", name, rounds] => {
            let path = paths().find(|path| path.name == name);
            let path = path.ok_or("no such path: see `list`")?;
            let mut round = (path.make)()?;
            for _ in 0..rounds.parse::<u64>()? {
                round()?;
            }
            Ok(())
        }
        _ => Err("usage: millstream-counts list | run NAME ROUNDS".into()),
    }
}
