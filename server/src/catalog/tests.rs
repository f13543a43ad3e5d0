use std::{
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use millstream_engine::{CompressionChoice, Durability};

use super::*;

fn new_stream(name: &str, shards: u32) -> NewStream {
    NewStream {
        name: name.to_owned(),
        created_ms: 1_700_000_000_000,
        shards,
        retention_hours: 48,
        compression: CompressionChoice::Zstd(5),
        durability: Durability::Written,
        mode: StreamMode::Provisioned,
        max_record_kib: Some(2048),
        warm_mibps: None,
        tags: vec![("key".to_owned(), "value".to_owned())],
    }
}

#[test]
fn rows_come_back_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    let b = catalog.begin_create(&new_stream("b", 3)).unwrap();
    let a = catalog.begin_create(&new_stream("a", 1)).unwrap();
    let row = StreamRow {
        status: StreamStatus::Updating,
        encryption_key: Some("alias/key".to_owned()),
        monitoring: Metrics(5),
        mode: StreamMode::OnDemand,
        warm_mibps: Some(7),
        last_consumer_s: 9,
        ..b.row.clone()
    };
    catalog.put_stream(&row).unwrap();
    drop(catalog);

    let catalog = Catalog::open(dir.path()).unwrap();
    let rows = catalog.load().unwrap();
    assert_eq!(rows[0], a);
    assert_eq!(rows[1].row, row);
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
    assert!(second.row.id > first.row.id);
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
}

#[test]
fn a_catalog_of_the_format_before_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    catalog.join_store(77).unwrap();
    let half = u128::MAX / 2;
    let streams = [
        ("a", (1, 1_700_000_000_123, 24, 1, 3, 0)),
        ("b", (2, 5, 48, 2, 0, 1)),
    ];
    let shards = [
        ((1, 0), (10, 0, half)),
        ((1, 1), (11, half + 1, u128::MAX)),
        ((2, 0), (12, 0, u128::MAX)),
    ];
    let write = |txn: &WriteTransaction| {
        migration::write_format_1(txn, &streams, &shards)?;
        counters::take_stream(txn)?;
        counters::take_stream(txn)?;
        counters::take_shards(txn, 12)?;
        format::set(txn, 1)
    };
    catalog.write(write).unwrap();
    drop(catalog);

    for _ in 0..2 {
        let catalog = Catalog::open(dir.path()).unwrap();
        let [a, b] = catalog.load().unwrap().try_into().unwrap();
        assert_eq!((a.row.id, a.row.status), (1, StreamStatus::Active));
        assert_eq!(a.row.compression, CompressionChoice::Zstd(3));
        assert_eq!(
            (a.row.mode, a.row.max_record_kib),
            (StreamMode::Provisioned, None)
        );
        let second = ShardRow {
            number: 1,
            id: 11,
            range: range_of(half + 1, u128::MAX),
            created_s: 1_700_000_000,
            opened_ms: 1_700_000_000_123,
            parents: [None, None],
            life: ShardLife::Open,
        };
        assert_eq!(a.shards[1], second);
        assert_eq!(
            (b.row.status, b.row.durability),
            (StreamStatus::Deleting, Durability::Written)
        );
        assert_eq!((b.shards.len(), b.consumers.len(), b.target), (1, 0, None));
        // What it knew besides is still known.
        catalog.join_store(77).unwrap();
        assert_eq!(catalog.next_shard_id().unwrap(), 13);
    }
    let catalog = Catalog::open(dir.path()).unwrap();
    let c = catalog.begin_create(&new_stream("c", 1)).unwrap();
    assert_eq!((c.row.id, c.shards[0].id), (3, 13));
}

#[test]
fn a_round_of_resharding_comes_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    let stream = catalog.begin_create(&new_stream("s", 1)).unwrap();
    let child = |number, start, end| ShardRow {
        number,
        id: 0,
        range: range_of(start, end),
        created_s: 50,
        opened_ms: 0,
        parents: [Some(0), None],
        life: ShardLife::Opening,
    };
    let mut children = [child(1, 0, 9), child(2, 10, u128::MAX)];
    let row = StreamRow {
        status: StreamStatus::Updating,
        ..stream.row.clone()
    };
    catalog.begin_reshard(&row, Some(2), &mut children).unwrap();
    assert_eq!(children.map(|child| child.id), [2, 3]);
    drop(catalog);

    let catalog = Catalog::open(dir.path()).unwrap();
    let [found] = catalog.load().unwrap().try_into().unwrap();
    assert_eq!((&found.row, found.target), (&row, Some(2)));
    assert_eq!(found.shards[1..], children);
    let closed = ShardRow {
        life: ShardLife::Closed { at_ms: 60, end: 7 },
        ..found.shards[0]
    };
    catalog.put_shards(&stream.row, None, &[closed]).unwrap();
    catalog.remove_shards(row.id, &[2]).unwrap();
    let [found] = catalog.load().unwrap().try_into().unwrap();
    assert_eq!((&found.row, found.target), (&stream.row, None));
    assert_eq!(found.shards, [closed, children[0]]);
}

#[test]
fn what_hangs_on_a_stream_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    let pair = |key: &str| (key.to_owned(), format!("of {key}"));
    let [one, other] =
        ["one", "other"].map(|name| catalog.begin_create(&new_stream(name, 1)).unwrap());
    for stream in [&one, &other] {
        for name in ["a", "b"] {
            let consumer = ConsumerRow {
                name: name.to_owned(),
                created_s: 5,
                status: ConsumerStatus::Creating,
            };
            let tags = [pair("k"), pair(name)];
            catalog
                .begin_consumer(&stream.row, &consumer, &tags)
                .unwrap();
            let consumer = ConsumerRow {
                status: ConsumerStatus::Active,
                ..consumer
            };
            catalog.put_consumer(stream.row.id, &consumer).unwrap();
        }
    }
    let owner = |stream: &WholeStream, consumer: Option<&str>| Owner {
        stream: stream.row.id,
        consumer: consumer.map(str::to_owned),
    };
    for owner in [
        owner(&one, None),
        owner(&one, Some("a")),
        owner(&other, None),
    ] {
        catalog.put_policy(&owner, "{}").unwrap();
    }
    let own = owner(&one, None);
    assert!(
        catalog
            .put_tags(&own, &[pair("key"), pair("z")], 2)
            .unwrap()
    );
    assert!(
        !catalog.put_tags(&own, &[pair("y")], 2).unwrap(),
        "too many"
    );
    assert_eq!(catalog.tags(&own).unwrap(), [pair("key"), pair("z")]);
    catalog
        .remove_tags(&own, &["z".to_owned(), "none".to_owned()])
        .unwrap();
    assert_eq!(catalog.tags(&own).unwrap(), [pair("key")]);
    assert_eq!(
        catalog.tags(&owner(&one, Some("a"))).unwrap(),
        [pair("a"), pair("k")]
    );

    catalog.remove_consumer(one.row.id, "a").unwrap();
    assert_eq!(catalog.tags(&owner(&one, Some("a"))).unwrap(), []);
    assert_eq!(catalog.policy(&owner(&one, Some("a"))).unwrap(), None);
    assert_eq!(catalog.tags(&owner(&one, Some("b"))).unwrap().len(), 2);
    assert!(catalog.policy(&own).unwrap().is_some());

    catalog.remove("one").unwrap();
    for gone in [own, owner(&one, Some("b"))] {
        assert_eq!(catalog.tags(&gone).unwrap(), []);
        assert_eq!(catalog.policy(&gone).unwrap(), None);
    }
    let [left] = catalog.load().unwrap().try_into().unwrap();
    assert_eq!((left.row.name.as_str(), left.consumers.len()), ("other", 2));
    assert_eq!(catalog.tags(&owner(&left, Some("a"))).unwrap().len(), 2);
    assert!(catalog.remove_policy(&owner(&left, None)).unwrap());
    assert!(!catalog.remove_policy(&owner(&left, None)).unwrap());
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
        .map(|stream| stream.row.name)
        .collect();
    assert!(names.contains(&"before".to_owned()) && names.contains(&"after".to_owned()));
}
