//! The table `counters`: the next number of a stream and of a shard. They only grow.

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");
const NEXT_STREAM: &str = "next_stream";
const NEXT_SHARD: &str = "next_shard";

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    let mut table = txn.open_table(COUNTERS)?;
    table.insert(NEXT_STREAM, 1)?;
    table.insert(NEXT_SHARD, 1)?;
    Ok(())
}

pub(super) fn next_shard(txn: &ReadTransaction) -> Result<u64, redb::Error> {
    let table = txn.open_table(COUNTERS)?;
    let next = table.get(NEXT_SHARD)?.map(|value| value.value());
    Ok(next.unwrap_or(0))
}

pub(super) fn take_stream(txn: &WriteTransaction) -> Result<u64, redb::Error> {
    take(txn, NEXT_STREAM, 1)
}

/// The first of `count` numbers in a row.
pub(super) fn take_shards(txn: &WriteTransaction, count: u32) -> Result<u64, redb::Error> {
    take(txn, NEXT_SHARD, u64::from(count))
}

fn take(txn: &WriteTransaction, name: &'static str, count: u64) -> Result<u64, redb::Error> {
    let corrupted = || redb::Error::Corrupted(format!("counter {name} is missing or used up"));
    let mut table = txn.open_table(COUNTERS)?;
    let next = table
        .get(name)?
        .map(|value| value.value())
        .ok_or_else(corrupted)?;
    let after = next.checked_add(count).ok_or_else(corrupted)?;
    table.insert(name, after)?;
    Ok(next)
}
