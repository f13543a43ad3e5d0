//! The table `shards`: one row a shard, by stream and number.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use super::{ShardLife, ShardRow, range_of};

/// Shard id, first and last hash key, created s, opened ms, parent, adjacent parent, whether it
/// is being made, and closed at ms with the end.
type Columns = (
    u64,
    u128,
    u128,
    u64,
    u64,
    Option<u32>,
    Option<u32>,
    bool,
    Option<(u64, u64)>,
);

/// By stream id and number.
const SHARDS: TableDefinition<(u64, u32), Columns> = TableDefinition::new("shards");

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(SHARDS)?;
    Ok(())
}

/// The shards of a stream, in the order of their numbers.
pub(super) fn of_stream(txn: &ReadTransaction, stream: u64) -> Result<Vec<ShardRow>, redb::Error> {
    let table = txn.open_table(SHARDS)?;
    let mut shards = Vec::new();
    for entry in table.range((stream, 0)..=(stream, u32::MAX))? {
        let (key, columns) = entry?;
        let (id, start, end, created_s, opened_ms, parent, adjacent, opening, closed) =
            columns.value();
        shards.push(ShardRow {
            number: key.value().1,
            id,
            range: range_of(start, end),
            created_s,
            opened_ms,
            parents: [parent, adjacent],
            life: match closed {
                Some((at_ms, end)) => ShardLife::Closed { at_ms, end },
                None if opening => ShardLife::Opening,
                None => ShardLife::Open,
            },
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
    for shard in shards {
        let [parent, adjacent] = shard.parents;
        let columns = (
            shard.id,
            shard.range.start.0,
            shard.range.end.0,
            shard.created_s,
            shard.opened_ms,
            parent,
            adjacent,
            shard.life == ShardLife::Opening,
            match shard.life {
                ShardLife::Closed { at_ms, end } => Some((at_ms, end)),
                ShardLife::Opening | ShardLife::Open => None,
            },
        );
        table.insert((stream, shard.number), columns)?;
    }
    Ok(())
}

/// Removes some shards of a stream.
pub(super) fn remove(
    txn: &WriteTransaction,
    stream: u64,
    numbers: &[u32],
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(SHARDS)?;
    for number in numbers {
        table.remove((stream, *number))?;
    }
    Ok(())
}

/// Removes all shards of a stream.
pub(super) fn remove_all(txn: &WriteTransaction, stream: u64) -> Result<(), redb::Error> {
    let mut table = txn.open_table(SHARDS)?;
    table.retain_in((stream, 0)..=(stream, u32::MAX), |_, _| false)?;
    Ok(())
}
