//! The table `streams`: one row a stream, by name.

use millstream_engine::{CompressionChoice, Durability};
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::{Metrics, StreamMode, StreamRow, StreamStatus};

/// id, created ms, retention hours, status, compression (0 none, else the zstd level),
/// durability (0 durable, 1 written), mode (0 provisioned, 1 on demand), KiB of a record,
/// encryption key, metrics, warm MiB per second, seconds of the newest consumer.
type Columns<'a> = (
    u64,
    u64,
    u32,
    u8,
    u8,
    u8,
    u8,
    Option<u32>,
    Option<&'a str>,
    u8,
    Option<u32>,
    u64,
);

const STREAMS: TableDefinition<&str, Columns<'static>> = TableDefinition::new("streams");

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(STREAMS)?;
    Ok(())
}

/// All of them in the order of names.
pub(super) fn all(txn: &ReadTransaction) -> Result<Vec<StreamRow>, redb::Error> {
    let table = txn.open_table(STREAMS)?;
    let mut rows = Vec::new();
    for entry in table.iter()? {
        let (name, columns) = entry?;
        rows.push(decode(name.value(), columns.value())?);
    }
    Ok(rows)
}

/// The id of the stream of a name.
pub(super) fn id_of(txn: &WriteTransaction, name: &str) -> Result<Option<u64>, redb::Error> {
    let table = txn.open_table(STREAMS)?;
    let id = table.get(name)?.map(|columns| columns.value().0);
    Ok(id)
}

pub(super) fn put(txn: &WriteTransaction, row: &StreamRow) -> Result<(), redb::Error> {
    let columns = (
        row.id,
        row.created_ms,
        row.retention_hours,
        match row.status {
            StreamStatus::Creating => 0,
            StreamStatus::Active => 1,
            StreamStatus::Deleting => 2,
            StreamStatus::Updating => 3,
        },
        match row.compression {
            CompressionChoice::None => 0,
            CompressionChoice::Zstd(level) => u8::try_from(level).unwrap_or(u8::MAX),
        },
        match row.durability {
            Durability::Durable => 0,
            Durability::Written => 1,
        },
        match row.mode {
            StreamMode::Provisioned => 0,
            StreamMode::OnDemand => 1,
        },
        row.max_record_kib,
        row.encryption_key.as_deref(),
        row.monitoring.0,
        row.warm_mibps,
        row.last_consumer_s,
    );
    txn.open_table(STREAMS)?
        .insert(row.name.as_str(), columns)?;
    Ok(())
}

pub(super) fn remove(txn: &WriteTransaction, name: &str) -> Result<(), redb::Error> {
    txn.open_table(STREAMS)?.remove(name)?;
    Ok(())
}

fn decode(name: &str, columns: Columns<'_>) -> Result<StreamRow, redb::Error> {
    let (id, created_ms, retention_hours, status, compression, durability, mode, ..) = columns;
    let (.., max_record_kib, encryption_key, metrics, warm_mibps, last_consumer_s) = columns;
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
            3 => StreamStatus::Updating,
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
        mode: match mode {
            0 => StreamMode::Provisioned,
            1 => StreamMode::OnDemand,
            other => return Err(unknown("mode", other)),
        },
        max_record_kib,
        encryption_key: encryption_key.map(str::to_owned),
        monitoring: Metrics(metrics),
        warm_mibps,
        last_consumer_s,
    })
}
