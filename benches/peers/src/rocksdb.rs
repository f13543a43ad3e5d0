//! RocksDB: a log-structured key-value store; durability is its write-ahead log's.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use rocksdb::{DB, IteratorMode, Options, WriteBatch, WriteOptions};

use crate::peer::{Entry, Peer, Plan};

pub(crate) const ENTRY: Entry = Entry {
    open,
    // More that wait make larger groups.
    threads: |row| (row.name == "ingest-100b-500").then_some(4),
    prewrites: false,
    cannot: |_| None,
};

/// Bytes of a memtable: more than a run writes, so that none is flushed while it is measured.
const MEMTABLE: usize = 8 << 30;
/// Bytes of a key, and of what a batch adds to it and its value.
const KEY: usize = 16;

struct RocksDb {
    dir: PathBuf,
    options: Options,
    pipelined: bool,
    database: DB,
    next: AtomicU64,
}

fn open(plan: &Plan<'_>) -> Result<Box<dyn Peer>> {
    // Writing the log of one batch beside the memtable of the one before pays where they are long;
    // for single records, the larger groups of plain writes do.
    let pipelined = plan.row.batch > 1;
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_size(MEMTABLE);
    options.set_manual_wal_flush(false);
    options.set_enable_pipelined_write(pipelined);
    // One thread inserts faster than several that meet at the end of the memtable.
    options.set_allow_concurrent_memtable_write(false);
    let database = DB::open(&options, plan.dir)?;
    Ok(Box::new(RocksDb {
        dir: plan.dir.to_owned(),
        options,
        pipelined,
        database,
        next: AtomicU64::new(0),
    }))
}

impl Peer for RocksDb {
    fn settings(&self) -> String {
        format!(
            "DB::write with a synced write-ahead log (fdatasync, shared by those who wait), keys \
             of 8 bytes that grow; no compression, enable_pipelined_write {}, \
             allow_concurrent_memtable_write false, write_buffer_size {MEMTABLE}",
            self.pipelined
        )
    }

    fn append(&self, _: usize, records: &[&[u8]]) -> Result<()> {
        let bytes: usize = records.iter().map(|record| KEY + record.len()).sum();
        let first = self.next.fetch_add(records.len() as u64, Ordering::Relaxed);
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        for (key, record) in (first..).zip(records) {
            batch.put(key.to_be_bytes(), record);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.database.write_opt(batch, &options)?;
        Ok(())
    }

    fn read_back(self: Box<Self>, see: &mut dyn FnMut(&[u8])) -> Result<&'static str> {
        let RocksDb {
            dir,
            options,
            database,
            ..
        } = *self;
        drop(database);
        let database = DB::open(&options, dir)?;
        for item in database.iterator(IteratorMode::Start) {
            let (_, record) = item?;
            see(&record);
        }
        Ok("closed, opened again, and every key read")
    }
}
