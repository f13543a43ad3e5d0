//! Streams, their settings and their records outlive the server.

mod fixture;

use fixture::{TestServer, create_stream};
use millstream_wire::{CreateStream, Position, Request, Response, StreamDurability};

#[test]
fn streams_and_records_are_there_after_a_restart() {
    let mut server = TestServer::start();
    let mut peer = server.connect();
    peer.create("kept", 3);
    peer.create("deleted", 2);
    let settings = CreateStream {
        name: "compressed",
        shards: 1,
        retention_hours: 100,
        compression: 3,
        durability: StreamDurability::Written,
    };
    let response = peer.call(&Request::CreateStream(settings));
    assert!(matches!(response, Response::Created { .. }));
    let text = "the same words again and again ".repeat(100);
    peer.put("kept", &[("a", b"1"), ("b", b"2"), ("c", b"3")]);
    peer.put("compressed", &[("a", text.as_bytes())]);
    let map = peer.shard_map("kept");
    let hours = 8_760;
    let set = peer.call(&Request::SetRetention {
        stream: "kept",
        hours,
    });
    assert_eq!(set, Response::RetentionSet);
    assert_eq!(
        peer.call(&Request::DeleteStream { stream: "deleted" }),
        Response::Deleted
    );
    drop(peer);
    server.stop();

    server.start_again();
    let mut peer = server.connect();
    assert_eq!(server.server().counts(), (2, 4));
    assert_eq!(peer.shard_map("kept"), map);
    let describe = |stream| Request::DescribeStream { stream, first: 0 };
    let Response::Stream(kept) = peer.call(&describe("kept")) else {
        panic!("no description");
    };
    assert_eq!(kept.retention_hours, hours);
    let Response::Stream(compressed) = peer.call(&describe("compressed")) else {
        panic!("no description");
    };
    assert_eq!(
        (
            compressed.compression,
            compressed.durability,
            compressed.retention_hours
        ),
        (3, StreamDurability::Written, 100)
    );
    let mut records = 0;
    for shard in 0..3 {
        records += peer.read_all("kept", shard, Position::Oldest).len();
    }
    assert_eq!(records, 3);
    assert_eq!(
        peer.read_all("compressed", 0, Position::Oldest)[0].2,
        text.as_bytes()
    );

    // The name is free again, and its new shards are empty.
    assert!(matches!(
        peer.call(&create_stream("deleted", 1, 24)),
        Response::Created { .. }
    ));
    assert_eq!(peer.read_all("deleted", 0, Position::Oldest), []);
}

#[test]
fn a_stream_made_again_is_another_stream() {
    let server = TestServer::start();
    let mut peer = server.connect();
    let first = peer.create("s", 1);
    peer.put("s", &[("k", b"old")]);
    let before = peer.shard_map("s");
    assert_eq!(
        peer.call(&Request::DeleteStream { stream: "s" }),
        Response::Deleted
    );
    assert_ne!(peer.create("s", 1), first);
    let after = peer.shard_map("s");
    assert_ne!(
        before.shards[0].id, after.shards[0].id,
        "shard numbers are not used again"
    );
    assert_eq!(peer.read_all("s", 0, Position::Oldest), []);
}
