//! The table `policies`: who else may use a stream or a consumer, as its owner wrote it.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use super::Owner;

/// Stream id and consumer (empty for the stream itself), to the policy's text.
const POLICIES: TableDefinition<(u64, &str), &str> = TableDefinition::new("policies");

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(POLICIES)?;
    Ok(())
}

pub(super) fn of_owner(
    txn: &ReadTransaction,
    owner: &Owner,
) -> Result<Option<String>, redb::Error> {
    let table = txn.open_table(POLICIES)?;
    let policy = table
        .get(owner.key())?
        .map(|policy| policy.value().to_owned());
    Ok(policy)
}

pub(super) fn put(txn: &WriteTransaction, owner: &Owner, policy: &str) -> Result<(), redb::Error> {
    txn.open_table(POLICIES)?.insert(owner.key(), policy)?;
    Ok(())
}

/// Whether there was one.
pub(super) fn remove(txn: &WriteTransaction, owner: &Owner) -> Result<bool, redb::Error> {
    let mut table = txn.open_table(POLICIES)?;
    let removed = table.remove(owner.key())?.is_some();
    Ok(removed)
}

/// Removes that of a stream and those of its consumers.
pub(super) fn remove_all(txn: &WriteTransaction, stream: u64) -> Result<(), redb::Error> {
    let mut table = txn.open_table(POLICIES)?;
    table.retain_in((stream, "")..(stream + 1, ""), |_, _| false)?;
    Ok(())
}
