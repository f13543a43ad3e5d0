//! The table `shards`: one row a shard, by stream and index.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use super::{ShardRow, range_of};

/// Stream id and index to shard id, first and last hash key.
const SHARDS: TableDefinition<(u64, u32), (u64, u128, u128)> = TableDefinition::new("shards");

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(SHARDS)?;
    Ok(())
}

/// The shards of a stream, in the order of their index.
pub(super) fn of_stream(txn: &ReadTransaction, stream: u64) -> Result<Vec<ShardRow>, redb::Error> {
    let table = txn.open_table(SHARDS)?;
    let mut shards = Vec::new();
    for (entry, expected) in table.range((stream, 0)..=(stream, u32::MAX))?.zip(0u32..) {
        let (key, columns) = entry?;
        if key.value().1 != expected {
            let missing = format!("stream {stream} has no row for its shard {expected}");
            return Err(redb::Error::Corrupted(missing));
        }
        let (id, start, end) = columns.value();
        shards.push(ShardRow {
            id,
            range: range_of(start, end),
        });
    }
    Ok(shards)
}

pub(super) fn put(
    txn: &WriteTransaction,
    stream: u64,
    shards: &[ShardRow],
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(SHARDS)?;
    for (index, shard) in (0u32..).zip(shards) {
        let columns = (shard.id, shard.range.start.0, shard.range.end.0);
        table.insert((stream, index), columns)?;
    }
    Ok(())
}

pub(super) fn remove(txn: &WriteTransaction, stream: u64) -> Result<(), redb::Error> {
    let mut table = txn.open_table(SHARDS)?;
    table.retain_in((stream, 0)..=(stream, u32::MAX), |_, _| false)?;
    Ok(())
}
