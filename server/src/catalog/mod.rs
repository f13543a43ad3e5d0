//! The catalog: which streams there are, and which shards of the store are theirs.
//!
//! One file beside the store, changed in transactions that are durable when they return. The
//! order of steps keeps half-made things invisible: the rows of a stream come before its shards
//! and go after them, and only a stream whose row says active is shown.

mod counters;
mod error;
mod format;
mod image;
mod shards;
mod streams;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use millstream_engine::{
    CompressionChoice, Durability,
    format::{HashKey, HashRange},
};
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

pub use error::CatalogError;
pub use format::CATALOG_FORMAT;
pub(crate) use image::Image;

/// Name of the catalog's file in the data directory.
pub(crate) const FILE_NAME: &str = "catalog.redb";
/// The same while it is made for the first time.
pub(crate) const NEW_FILE_NAME: &str = "catalog.redb.new";
/// Memory for pages of the catalog; it is read once, at start.
const CACHE_BYTES: usize = 8 << 20;

/// Where a stream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamStatus {
    /// Its shards are being made; removed at the next start.
    Creating,
    /// In use.
    Active,
    /// Its shards are being removed, which the next start goes on with.
    Deleting,
}

/// A stream as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamRow {
    /// Never used again.
    pub id: u64,
    pub name: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    pub retention_hours: u32,
    pub status: StreamStatus,
    pub compression: CompressionChoice,
    pub durability: Durability,
    /// In the order of their ranges.
    pub shards: Vec<ShardRow>,
}

/// A shard as the catalog has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardRow {
    /// Its number in the store, never used again.
    pub id: u64,
    pub range: HashRange,
}

/// What a stream is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewStream {
    pub name: String,
    pub created_ms: u64,
    pub shards: u32,
    pub retention_hours: u32,
    pub compression: CompressionChoice,
    pub durability: Durability,
}

/// The open catalog. One process has it at a time.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// `None` after an error of the system, until it is opened again: the database takes no more
    /// writes then, although the medium may have room again.
    database: RwLock<Option<Database>>,
    path: PathBuf,
}

impl Catalog {
    /// Whether there is a catalog in `directory`.
    pub(crate) fn exists(directory: &Path) -> bool {
        directory.join(FILE_NAME).exists()
    }

    /// Opens the catalog in `directory`, making it where there is none.
    ///
    /// # Errors
    /// When another process has it, it is of another format, or it cannot be read.
    pub(crate) fn open(directory: &Path) -> Result<Catalog, CatalogError> {
        let path = directory.join(FILE_NAME);
        if !path.exists() {
            Self::create(directory, &path)?;
        }
        let database = Self::builder()
            .open(&path)
            .map_err(CatalogError::database("opening", &path))?;
        let catalog = Catalog::of(database, path);
        format::check(&catalog.read()?, &catalog.path)?;
        Ok(catalog)
    }

    /// Made under another name first: a catalog under its own name is always a whole one.
    fn create(directory: &Path, path: &Path) -> Result<(), CatalogError> {
        let fresh = directory.join(NEW_FILE_NAME);
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CatalogError::io("removing", &fresh)(error));
            }
            _ => {}
        }
        let database = Self::builder()
            .create(&fresh)
            .map_err(CatalogError::database("making", &fresh))?;
        let catalog = Catalog::of(database, fresh.clone());
        catalog.write(|txn| {
            format::init(txn)?;
            counters::init(txn)?;
            streams::init(txn)?;
            shards::init(txn)
        })?;
        drop(catalog);
        fs::rename(&fresh, path).map_err(CatalogError::io("renaming", &fresh))?;
        fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(CatalogError::io("flushing", directory))
    }

    fn of(database: Database, path: PathBuf) -> Catalog {
        Catalog {
            database: RwLock::new(Some(database)),
            path,
        }
    }

    fn builder() -> redb::Builder {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        builder
    }

    /// Checks that its shards are in the store of this identity, and remembers that where it was
    /// not known yet.
    ///
    /// # Errors
    /// [`CatalogError::OtherStore`] when they are in another one.
    pub(crate) fn join_store(&self, store: u64) -> Result<(), CatalogError> {
        let txn = self.read()?;
        match self.named("reading", || format::store(&txn))? {
            Some(found) if found == store => Ok(()),
            Some(found) => Err(CatalogError::OtherStore {
                path: self.path.clone(),
                found: store,
                expected: found,
            }),
            None => self.write(|txn| format::set_store(txn, store)),
        }
    }

    /// Every stream, in the order of names.
    pub(crate) fn load(&self) -> Result<Vec<StreamRow>, CatalogError> {
        let txn = self.read()?;
        self.named("reading", || {
            let mut rows = streams::all(&txn)?;
            for row in &mut rows {
                row.shards = shards::of_stream(&txn, row.id)?;
            }
            Ok(rows)
        })
    }

    /// The number that the next shard gets: every shard that the catalog ever named is below it.
    pub(crate) fn next_shard_id(&self) -> Result<u64, CatalogError> {
        let txn = self.read()?;
        self.named("reading", || counters::next_shard(&txn))
    }

    /// Writes the rows of a stream whose shards are to be made, and gives them their numbers.
    ///
    /// # Errors
    /// [`CatalogError::StreamExists`], also while one of that name is being made or deleted.
    pub(crate) fn begin_create(&self, stream: &NewStream) -> Result<StreamRow, CatalogError> {
        let mut exists = false;
        let row = self.write(|txn| {
            exists = streams::get(txn, &stream.name)?.is_some();
            if exists {
                return Ok(None);
            }
            let id = counters::take_stream(txn)?;
            let first = counters::take_shards(txn, stream.shards)?;
            let shards = HashRange::even(stream.shards)
                .into_iter()
                .zip(first..)
                .map(|(range, id)| ShardRow { id, range })
                .collect();
            let row = StreamRow {
                id,
                name: stream.name.clone(),
                created_ms: stream.created_ms,
                retention_hours: stream.retention_hours,
                status: StreamStatus::Creating,
                compression: stream.compression,
                durability: stream.durability,
                shards,
            };
            streams::put(txn, &row)?;
            shards::put(txn, row.id, &row.shards)?;
            Ok(Some(row))
        })?;
        row.ok_or_else(|| CatalogError::StreamExists {
            name: stream.name.clone(),
        })
    }

    /// Moves a stream on in its life, or changes its retention.
    ///
    /// # Errors
    /// [`CatalogError::NoStream`] when it is not there.
    pub(crate) fn update(
        &self,
        name: &str,
        change: impl FnOnce(&mut StreamRow),
    ) -> Result<(), CatalogError> {
        let found = self.write(|txn| {
            let Some(mut row) = streams::get(txn, name)? else {
                return Ok(false);
            };
            change(&mut row);
            streams::put(txn, &row)?;
            Ok(true)
        })?;
        if found {
            Ok(())
        } else {
            Err(CatalogError::NoStream {
                name: name.to_owned(),
            })
        }
    }

    /// Removes the rows of a stream whose shards are gone. Not there is no error.
    pub(crate) fn remove(&self, name: &str) -> Result<(), CatalogError> {
        self.write(|txn| match streams::remove(txn, name)? {
            Some(id) => shards::remove(txn, id),
            None => Ok(()),
        })
    }

    fn read(&self) -> Result<ReadTransaction, CatalogError> {
        self.with("reading", |database| Ok(database.begin_read()?))
    }

    /// Runs `change` in a transaction, which is durable on return, or never was.
    fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, CatalogError> {
        self.with("writing", |database| {
            let txn = database.begin_write()?;
            let value = change(&txn)?;
            txn.commit()?;
            Ok(value)
        })
    }

    /// Works with the database, which is opened again first where an error has closed it.
    fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, CatalogError> {
        let wrong = CatalogError::database(doing, &self.path);
        let mut open = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            drop(open);
            self.open_again()?;
            open = self.database.read().unwrap_or_else(PoisonError::into_inner);
        }
        let Some(database) = &*open else {
            return Err(wrong(redb::Error::DatabaseClosed));
        };
        let result = work(database);
        drop(open);
        result.map_err(|error| {
            if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo) {
                *self
                    .database
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = None;
            }
            wrong(error)
        })
    }

    fn open_again(&self) -> Result<(), CatalogError> {
        let mut closed = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if closed.is_none() {
            tracing::warn!(catalog = %self.path.display(), "opening the catalog again after an error");
            let opened = Self::builder().open(&self.path);
            *closed = Some(opened.map_err(CatalogError::database("opening", &self.path))?);
        }
        Ok(())
    }

    fn named<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Result<T, redb::Error>,
    ) -> Result<T, CatalogError> {
        work().map_err(CatalogError::database(doing, &self.path))
    }
}

/// The columns of a range.
fn range_of(start: u128, end: u128) -> HashRange {
    HashRange {
        start: HashKey(start),
        end: HashKey(end),
    }
}

#[cfg(test)]
mod tests;
