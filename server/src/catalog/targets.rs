//! The table `targets`: streams whose number of shards is being changed, and to what.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

/// Stream id to open shards that it is to have.
const TARGETS: TableDefinition<u64, u32> = TableDefinition::new("targets");

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(TARGETS)?;
    Ok(())
}

pub(super) fn of_stream(txn: &ReadTransaction, stream: u64) -> Result<Option<u32>, redb::Error> {
    let table = txn.open_table(TARGETS)?;
    let target = table.get(stream)?.map(|target| target.value());
    Ok(target)
}

/// Sets it, or forgets it.
pub(super) fn put(
    txn: &WriteTransaction,
    stream: u64,
    target: Option<u32>,
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(TARGETS)?;
    match target {
        Some(target) => drop(table.insert(stream, target)?),
        None => drop(table.remove(stream)?),
    }
    Ok(())
}
