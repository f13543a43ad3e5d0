//! Recovers what a power cut left, reads all of it, and compares it with what was promised.
//!
//! It runs twice on each disk, as two processes. The first ends without closing anything, as if
//! killed: what the second finds must be the same. The second also appends, retries, deletes what
//! was being deleted, closes, and looks once more.

mod buffer;
mod shard;

use std::{fmt::Write as _, fs, path::PathBuf, process};

use millstream_engine::{Buffer, Error, ShardId, Store};

use crate::{
    Place,
    expectation::{Expectation, Life},
    plan::{self, BUFFER, Style},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The marks up to the cut, one after another
    #[arg(long)]
    marks: PathBuf,
    /// What was found: written by the first run, compared by the second
    #[arg(long)]
    findings: PathBuf,
    /// The second run
    #[arg(long)]
    second: bool,
}

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let marks = fs::read(&arguments.marks)?;
    let expectation = Expectation::read(&marks);
    let (store, buffer) = open(arguments, &expectation)?;
    let findings = look(&store, buffer.as_ref(), &expectation)?;
    if !arguments.second {
        fs::write(&arguments.findings, findings)?;
        // As if killed: nothing is closed.
        process::exit(0);
    }
    let before = fs::read_to_string(&arguments.findings)?;
    if before != findings {
        return Err(format!(
            "a second recovery found something else\nfirst:\n{before}second:\n{findings}"
        )
        .into());
    }
    let ids = store.shard_ids()?;
    let mut appended = Vec::new();
    for (id, shard) in &expectation.shards {
        match shard.life {
            Life::Created if *id != BUFFER => {
                appended.push((*id, shard::go_on(&store, *id, shard)?));
            }
            // What was being made or deleted can be made or deleted again.
            Life::Creating if *id != BUFFER && !ids.contains(id) => {
                drop(store.create_shard(*id, plan::shard_options(*id, false))?);
            }
            Life::Deleting => match store.delete_shard(*id) {
                Ok(()) | Err(Error::NoShard { .. }) => {}
                Err(error) => return Err(format!("deleting shard {id} again: {error}").into()),
            },
            _ => {}
        }
    }
    if let Some(buffer) = &buffer {
        buffer::go_on(buffer, &expectation)?;
        buffer.close()?;
    }
    store.close()?;
    drop((store, buffer));
    let (store, _buffer) = open(arguments, &expectation)?;
    for (id, appended) in appended {
        shard::look_again(&store, id, appended)?;
    }
    store.close()?;
    Ok(())
}

/// Opens store and buffer, which must be possible whatever was cut; the buffer only where its
/// making had begun.
fn open(
    arguments: &Arguments,
    expectation: &Expectation,
) -> Result<(Store, Option<Buffer>), Failure> {
    let place = &arguments.place;
    let store = Store::open(place.store(), plan::store_options(place.device))
        .map_err(|error| format!("opening the store: {error}"))?;
    let buffer = match expectation.shards.contains_key(&BUFFER) {
        true => {
            let options = plan::buffer_options(place.device);
            let opened = Buffer::open(place.buffer(), options);
            Some(opened.map_err(|error| format!("opening the buffer: {error}"))?)
        }
        false => None,
    };
    Ok((store, buffer))
}

/// Compares everything with what was promised; what was found, as text.
fn look(
    store: &Store,
    buffer: Option<&Buffer>,
    expectation: &Expectation,
) -> Result<String, Failure> {
    let mut findings = String::new();
    let ids = store.shard_ids()?;
    if let Some(stranger) = ids.iter().find(|id| !expectation.shards.contains_key(id)) {
        return Err(format!("shard {stranger} is there, and nobody was about to make it").into());
    }
    for (id, expected) in &expectation.shards {
        if *id == BUFFER {
            continue;
        }
        let there = ids.contains(id);
        match (expected.life, there) {
            (Life::Created, false) => {
                return Err(format!("shard {id} was made, and is not there").into());
            }
            (Life::Deleted, true) => {
                return Err(format!("shard {id} was deleted, and is there").into());
            }
            (Life::Created, true) => {
                let found = shard::look(store, *id, expected)
                    .map_err(|error| format!("shard {id} ({:?}): {error}", Style::of(*id)))?;
                writeln!(findings, "shard {id}: {found}")?;
            }
            (Life::Creating, true) => look_at_unfinished(store, *id)?,
            _ => {}
        }
    }
    if let Some(buffer) = buffer {
        let found = buffer::look(buffer, expectation).map_err(|e| format!("buffer: {e}"))?;
        writeln!(findings, "buffer: {found}")?;
    }
    Ok(findings)
}

/// A shard that was being made is empty, or is made again.
fn look_at_unfinished(store: &Store, id: ShardId) -> Result<(), Failure> {
    let options = plan::shard_options(id, false);
    let shard = match store.open_shard(id, options) {
        Err(Error::NoShard { .. }) => store
            .create_shard(id, options)
            .map_err(|error| format!("making shard {id} again: {error}"))?,
        other => other.map_err(|error| format!("opening shard {id}, half made: {error}"))?,
    };
    let found = shard::read(&shard)?;
    if found.end > found.oldest {
        return Err(format!("shard {id} was being made, and has records").into());
    }
    Ok(())
}
