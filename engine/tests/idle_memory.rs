//! What a quiet store keeps in memory is a part of its budget: the rest is there for who comes.

mod support;

use millstream_engine::{ShardId, Store, StoreOptions, format::Record};

const BUDGET: usize = 2 << 20;

#[test]
fn the_tail_of_a_quiet_store_is_a_quarter_of_its_budget() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        memory_budget: BUDGET,
        ..support::store_options()
    };
    let store = Store::open(dir.path().join("store"), options).unwrap();
    let shard = store
        .create_shard(ShardId(1), support::small_segments())
        .unwrap();
    // Each takes a buffer of 68 KiB, and fills half of it.
    let data = vec![7; 33_000];
    for _ in 0..60 {
        let ticket = shard.append(&[Record::new("k", &data)]).unwrap();
        ticket.wait().unwrap();
    }
    let kept = store.stats().buffer_bytes;
    assert!(kept > 0 && kept <= BUDGET / 4, "{kept} bytes are kept");
    store.close().unwrap();
}
