//! fjall: a log-structured key-value store; durability is its journal's.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use crate::peer::{Entry, Peer, Plan};

pub(crate) const ENTRY: Entry = Entry {
    open,
    threads: |_| None,
    prewrites: false,
    cannot: |_| None,
};

/// More than a run writes: no memtable is flushed and no journal is evicted while it is measured.
const NEVER: u64 = 1 << 40;

const KEYSPACE: &str = "log";

struct Fjall {
    dir: PathBuf,
    database: Database,
    keyspace: Keyspace,
    next: AtomicU64,
}

fn open(plan: &Plan<'_>) -> Result<Box<dyn Peer>> {
    let (database, keyspace) = open_at(plan.dir.to_owned())?;
    Ok(Box::new(Fjall {
        dir: plan.dir.to_owned(),
        database,
        keyspace,
        next: AtomicU64::new(0),
    }))
}

fn open_at(dir: PathBuf) -> Result<(Database, Keyspace)> {
    let database = Database::builder(dir).max_journaling_size(NEVER).open()?;
    let keyspace = database.keyspace(KEYSPACE, || {
        KeyspaceCreateOptions::default().max_memtable_size(NEVER)
    })?;
    Ok((database, keyspace))
}

impl Peer for Fjall {
    fn settings(&self) -> String {
        "a write batch with PersistMode::SyncData (fdatasync), keys of 8 bytes that grow; no \
         compression, max_journaling_size and max_memtable_size beyond what a run writes"
            .to_owned()
    }

    fn append(&self, _: usize, records: &[&[u8]]) -> Result<()> {
        let first = self.next.fetch_add(records.len() as u64, Ordering::Relaxed);
        let mut batch = OwnedWriteBatch::with_capacity(self.database.clone(), records.len())
            .durability(Some(PersistMode::SyncData));
        for (key, record) in (first..).zip(records) {
            batch.insert(&self.keyspace, key.to_be_bytes(), *record);
        }
        batch.commit()?;
        Ok(())
    }

    fn read_back(self: Box<Self>, see: &mut dyn FnMut(&[u8])) -> Result<&'static str> {
        let Fjall {
            dir,
            database,
            keyspace,
            ..
        } = *self;
        drop(keyspace);
        drop(database);
        let (_database, keyspace) = open_at(dir)?;
        for item in keyspace.iter() {
            see(&item.value()?);
        }
        Ok("closed, opened again, and every key read")
    }
}
