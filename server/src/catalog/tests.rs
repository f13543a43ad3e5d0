use std::{
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::*;

fn new_stream(name: &str, shards: u32) -> NewStream {
    NewStream {
        name: name.to_owned(),
        created_ms: 1_700_000_000_000,
        shards,
        retention_hours: 48,
        compression: CompressionChoice::Zstd(5),
        durability: Durability::Written,
    }
}

#[test]
fn rows_come_back_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    let b = catalog.begin_create(&new_stream("b", 3)).unwrap();
    let a = catalog.begin_create(&new_stream("a", 1)).unwrap();
    catalog
        .update("b", |row| row.status = StreamStatus::Active)
        .unwrap();
    drop(catalog);

    let catalog = Catalog::open(dir.path()).unwrap();
    let rows = catalog.load().unwrap();
    assert_eq!(rows[0], a);
    assert_eq!(rows[1].status, StreamStatus::Active);
    assert_eq!(rows[1].shards, b.shards);
    let ranges: Vec<_> = rows[1].shards.iter().map(|shard| shard.range).collect();
    assert_eq!(ranges, HashRange::even(3));
    assert_eq!(catalog.next_shard_id().unwrap(), 5);
}

#[test]
fn shard_numbers_are_never_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    let first = catalog.begin_create(&new_stream("a", 2)).unwrap();
    catalog.remove("a").unwrap();
    catalog.remove("a").unwrap();
    let second = catalog.begin_create(&new_stream("a", 2)).unwrap();
    assert!(second.id > first.id);
    assert!(second.shards[0].id > first.shards[1].id);
    assert_eq!(catalog.load().unwrap(), [second]);
}

#[test]
fn a_name_is_given_once() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    catalog.begin_create(&new_stream("a", 1)).unwrap();
    let again = catalog.begin_create(&new_stream("a", 1)).unwrap_err();
    assert!(matches!(again, CatalogError::StreamExists { name } if name == "a"));
    let missing = catalog.update("b", |_| {}).unwrap_err();
    assert!(matches!(missing, CatalogError::NoStream { name } if name == "b"));
}

#[test]
fn a_newer_format_is_refused_by_number() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    catalog.write(|txn| format::set(txn, 9)).unwrap();
    drop(catalog);
    let error = Catalog::open(dir.path()).unwrap_err();
    assert!(matches!(error, CatalogError::Format { found: 9, .. }));
    assert!(error.to_string().contains("format 9"), "{error}");
}

#[test]
fn a_file_that_is_no_catalog_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), b"not a database at all").unwrap();
    assert!(Catalog::open(dir.path()).is_err());

    let other = tempfile::tempdir().unwrap();
    drop(Database::create(other.path().join(FILE_NAME)).unwrap());
    let error = Catalog::open(other.path()).unwrap_err();
    assert!(matches!(error, CatalogError::NotACatalog { .. }));
}

#[test]
fn a_half_made_catalog_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(NEW_FILE_NAME), b"half").unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    assert_eq!(catalog.load().unwrap(), []);
    assert!(!dir.path().join(NEW_FILE_NAME).exists());
}

#[test]
fn an_open_catalog_is_not_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let _catalog = Catalog::open(dir.path()).unwrap();
    assert!(Catalog::open(dir.path()).is_err());
}

/// A file whose medium fails from a moment on.
#[derive(Debug)]
struct Failing {
    file: fs::File,
    fails: Arc<AtomicBool>,
}

impl Failing {
    fn check(&self) -> io::Result<()> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl redb::StorageBackend for Failing {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.file.write_all_at(data, offset)
    }
}

#[test]
fn a_catalog_that_could_not_be_written_is_written_again_later() {
    let dir = tempfile::tempdir().unwrap();
    drop(Catalog::open(dir.path()).unwrap());
    let path = dir.path().join(FILE_NAME);
    let fails = Arc::new(AtomicBool::new(false));
    let backend = Failing {
        file: fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap(),
        fails: Arc::clone(&fails),
    };
    let database = Catalog::builder().create_with_backend(backend).unwrap();
    let catalog = Catalog::of(database, path);
    catalog.begin_create(&new_stream("before", 1)).unwrap();
    fails.store(true, Ordering::SeqCst);
    let failed = catalog.begin_create(&new_stream("full", 1)).unwrap_err();
    assert!(matches!(failed, CatalogError::Database { .. }), "{failed}");
    // The medium has room again.
    catalog.begin_create(&new_stream("after", 2)).unwrap();
    let names: Vec<_> = catalog
        .load()
        .unwrap()
        .into_iter()
        .map(|row| row.name)
        .collect();
    assert!(names.contains(&"before".to_owned()) && names.contains(&"after".to_owned()));
}
