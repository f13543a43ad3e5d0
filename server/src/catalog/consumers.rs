//! The table `consumers`: the registered consumers of streams.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use super::{ConsumerRow, ConsumerStatus};

/// Stream id and name to created s and status.
const CONSUMERS: TableDefinition<(u64, &str), (u64, u8)> = TableDefinition::new("consumers");

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(CONSUMERS)?;
    Ok(())
}

/// The consumers of a stream, in the order of their names.
pub(super) fn of_stream(
    txn: &ReadTransaction,
    stream: u64,
) -> Result<Vec<ConsumerRow>, redb::Error> {
    let table = txn.open_table(CONSUMERS)?;
    let mut consumers = Vec::new();
    for entry in table.range((stream, "")..(stream + 1, ""))? {
        let (key, columns) = entry?;
        let (_, name) = key.value();
        let (created_s, status) = columns.value();
        consumers.push(ConsumerRow {
            name: name.to_owned(),
            created_s,
            status: match status {
                0 => ConsumerStatus::Creating,
                1 => ConsumerStatus::Active,
                2 => ConsumerStatus::Deleting,
                other => {
                    let unknown = format!("consumer {name:?} has the unknown status {other}");
                    return Err(redb::Error::Corrupted(unknown));
                }
            },
        });
    }
    Ok(consumers)
}

pub(super) fn put(
    txn: &WriteTransaction,
    stream: u64,
    row: &ConsumerRow,
) -> Result<(), redb::Error> {
    let status = match row.status {
        ConsumerStatus::Creating => 0,
        ConsumerStatus::Active => 1,
        ConsumerStatus::Deleting => 2,
    };
    let key = (stream, row.name.as_str());
    txn.open_table(CONSUMERS)?
        .insert(key, (row.created_s, status))?;
    Ok(())
}

pub(super) fn remove(txn: &WriteTransaction, stream: u64, name: &str) -> Result<(), redb::Error> {
    txn.open_table(CONSUMERS)?.remove((stream, name))?;
    Ok(())
}

pub(super) fn remove_all(txn: &WriteTransaction, stream: u64) -> Result<(), redb::Error> {
    let mut table = txn.open_table(CONSUMERS)?;
    table.retain_in((stream, "")..(stream + 1, ""), |_, _| false)?;
    Ok(())
}
