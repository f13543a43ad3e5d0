//! walrus: a log of topics in files of 1 GB.

use std::{env, os::unix::process::CommandExt, process::Command};

use anyhow::{Context, Result};
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus, disable_fd_backend};

use crate::peer::{Entry, Peer, Plan};

pub(crate) const ENTRY: Entry = Entry {
    open,
    threads: |_| None,
    prewrites: false,
    cannot: |_| None,
};

/// Records that it takes in one call at most.
const MOST_RECORDS: usize = 2000;
/// Bytes that are read back at once.
const READ: usize = 4 << 20;

struct WalrusLog {
    log: Walrus,
    /// One for each producer: a topic refuses a batch while another is being written.
    topics: Vec<String>,
}

fn open(plan: &Plan<'_>) -> Result<Box<dyn Peer>> {
    restart_with_environment(plan)?;
    // Its other backend opens its files with `O_SYNC`, and so pays for each record of a batch.
    disable_fd_backend();
    Ok(Box::new(WalrusLog {
        log: open_log()?,
        topics: (0..plan.threads).map(|topic| topic.to_string()).collect(),
    }))
}

fn open_log() -> Result<Walrus> {
    // Only for reading back: how often a reader's position is made durable.
    let consistency = ReadConsistency::AtLeastOnce {
        persist_every: u32::MAX,
    };
    let log = Walrus::with_consistency_and_schedule(consistency, FsyncSchedule::SyncEach)?;
    Ok(log)
}

/// Where its files are, and whether it prints each step on standard output, walrus takes from the
/// environment alone. A process cannot safely change its own, so it becomes another one.
fn restart_with_environment(plan: &Plan<'_>) -> Result<()> {
    const DIR: &str = "WALRUS_DATA_DIR";
    const QUIET: &str = "WALRUS_QUIET";
    if env::var_os(DIR).as_deref() == Some(plan.dir.as_os_str()) && env::var_os(QUIET).is_some() {
        return Ok(());
    }
    let error = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(DIR, plan.dir)
        .env(QUIET, "1")
        .exec();
    Err(error).context("start again with walrus's environment")
}

impl Peer for WalrusLog {
    fn settings(&self) -> String {
        format!(
            "FsyncSchedule::SyncEach (msync), a topic for each producer; backend of mapped files, \
             batch_append_for_topic with {MOST_RECORDS} records, its most, a call"
        )
    }

    fn append(&self, producer: usize, records: &[&[u8]]) -> Result<()> {
        let topic = &self.topics[producer];
        if let [record] = records {
            self.log.append_for_topic(topic, record)?;
            return Ok(());
        }
        for records in records.chunks(MOST_RECORDS) {
            self.log.batch_append_for_topic(topic, records)?;
        }
        Ok(())
    }

    fn read_back(self: Box<Self>, see: &mut dyn FnMut(&[u8])) -> Result<&'static str> {
        let WalrusLog { log, topics } = *self;
        drop(log);
        let log = open_log()?;
        for topic in &topics {
            loop {
                let entries = log.batch_read_for_topic(topic, READ, true)?;
                if entries.is_empty() {
                    break;
                }
                entries.iter().for_each(|entry| see(&entry.data));
            }
        }
        Ok("opened again, and every entry of every topic read")
    }
}
