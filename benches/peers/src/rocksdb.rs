//! RocksDB: a log-structured key-value store; durability is its write-ahead log's.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use rocksdb::{DB, IteratorMode, MemtableFactory, Options, WriteBatch, WriteOptions};

use crate::peer::{Entry, Peer, Plan};

pub(crate) const ENTRY: Entry = Entry {
    open,
    threads: |_| None,
    prewrites: false,
    cannot: |_| None,
};

struct RocksDb {
    dir: PathBuf,
    database: DB,
    next: AtomicU64,
}

fn open(plan: &Plan<'_>) -> Result<Box<dyn Peer>> {
    Ok(Box::new(RocksDb {
        dir: plan.dir.to_owned(),
        database: open_at(plan.dir)?,
        next: AtomicU64::new(0),
    }))
}
fn env(n: &str, d: u64) -> u64 {
    std::env::var(n)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(d)
}

fn open_at(dir: &Path) -> Result<DB> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_size((env("WB", 8192) << 20) as usize);
    options.set_manual_wal_flush(false);
    options.set_enable_pipelined_write(env("PIPE", 1) == 1);
    if env("VEC", 0) == 1 {
        options.set_allow_concurrent_memtable_write(false);
        options.set_memtable_factory(MemtableFactory::Vector);
    }
    if env("CONC", 1) == 0 {
        options.set_allow_concurrent_memtable_write(false);
    }
    options.set_recycle_log_file_num(env("REC", 0) as usize);
    Ok(DB::open(&options, dir)?)
}

impl Peer for RocksDb {
    fn settings(&self) -> String {
        "x".to_owned()
    }

    fn append(&self, _: usize, records: &[&[u8]]) -> Result<()> {
        let first = self.next.fetch_add(records.len() as u64, Ordering::Relaxed);
        let mut batch = WriteBatch::with_capacity_bytes(
            records.iter().map(|r| r.len() + 16).sum::<usize>() + 16,
        );
        for (key, record) in (first..).zip(records) {
            batch.put(key.to_be_bytes(), record);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.database.write_opt(batch, &options)?;
        Ok(())
    }

    fn read_back(self: Box<Self>, see: &mut dyn FnMut(&[u8])) -> Result<&'static str> {
        let RocksDb { dir, database, .. } = *self;
        drop(database);
        let database = open_at(&dir)?;
        for item in database.iterator(IteratorMode::Start) {
            let (_, record) = item?;
            see(&record);
        }
        Ok("closed, opened again, and every key read")
    }
}
