//! A stream is split by way of the AWS API while clients of the binary protocol use it.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod fixture;
mod http;

use fixture::{Peer, TestServer, batch, delivered, get, put_batches};
use millstream_wire::{BatchResult, ErrorCode, Position, Request, Response, ShardState};

/// Splits shard 0 of the stream `s` in the middle, and waits until that is done.
fn split(server: &TestServer, peer: &mut Peer) {
    let middle = 1u128 << 127;
    let body = format!(
        r#"{{"StreamName":"s","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"{middle}"}}"#
    );
    let address = server.server().kinesis_addr().unwrap();
    let request = http::call("Kinesis_20131202.SplitShard", body.as_bytes());
    let reply = http::connect(address).ask(&request);
    assert_eq!(reply.status, 200, "{}", reply.text());
    while peer.shard_map("s").shards.len() == 1 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_numbered_put_finds_its_way_and_is_written_once() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let before = peer.shard_map("s");
    let parent = before.shards[0].id;
    let first = batch(&[("k", b"0")], Some((7, 0)));
    let written = peer.put_batches("s", &[(parent, first.clone())]);
    let [BatchResult::Written { first_sequence, .. }] = written[..] else {
        panic!("{written:?}");
    };
    split(&server, &mut peer);

    // The answer was lost, say: it is given again.
    let again = peer.put_batches("s", &[(parent, first)]);
    let duplicate = BatchResult::Written {
        first_sequence,
        count: 1,
        duplicate: true,
    };
    assert_eq!(again, [duplicate]);
    // What is new is refused, with the new map at hand.
    let second = batch(&[("k", b"1")], Some((7, 1)));
    let (request, payload) = put_batches("s", &[(parent, second)]);
    let Response::Batches(answer) = peer.call_with(&request, &payload).response else {
        panic!("no batches");
    };
    let [BatchResult::Failed(error)] = &answer.results[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(error.code, ErrorCode::ShardMapChanged);
    let map = answer.shard_map.unwrap();
    assert_ne!(map.version, before.version);
    let numbers: Vec<u32> = map.shards.iter().map(|shard| shard.index).collect();
    assert_eq!(numbers, [1, 2]);
    // Records that the server routes need no new map.
    let put = peer.put("s", &[("k", b"1")]);
    assert!(put.groups.iter().all(|group| group.refused.is_none()));
    assert!(put.groups.iter().all(|group| group.shard > 0));
}

#[test]
fn a_follower_is_told_of_the_end_and_finds_the_parent_after_a_restart() {
    let mut server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    peer.put("s", &[("k", b"0"), ("k", b"1")]);
    let mut follower = server.connect();
    let id = follower.send(
        &Request::Follow {
            stream: "s",
            shard: 0,
            position: Position::Oldest,
            credit: 1 << 20,
        },
        &[],
    );
    split(&server, &mut peer);
    let mut records = Vec::new();
    let closed_at = loop {
        let answer = follower.receive();
        assert_eq!(answer.correlation, id);
        match answer.response {
            Response::Followed(chunk) => {
                records.extend(delivered(&chunk, &answer.payload));
                if chunk.closed {
                    break chunk.next;
                }
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((records.len(), closed_at), (2, 2));
    let end = follower.receive().response;
    assert_eq!(end, Response::FollowEnd { next: 2 });

    server.stop();
    server.start_again();
    let mut peer = server.connect();
    // It does not wait for what cannot come.
    let answer = peer.call_with(&get("s", 0, Position::Oldest, 60_000), &[]);
    let Response::Got(chunk) = answer.response else {
        panic!("no chunk");
    };
    assert_eq!(delivered(&chunk, &answer.payload).len(), 2);
    assert!(chunk.closed);
    let answer = peer.call(&get("s", 0, Position::AfterLatest, 60_000));
    assert!(matches!(answer, Response::Got(chunk) if chunk.closed && chunk.next == 2));
    let described = peer.call(&Request::DescribeStream {
        stream: "s",
        first: 0,
    });
    let Response::Stream(described) = described else {
        panic!("no description");
    };
    let states: Vec<_> = described
        .shards
        .iter()
        .map(|shard| (shard.shard.index, shard.state))
        .collect();
    let (open, closed) = (ShardState::Open, ShardState::Closed);
    assert_eq!(states, [(0, closed), (1, open), (2, open)]);
}
