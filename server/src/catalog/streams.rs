//! The table `streams`: one row a stream, by name.

use millstream_engine::{CompressionChoice, Durability};
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::{StreamRow, StreamStatus};

/// id, created ms, retention hours, status, compression (0 none, else the zstd level),
/// durability (0 durable, 1 written).
type Columns = (u64, u64, u32, u8, u8, u8);

const STREAMS: TableDefinition<&str, Columns> = TableDefinition::new("streams");

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(STREAMS)?;
    Ok(())
}

/// All of them in the order of names, without their shards.
pub(super) fn all(txn: &ReadTransaction) -> Result<Vec<StreamRow>, redb::Error> {
    let table = txn.open_table(STREAMS)?;
    let mut rows = Vec::new();
    for entry in table.iter()? {
        let (name, columns) = entry?;
        rows.push(decode(name.value(), columns.value())?);
    }
    Ok(rows)
}

/// One of them, without its shards.
pub(super) fn get(txn: &WriteTransaction, name: &str) -> Result<Option<StreamRow>, redb::Error> {
    let table = txn.open_table(STREAMS)?;
    let columns = table.get(name)?.map(|columns| columns.value());
    columns.map(|columns| decode(name, columns)).transpose()
}

pub(super) fn put(txn: &WriteTransaction, row: &StreamRow) -> Result<(), redb::Error> {
    let status = match row.status {
        StreamStatus::Creating => 0,
        StreamStatus::Active => 1,
        StreamStatus::Deleting => 2,
    };
    let compression = match row.compression {
        CompressionChoice::None => 0,
        CompressionChoice::Zstd(level) => u8::try_from(level).unwrap_or(u8::MAX),
    };
    let durability = match row.durability {
        Durability::Durable => 0,
        Durability::Written => 1,
    };
    let columns = (
        row.id,
        row.created_ms,
        row.retention_hours,
        status,
        compression,
        durability,
    );
    txn.open_table(STREAMS)?
        .insert(row.name.as_str(), columns)?;
    Ok(())
}

/// Its id, when it was there.
pub(super) fn remove(txn: &WriteTransaction, name: &str) -> Result<Option<u64>, redb::Error> {
    let mut table = txn.open_table(STREAMS)?;
    let id = table.remove(name)?.map(|columns| columns.value().0);
    Ok(id)
}

fn decode(name: &str, columns: Columns) -> Result<StreamRow, redb::Error> {
    let (id, created_ms, retention_hours, status, compression, durability) = columns;
    let unknown = |what: &str, value: u8| {
        redb::Error::Corrupted(format!("stream {name:?} has the unknown {what} {value}"))
    };
    Ok(StreamRow {
        id,
        name: name.to_owned(),
        created_ms,
        retention_hours,
        status: match status {
            0 => StreamStatus::Creating,
            1 => StreamStatus::Active,
            2 => StreamStatus::Deleting,
            other => return Err(unknown("status", other)),
        },
        compression: match compression {
            0 => CompressionChoice::None,
            level @ 1..=19 => CompressionChoice::Zstd(level.into()),
            other => return Err(unknown("compression", other)),
        },
        durability: match durability {
            0 => Durability::Durable,
            1 => Durability::Written,
            other => return Err(unknown("durability", other)),
        },
        shards: Vec::new(),
    })
}
