//! The catalog: which streams there are, and which shards of the store are theirs.
//!
//! One file beside the store, changed in transactions that are durable when they return. Rows
//! come before what they name and go after it: the row of a shard is there before its directory
//! and until after, so that whatever a crash leaves half-made or half-removed has a row that says
//! so.

mod account;
mod consumers;
mod counters;
mod error;
mod format;
mod image;
mod migration;
mod policies;
mod rows;
mod shards;
mod streams;
mod tags;
mod targets;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use millstream_engine::format::{HashKey, HashRange};
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

pub(crate) use account::Commitment;
pub use error::CatalogError;
pub use format::CATALOG_FORMAT;
pub(crate) use image::Image;
pub(crate) use rows::{
    ConsumerRow, ConsumerStatus, Metrics, NewStream, Owner, ShardLife, ShardRow, StreamMode,
    StreamRow, StreamStatus, WholeStream,
};

/// Name of the catalog's file in the data directory.
pub(crate) const FILE_NAME: &str = "catalog.redb";
/// The same while it is made for the first time.
pub(crate) const NEW_FILE_NAME: &str = "catalog.redb.new";
/// Memory for pages of the catalog; it is read once, at start.
const CACHE_BYTES: usize = 8 << 20;

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
        if format::is_old(&catalog.read()?, &catalog.path)? {
            tracing::info!(catalog = %catalog.path.display(), format = CATALOG_FORMAT, "the catalog is brought to this build's format");
            catalog.write(|txn| {
                migration::from_format_1(txn)?;
                format::init(txn)
            })?;
        }
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
            init(txn)
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
        match self.look(format::store)? {
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
    pub(crate) fn load(&self) -> Result<Vec<WholeStream>, CatalogError> {
        self.look(|txn| {
            let whole = |row: StreamRow| {
                Ok(WholeStream {
                    shards: shards::of_stream(txn, row.id)?,
                    consumers: consumers::of_stream(txn, row.id)?,
                    target: targets::of_stream(txn, row.id)?,
                    row,
                })
            };
            streams::all(txn)?.into_iter().map(whole).collect()
        })
    }

    /// The number that the next shard gets: every shard that the catalog ever named is below it.
    pub(crate) fn next_shard_id(&self) -> Result<u64, CatalogError> {
        self.look(counters::next_shard)
    }

    /// Writes the rows of a stream whose shards are to be made, and gives them their numbers.
    ///
    /// # Errors
    /// [`CatalogError::StreamExists`], also while one of that name is being made or deleted.
    pub(crate) fn begin_create(&self, new: &NewStream) -> Result<WholeStream, CatalogError> {
        let made = self.write(|txn| {
            if streams::id_of(txn, &new.name)?.is_some() {
                return Ok(None);
            }
            let id = counters::take_stream(txn)?;
            let first = counters::take_shards(txn, new.shards)?;
            let shard = |((range, id), number)| ShardRow {
                number,
                id,
                range,
                created_s: new.created_ms / 1000,
                opened_ms: new.created_ms,
                parents: [None, None],
                life: ShardLife::Open,
            };
            let ranges = HashRange::even(new.shards).into_iter();
            let shards: Vec<ShardRow> = ranges.zip(first..).zip(0..).map(shard).collect();
            let row = StreamRow {
                id,
                name: new.name.clone(),
                created_ms: new.created_ms,
                retention_hours: new.retention_hours,
                status: StreamStatus::Creating,
                compression: new.compression,
                durability: new.durability,
                mode: new.mode,
                max_record_kib: new.max_record_kib,
                encryption_key: None,
                monitoring: Metrics::default(),
                warm_mibps: new.warm_mibps,
                last_consumer_s: 0,
            };
            streams::put(txn, &row)?;
            shards::put(txn, row.id, &shards)?;
            tags::put(txn, &Owner::stream(id), &new.tags, usize::MAX)?;
            Ok(Some(WholeStream {
                row,
                shards,
                consumers: Vec::new(),
                target: None,
            }))
        })?;
        made.ok_or_else(|| CatalogError::StreamExists {
            name: new.name.clone(),
        })
    }

    /// Writes a stream's row anew.
    pub(crate) fn put_stream(&self, row: &StreamRow) -> Result<(), CatalogError> {
        self.write(|txn| streams::put(txn, row))
    }

    /// Writes a stream's row and the rows of shards that are to be made, which are given their
    /// numbers in the store.
    pub(crate) fn begin_reshard(
        &self,
        row: &StreamRow,
        target: Option<u32>,
        children: &mut [ShardRow],
    ) -> Result<(), CatalogError> {
        self.write(|txn| {
            let count = u32::try_from(children.len()).unwrap_or(u32::MAX);
            let first = counters::take_shards(txn, count)?;
            for (child, id) in children.iter_mut().zip(first..) {
                child.id = id;
            }
            streams::put(txn, row)?;
            targets::put(txn, row.id, target)?;
            shards::put(txn, row.id, children)
        })
    }

    /// Writes a stream's row and those of shards that have changed, all or nothing.
    pub(crate) fn put_shards(
        &self,
        row: &StreamRow,
        target: Option<u32>,
        changed: &[ShardRow],
    ) -> Result<(), CatalogError> {
        self.write(|txn| {
            streams::put(txn, row)?;
            targets::put(txn, row.id, target)?;
            shards::put(txn, row.id, changed)
        })
    }

    /// Removes the rows of shards that are gone.
    pub(crate) fn remove_shards(&self, stream: u64, numbers: &[u32]) -> Result<(), CatalogError> {
        self.write(|txn| shards::remove(txn, stream, numbers))
    }

    /// Removes the rows of a stream whose shards are gone, with everything that hangs on it. Not
    /// there is no error.
    pub(crate) fn remove(&self, name: &str) -> Result<(), CatalogError> {
        self.write(|txn| {
            let Some(id) = streams::id_of(txn, name)? else {
                return Ok(());
            };
            streams::remove(txn, name)?;
            shards::remove_all(txn, id)?;
            targets::put(txn, id, None)?;
            consumers::remove_all(txn, id)?;
            policies::remove_all(txn, id)?;
            tags::remove_all(txn, &Owner::stream(id))
        })
    }

    /// Writes a new consumer with its tags, and its stream's row.
    pub(crate) fn begin_consumer(
        &self,
        stream: &StreamRow,
        consumer: &ConsumerRow,
        tags: &[(String, String)],
    ) -> Result<(), CatalogError> {
        let owner = Owner {
            stream: stream.id,
            consumer: Some(consumer.name.clone()),
        };
        self.write(|txn| {
            streams::put(txn, stream)?;
            consumers::put(txn, stream.id, consumer)?;
            tags::put(txn, &owner, tags, usize::MAX)?;
            Ok(())
        })
    }

    /// Writes a consumer's row anew.
    pub(crate) fn put_consumer(
        &self,
        stream: u64,
        consumer: &ConsumerRow,
    ) -> Result<(), CatalogError> {
        self.write(|txn| consumers::put(txn, stream, consumer))
    }

    /// Removes a consumer with everything that hangs on it.
    pub(crate) fn remove_consumer(&self, stream: u64, name: &str) -> Result<(), CatalogError> {
        let owner = Owner {
            stream,
            consumer: Some(name.to_owned()),
        };
        self.write(|txn| {
            consumers::remove(txn, stream, name)?;
            policies::remove(txn, &owner)?;
            tags::remove_all(txn, &owner)
        })
    }

    /// Tags in the order of their keys.
    pub(crate) fn tags(&self, owner: &Owner) -> Result<Vec<(String, String)>, CatalogError> {
        self.look(|txn| tags::of_owner(txn, owner))
    }

    /// Adds tags, in place of those with the same keys; `false`, and nothing is changed, when
    /// there would be more than `most`.
    pub(crate) fn put_tags(
        &self,
        owner: &Owner,
        tags: &[(String, String)],
        most: usize,
    ) -> Result<bool, CatalogError> {
        self.write(|txn| tags::put(txn, owner, tags, most))
    }

    /// Removes tags; one that is not there is no error.
    pub(crate) fn remove_tags(&self, owner: &Owner, keys: &[String]) -> Result<(), CatalogError> {
        self.write(|txn| tags::remove(txn, owner, keys))
    }

    pub(crate) fn policy(&self, owner: &Owner) -> Result<Option<String>, CatalogError> {
        self.look(|txn| policies::of_owner(txn, owner))
    }

    pub(crate) fn put_policy(&self, owner: &Owner, policy: &str) -> Result<(), CatalogError> {
        self.write(|txn| policies::put(txn, owner, policy))
    }

    /// Whether there was one.
    pub(crate) fn remove_policy(&self, owner: &Owner) -> Result<bool, CatalogError> {
        self.write(|txn| policies::remove(txn, owner))
    }

    pub(crate) fn commitment(&self) -> Result<Commitment, CatalogError> {
        self.look(account::commitment)
    }

    pub(crate) fn put_commitment(&self, commitment: Commitment) -> Result<(), CatalogError> {
        self.write(|txn| account::put_commitment(txn, commitment))
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

    /// Reads what `look` looks at, all of it as it was at one moment.
    fn look<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, CatalogError> {
        let txn = self.read()?;
        look(&txn).map_err(CatalogError::database("reading", &self.path))
    }
}

/// Makes the tables that there are not.
fn init(txn: &WriteTransaction) -> Result<(), redb::Error> {
    streams::init(txn)?;
    shards::init(txn)?;
    targets::init(txn)?;
    consumers::init(txn)?;
    tags::init(txn)?;
    policies::init(txn)?;
    account::init(txn)
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
