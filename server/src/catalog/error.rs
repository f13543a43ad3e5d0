//! What can go wrong with the catalog.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::CATALOG_FORMAT;

/// An error of the catalog.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// Written by a newer build.
    #[error(
        "catalog {path} has format {found}, this build reads {CATALOG_FORMAT}; open it with the build that wrote it, or a newer one", path = .path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A database file that is no catalog.
    #[error("{path} is not a catalog of Millstream: {reason}; restore it from a backup", path = .path.display())]
    NotACatalog {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// The store beside it is another one.
    #[error(
        "catalog {path} belongs to store {expected:016x}, the store beside it is {found:016x}: was one of them restored from elsewhere? Put back the store or the catalog that belongs to the other", path = .path.display()
    )]
    OtherStore {
        /// The catalog's file.
        path: PathBuf,
        /// Identity of the store that is there.
        found: u64,
        /// Identity of the store that its shards are in.
        expected: u64,
    },
    /// The system refused an operation.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused an operation.
    #[error("{doing} catalog {path}: {source}", path = .path.display())]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        source: Box<redb::Error>,
    },
    /// There is a stream of that name.
    #[error("stream {name:?} exists already")]
    StreamExists {
        /// The name.
        name: String,
    },
}

impl CatalogError {
    /// Whether the medium was full; nothing was changed then.
    pub(crate) fn is_no_space(&self) -> bool {
        let source = match self {
            CatalogError::Io { source, .. } => source,
            CatalogError::Database { source, .. } => match &**source {
                redb::Error::Io(source) => source,
                _ => return false,
            },
            _ => return false,
        };
        source.kind() == io::ErrorKind::StorageFull
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CatalogError {
        let path = path.to_owned();
        move |source| CatalogError::Io {
            doing,
            path,
            source,
        }
    }

    pub(super) fn database<E: Into<redb::Error>>(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> CatalogError {
        let path = path.to_owned();
        move |source| CatalogError::Database {
            doing,
            path,
            source: Box::new(source.into()),
        }
    }
}
