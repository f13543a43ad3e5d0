//! The table `tags`: what owners have noted on streams and consumers.

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::Owner;

/// Stream id, consumer (empty for the stream itself) and key, to value.
const TAGS: TableDefinition<(u64, &str, &str), &str> = TableDefinition::new("tags");

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(TAGS)?;
    Ok(())
}

/// Keys and values, in the order of keys.
pub(super) fn of_owner(
    txn: &ReadTransaction,
    owner: &Owner,
) -> Result<Vec<(String, String)>, redb::Error> {
    collect(&txn.open_table(TAGS)?, owner)
}

/// Adds tags, in place of those with the same keys. Changes nothing and gives `false` when there
/// would be more than `most`.
pub(super) fn put(
    txn: &WriteTransaction,
    owner: &Owner,
    tags: &[(String, String)],
    most: usize,
) -> Result<bool, redb::Error> {
    let mut table = txn.open_table(TAGS)?;
    let there = collect(&table, owner)?;
    let fresh = tags
        .iter()
        .filter(|(key, _)| !there.iter().any(|(known, _)| known == key))
        .count();
    if there.len() + fresh > most {
        return Ok(false);
    }
    let (stream, consumer) = owner.key();
    for (key, value) in tags {
        table.insert((stream, consumer, key.as_str()), value.as_str())?;
    }
    Ok(true)
}

pub(super) fn remove(
    txn: &WriteTransaction,
    owner: &Owner,
    keys: &[String],
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(TAGS)?;
    let (stream, consumer) = owner.key();
    for key in keys {
        table.remove((stream, consumer, key.as_str()))?;
    }
    Ok(())
}

/// Removes those of an owner; of a stream also those of its consumers.
pub(super) fn remove_all(txn: &WriteTransaction, owner: &Owner) -> Result<(), redb::Error> {
    let mut table = txn.open_table(TAGS)?;
    let consumer = owner.consumer.as_deref();
    let others = |key: (u64, &str, &str)| consumer.is_some_and(|consumer| consumer != key.1);
    let of_stream = (owner.stream, "", "")..(owner.stream + 1, "", "");
    table.retain_in(of_stream, |key, _| others(key))?;
    Ok(())
}

fn collect(
    table: &impl ReadableTable<(u64, &'static str, &'static str), &'static str>,
    owner: &Owner,
) -> Result<Vec<(String, String)>, redb::Error> {
    let (stream, consumer) = owner.key();
    let mut tags = Vec::new();
    for entry in table.range((stream, consumer, "")..(stream + 1, "", ""))? {
        let (key, value) = entry?;
        let (_, of_consumer, key) = key.value();
        if of_consumer != consumer {
            break;
        }
        tags.push((key.to_owned(), value.value().to_owned()));
    }
    Ok(tags)
}
