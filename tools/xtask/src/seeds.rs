//! `cargo xtask fuzz-seeds`: the few inputs from which the fuzzer starts, made by the code that
//! makes such bytes in earnest. They are committed; a change of the format makes them again.

mod batches;
mod bodies;
mod configs;
mod cursors;
mod frames;
mod indexes;
mod lives;
mod places;
mod puts;
mod signatures;
mod stores;

use std::{fs, path::Path};

use crate::{failure::Failure, workspace};

/// A seed's file and its bytes.
type Seed = (&'static str, Vec<u8>);

pub(crate) fn run() -> Result<(), Failure> {
    let corpus = workspace::root().join("fuzz/corpus");
    write(&corpus.join("batch_decode"), batches::seeds())?;
    write(&corpus.join("wire_frame"), frames::seeds()?)?;
    write(&corpus.join("segment_recovery"), stores::seeds())?;
    write(&corpus.join("index_load"), indexes::seeds())?;
    write(&corpus.join("buffer_cursor"), cursors::seeds())?;
    write(&corpus.join("engine_model"), lives::seeds())?;
    write(&corpus.join("kinesis_body"), bodies::seeds())?;
    write(&corpus.join("kinesis_put"), puts::seeds())?;
    write(&corpus.join("kinesis_iterator"), places::seeds())?;
    write(&corpus.join("kinesis_sigv4"), signatures::seeds())?;
    write(&corpus.join("config_parse"), configs::seeds())
}

fn write(directory: &Path, seeds: Vec<Seed>) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(Failure::io("make", directory))?;
    for (name, bytes) in seeds {
        let path = directory.join(format!("seed-{name}"));
        fs::write(&path, &bytes).map_err(Failure::io("write", &path))?;
        println!("{}: {} bytes", path.display(), bytes.len());
    }
    Ok(())
}
