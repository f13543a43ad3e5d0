//! A batch that a client built is stored as it is: the body that comes back has the same bytes.

mod fixture;

use fixture::{TestServer, batch};
use millstream_engine::format::{BATCH_HEADER_LEN, BatchHeader};
use millstream_wire::{BatchResult, Position, Response};

#[test]
fn large_batches_travel_unchanged_in_both_directions() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 2);
    let map = peer.shard_map("s");
    let data: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
    let bodies: Vec<Vec<u8>> = (0..8u8)
        .map(|i| batch(&[("k", &data), ("l", &[i; 50_000])], None))
        .collect();
    let puts: Vec<_> = bodies
        .iter()
        .map(|b| (map.shards[1].id, b.clone()))
        .collect();
    let results = peer.put_batches("s", &puts);
    for (at, result) in results.iter().enumerate() {
        let expected = BatchResult::Written {
            first_sequence: at as u64 * 2,
            count: 2,
            duplicate: false,
        };
        assert_eq!(*result, expected);
    }
    let mut position = Position::Oldest;
    let mut seen = 0;
    while seen < bodies.len() {
        let answer = peer.call_with(&fixture::get("s", 1, position, 0), &[]);
        let Response::Got(chunk) = answer.response else {
            panic!("{:?}", answer.response);
        };
        let mut rest = &answer.payload[..];
        while let Some(header) = BatchHeader::decode(rest).ok().flatten() {
            let body = &rest[BATCH_HEADER_LEN..header.batch_len()];
            assert!(body == &bodies[seen][BATCH_HEADER_LEN..], "batch {seen}");
            assert_eq!(header.first_sequence, seen as u64 * 2);
            rest = &rest[header.batch_len()..];
            seen += 1;
        }
        assert!(rest.is_empty());
        position = Position::At(chunk.next);
    }
}

#[test]
fn a_batch_larger_than_asked_for_is_sent_whole() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let shard = peer.shard_map("s").shards[0].id;
    let large = batch(&[("k", &[1; 300_000])], None);
    peer.put_batches("s", &[(shard, large.clone()), (shard, large.clone())]);
    let request = millstream_wire::Request::Get {
        stream: "s",
        shard: 0,
        position: Position::Oldest,
        max_records: 0,
        max_bytes: 1000,
        wait_ms: 0,
    };
    let answer = peer.call_with(&request, &[]);
    assert_eq!(answer.payload.len(), large.len());
    let Response::Got(chunk) = answer.response else {
        panic!("{:?}", answer.response);
    };
    assert_eq!((chunk.next, chunk.end), (1, 2));
}

#[test]
fn a_batch_that_the_connection_cannot_carry_is_told_so() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let shard = peer.shard_map("s").shards[0].id;
    peer.put_batches("s", &[(shard, batch(&[("k", &[1; 300_000])], None))]);
    let mut narrow = server.connect_silently();
    narrow.hello(64 << 10);
    let error = narrow.error(&fixture::get("s", 0, Position::Oldest, 0), &[]);
    assert_eq!(error.code, millstream_wire::ErrorCode::FrameTooLarge);
    narrow.ping();
}
