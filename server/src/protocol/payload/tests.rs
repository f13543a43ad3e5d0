use std::{fs::OpenOptions, path::Path};

use millstream_engine::{
    Position, SequenceNumber, ShardId, ShardOptions, Store, StoreOptions, format::Record,
};

use super::*;

/// A store whose first segment is sealed, with records of `len` bytes in it.
fn store(path: &Path, len: usize) -> (Store, millstream_engine::Shard) {
    let options = StoreOptions {
        memory_budget: 2 << 20,
        ..StoreOptions::default()
    };
    let store = Store::open(path, options).unwrap();
    let options = ShardOptions {
        segment_bytes: 1 << 20,
        ..ShardOptions::default()
    };
    let shard = store.create_shard(ShardId(1), options).unwrap();
    while shard.status().segments < 4 {
        let ticket = shard.append(&[Record::new("k", &vec![7; len])]).unwrap();
        ticket.wait().unwrap();
    }
    (store, shard)
}

/// What is sent of batches that are not there any more when they are copied or sent: `early` says
/// that they go before.
fn intact(len: usize, early: bool) -> (bool, bool) {
    let dir = tempfile::tempdir().unwrap();
    let (_store, shard) = store(dir.path(), len);
    let mut cursor = shard.read(Position::At(SequenceNumber(2))).unwrap();
    let batch = cursor.next_batch().unwrap().unwrap();
    assert_eq!(batch.held_memory(), 0, "it is to be lent from the map");
    let segment = dir
        .path()
        .join("shards")
        .join(ShardId(1).dir_name())
        .join("0000000000000000.seg");
    let cut = || {
        let file = OpenOptions::new().write(true).open(&segment).unwrap();
        file.set_len(4096).unwrap();
        assert!(batch.stored().iter().all(|byte| *byte == 0));
    };
    if early {
        cut();
    }
    let payload = Payload::new(|_| None, vec![batch.clone()]);
    let before = payload.is_intact();
    if !early {
        cut();
    }
    (before, payload.is_intact())
}

#[test]
fn what_was_lent_and_is_gone_is_not_sent() {
    assert_eq!(intact(30_000, false), (true, false));
    assert_eq!(intact(30_000, true), (false, false));
}

#[test]
fn what_was_gone_when_it_was_copied_is_not_sent() {
    assert_eq!(intact(100, true), (false, false));
    assert_eq!(intact(100, false), (true, true), "the copy is whole");
}
