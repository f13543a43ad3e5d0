//! The table `meta`: the catalog's format version, the one table that every version must be able
//! to read, and the store that its shards are in.

use std::path::Path;

use redb::{ReadTransaction, TableDefinition, TableError, WriteTransaction};

use super::CatalogError;

/// The format that this build writes, and the newest that it reads.
pub const CATALOG_FORMAT: u64 = 2;

/// The one that is migrated.
const FORMAT_BEFORE: u64 = 1;

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const FORMAT_KEY: &str = "format";
const STORE_KEY: &str = "store";

pub(super) fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(META)?.insert(FORMAT_KEY, CATALOG_FORMAT)?;
    Ok(())
}

/// Whether the catalog is of the format before, and to be migrated.
///
/// # Errors
/// When it is of a format that this build does not know.
pub(super) fn is_old(txn: &ReadTransaction, path: &Path) -> Result<bool, CatalogError> {
    let not_a_catalog = |reason| CatalogError::NotACatalog {
        path: path.to_owned(),
        reason,
    };
    let table = match txn.open_table(META) {
        Ok(table) => table,
        Err(TableError::Storage(error)) => {
            return Err(CatalogError::database("reading", path)(error));
        }
        Err(_) => return Err(not_a_catalog("it has no table of its format")),
    };
    let found = table
        .get(FORMAT_KEY)
        .map_err(CatalogError::database("reading", path))?
        .map(|value| value.value());
    match found {
        Some(CATALOG_FORMAT) => Ok(false),
        Some(FORMAT_BEFORE) => Ok(true),
        Some(found) => Err(CatalogError::Format {
            path: path.to_owned(),
            found,
        }),
        None => Err(not_a_catalog("it does not say its format")),
    }
}

/// The identity of the store, once it is known.
pub(super) fn store(txn: &ReadTransaction) -> Result<Option<u64>, redb::Error> {
    let table = txn.open_table(META)?;
    Ok(table.get(STORE_KEY)?.map(|value| value.value()))
}

pub(super) fn set_store(txn: &WriteTransaction, store: u64) -> Result<(), redb::Error> {
    txn.open_table(META)?.insert(STORE_KEY, store)?;
    Ok(())
}

#[cfg(test)]
pub(super) fn set(txn: &WriteTransaction, format: u64) -> Result<(), redb::Error> {
    txn.open_table(META)?.insert(FORMAT_KEY, format)?;
    Ok(())
}
