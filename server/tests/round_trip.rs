//! What is put over the wire comes back: every record, in its shard, in the order of the puts.

mod fixture;

use fixture::TestServer;
use millstream_wire::{Position, Request, Response, StreamStatus};

#[test]
fn records_come_back_from_their_shards_in_order() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("clicks", 4);
    let map = peer.shard_map("clicks");
    assert_eq!(map.shards.len(), 4);

    let keys: Vec<String> = (0..50).map(|i| format!("key-{i}")).collect();
    let mut expected = vec![Vec::new(); 4];
    for round in 0..20u32 {
        let data = round.to_le_bytes();
        let records: Vec<(&str, &[u8])> = keys.iter().map(|k| (k.as_str(), &data[..])).collect();
        let answer = peer.put("clicks", &records);
        for (key, result) in keys.iter().zip(answer.results()) {
            let shard = fixture::shard_of(&map, key);
            assert_eq!(result.shard as usize, shard);
            let sequence = result.result.unwrap();
            assert_eq!(sequence, expected[shard].len() as u64, "numbers are dense");
            expected[shard].push((sequence, key.clone(), data.to_vec()));
        }
    }
    for (index, expected) in (0u32..).zip(&expected) {
        assert_eq!(&peer.read_all("clicks", index, Position::Oldest), expected);
        let middle = expected.len() as u64 / 2;
        let rest = peer.read_all("clicks", index, Position::After(middle));
        assert_eq!(rest, expected[middle as usize + 1..]);
    }
}

#[test]
fn a_large_put_and_a_large_record_come_back() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let large = vec![b'x'; 10 * 1024 * 1024 - 1];
    let answer = peer.put("s", &[("k", &large), ("l", b"small")]);
    assert!(answer.results().all(|r| r.result.is_ok()));
    let records = peer.read_all("s", 0, Position::Oldest);
    assert_eq!(records.len(), 2);
    assert!(records[0].2 == large && records[1].2 == b"small");
}

#[test]
fn at_most_the_records_that_are_asked_for_are_delivered() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let records: Vec<(&str, &[u8])> = vec![("k", b"v"); 10];
    peer.put("s", &records);
    let request = Request::Get {
        stream: "s",
        shard: 0,
        position: Position::At(2),
        max_records: 3,
        max_bytes: 1 << 20,
        wait_ms: 0,
    };
    let answer = peer.call_with(&request, &[]);
    let Response::Got(chunk) = answer.response else {
        panic!("{:?}", answer.response);
    };
    assert_eq!(
        (chunk.first, chunk.next, chunk.end, chunk.oldest),
        (2, 5, 10, 0)
    );
    let delivered = fixture::delivered(&chunk, &answer.payload);
    let sequences: Vec<u64> = delivered.iter().map(|record| record.0).collect();
    assert_eq!(sequences, [2, 3, 4]);
}

#[test]
fn streams_are_listed_and_described() {
    let server = TestServer::start();
    let mut peer = server.connect();
    for name in ["b", "a", "c"] {
        peer.create(name, 2);
    }
    peer.put("b", &[("k", b"v")]);
    let page = |response| match response {
        Response::Streams { streams, more } => {
            let names: Vec<String> = streams.into_iter().map(|s| s.name).collect();
            (names, more)
        }
        other => panic!("{other:?}"),
    };
    let first = page(peer.call(&Request::ListStreams {
        after: "",
        limit: 2,
    }));
    assert_eq!(first, (vec!["a".to_owned(), "b".to_owned()], true));
    let rest = page(peer.call(&Request::ListStreams {
        after: "b",
        limit: 2,
    }));
    assert_eq!(rest, (vec!["c".to_owned()], false));

    let Response::Stream(b) = peer.call(&Request::DescribeStream {
        stream: "b",
        first: 0,
    }) else {
        panic!("no description");
    };
    assert_eq!(
        (b.name.as_str(), b.status, b.total),
        ("b", StreamStatus::Active, 2)
    );
    assert_eq!(b.shards.iter().map(|shard| shard.end).sum::<u64>(), 1);
    assert_eq!(b.retention_hours, 24);
}
