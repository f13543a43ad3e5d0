//! The table `account`: settings that hold for all streams.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

/// Name of a setting to its value.
const ACCOUNT: TableDefinition<&str, Option<u64>> = TableDefinition::new("account");
const STARTED: &str = "commitment_started_ms";
const ENDED: &str = "commitment_ended_ms";

/// The commitment to a least throughput, which changes what streams on demand may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Commitment {
    /// Milliseconds since 1970.
    pub started_ms: Option<u64>,
    /// When its end was asked for; it may take effect later.
    pub ended_ms: Option<u64>,
}

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(ACCOUNT)?;
    Ok(())
}

pub(super) fn commitment(txn: &ReadTransaction) -> Result<Commitment, redb::Error> {
    let table = txn.open_table(ACCOUNT)?;
    let get = |name| Ok::<_, redb::Error>(table.get(name)?.and_then(|value| value.value()));
    Ok(Commitment {
        started_ms: get(STARTED)?,
        ended_ms: get(ENDED)?,
    })
}

pub(super) fn put_commitment(
    txn: &WriteTransaction,
    commitment: Commitment,
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(ACCOUNT)?;
    table.insert(STARTED, commitment.started_ms)?;
    table.insert(ENDED, commitment.ended_ms)?;
    Ok(())
}
