//! A store that cannot be opened says why.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::time::Duration;

use millstream_engine::{Error, ShardId, ShardOptions, Store, StoreOptions};
use support::*;

#[test]
fn a_second_opener_is_told_that_the_store_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let options = StoreOptions {
        lock_wait: Duration::from_millis(50),
        ..store_options()
    };
    let second = Store::open(dir.path(), options.clone());
    assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");
    store.close().unwrap();
    Store::open(dir.path(), options).unwrap();
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close().unwrap();
    let file = dir.path().join("STORE");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8] = 2;
    let crc = millstream_engine::format::crc32c(&bytes[..24]);
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    overwrite(&file, 0, &bytes);
    let error = Store::open(dir.path(), store_options()).unwrap_err();
    assert!(
        error.to_string().contains("format 2, this build reads 1"),
        "{error}"
    );
    overwrite(&file, 9, &[1]);
    assert!(
        Store::open(dir.path(), store_options()).is_err(),
        "damage passed for a store"
    );
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let error = Store::open(dir.path(), store_options()).unwrap_err();
    assert!(matches!(error, Error::NotAStore { .. }));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn shards_without_the_file_that_makes_their_store_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..10, 100);
    drop(shard);
    store.close().unwrap();
    std::fs::remove_file(dir.path().join("STORE")).unwrap();
    let error = Store::open(dir.path(), store_options()).unwrap_err();
    assert!(matches!(error, Error::NotAStore { .. }), "{error}");
    assert!(!dir.path().join("STORE").exists());
}

#[test]
fn shards_are_made_once_found_again_and_gone_when_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let made = store.create_shard(SHARD, ShardOptions::default()).unwrap();
    assert!(matches!(
        store.create_shard(SHARD, ShardOptions::default()),
        Err(Error::ShardExists { .. })
    ));
    assert!(matches!(
        store.open_shard(ShardId(8), ShardOptions::default()),
        Err(Error::NoShard { .. })
    ));
    append(&made, 0..10, 10);
    store.delete_shard(SHARD).unwrap();
    assert!(
        made.append(&[millstream_engine::format::Record::new("", b"")])
            .is_err()
    );
    assert!(store.shard_ids().unwrap().is_empty());
    assert!(matches!(
        store.delete_shard(SHARD),
        Err(Error::NoShard { .. })
    ));
}

#[test]
fn options_that_cannot_be_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreOptions {
        memory_budget: 1 << 20,
        ..store_options()
    };
    let error = Store::open(dir.path(), small).unwrap_err();
    assert!(error.to_string().contains("memory_budget"), "{error}");
    let store = open(dir.path());
    for bytes in [1 << 19, (1 << 20) + 1, 8 << 30] {
        let options = ShardOptions {
            segment_bytes: bytes,
            ..ShardOptions::default()
        };
        let error = store.create_shard(SHARD, options).unwrap_err();
        assert!(error.to_string().contains("segment_bytes"), "{error}");
    }
}
