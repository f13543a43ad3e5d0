//! Shards cost no threads, and streams of many come back after a restart.

mod fixture;

use fixture::TestServer;
use millstream_wire::{Position, Request, Response};

const SHARDS: u32 = 100;

#[test]
fn threads_do_not_grow_with_shards() {
    let mut server = TestServer::start();
    let mut peer = server.connect();
    peer.create("few", 1);
    let before = threads();
    peer.create("many", SHARDS);
    let keys: Vec<String> = (0..SHARDS * 4).map(|i| i.to_string()).collect();
    let records: Vec<(&str, &[u8])> = keys.iter().map(|k| (k.as_str(), &b"v"[..])).collect();
    assert!(
        peer.put("many", &records)
            .results()
            .all(|r| r.result.is_ok())
    );
    // Threads that changes leave behind end by themselves, and are few.
    assert!(
        threads() <= before + 16,
        "{before} threads before, {} after",
        threads()
    );
    drop(peer);
    server.stop();
    server.start_again();
    let mut peer = server.connect();
    let mut found = 0;
    for shard in 0..SHARDS {
        found += peer.read_all("many", shard, Position::Oldest).len();
    }
    assert_eq!(found, keys.len());
    let Response::Stream(described) = peer.call(&Request::DescribeStream {
        stream: "many",
        first: 90,
    }) else {
        panic!("no description");
    };
    assert_eq!((described.total, described.shards.len()), (SHARDS, 10));
    assert_eq!(described.shards[0].shard.index, 90);
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
