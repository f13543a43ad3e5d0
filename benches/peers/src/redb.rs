//! redb: a copy-on-write B-tree; one transaction writes at a time.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::peer::{Entry, Peer, Plan};

pub(crate) const ENTRY: Entry = Entry {
    open,
    threads: |_| None,
    prewrites: false,
    cannot: |_| None,
};

/// Bytes of its cache: most of what a run writes, so that it reads nothing while it is measured.
const CACHE: usize = 4 << 30;

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

struct Redb {
    file: PathBuf,
    database: Database,
    next: AtomicU64,
}

fn open(plan: &Plan<'_>) -> Result<Box<dyn Peer>> {
    let file = plan.dir.join("redb");
    let database = open_at(&file)?;
    let transaction = database.begin_write()?;
    transaction.open_table(TABLE)?;
    transaction.commit()?;
    Ok(Box::new(Redb {
        file,
        database,
        next: AtomicU64::new(0),
    }))
}

fn open_at(file: &Path) -> Result<Database> {
    Ok(Database::builder().set_cache_size(CACHE).create(file)?)
}

impl Peer for Redb {
    fn settings(&self) -> String {
        format!(
            "a transaction for each batch with Durability::Immediate (fdatasync), keys of 8 bytes \
             that grow; one phase, cache of {CACHE} bytes"
        )
    }

    fn append(&self, _: usize, records: &[&[u8]]) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            // No other transaction writes meanwhile, so that keys only grow.
            let first = self.next.fetch_add(records.len() as u64, Ordering::Relaxed);
            for (key, record) in (first..).zip(records) {
                table.insert(key, record)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn read_back(self: Box<Self>, see: &mut dyn FnMut(&[u8])) -> Result<&'static str> {
        let Redb { file, database, .. } = *self;
        drop(database);
        let database = open_at(&file)?;
        let table = database.begin_read()?.open_table(TABLE)?;
        for item in table.iter()? {
            let (_, record) = item?;
            see(record.value());
        }
        Ok("closed, opened again, and every key read")
    }
}
