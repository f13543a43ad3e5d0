//! Requests that cannot be done are refused with what is wrong, and the connection goes on.

mod fixture;

use fixture::{TestServer, batch, create_stream, get};
use millstream_wire::{BatchResult, ErrorCode, Position, Request, Response};

#[test]
fn streams_that_cannot_be() {
    let server = TestServer::start();
    let mut peer = server.connect();
    let long = "x".repeat(129);
    for (request, code, says) in [
        (create_stream("", 1, 24), ErrorCode::InvalidName, "\"\""),
        (create_stream("a b", 1, 24), ErrorCode::InvalidName, "a b"),
        (create_stream(&long, 1, 24), ErrorCode::InvalidName, "128"),
        (
            create_stream("s", 0, 24),
            ErrorCode::InvalidShardCount,
            "0 shards",
        ),
        (
            create_stream("s", 100_001, 24),
            ErrorCode::InvalidShardCount,
            "100001",
        ),
        (
            create_stream("s", 1, 23),
            ErrorCode::InvalidRetention,
            "23 hours",
        ),
        (
            create_stream("s", 1, 8_761),
            ErrorCode::InvalidRetention,
            "8761 hours",
        ),
    ] {
        let error = peer.error(&request, &[]);
        assert_eq!(error.code, code);
        assert!(error.message.contains(says), "{error}");
    }
    peer.create("s", 1);
    assert_eq!(
        peer.error(&create_stream("s", 1, 24), &[]).code,
        ErrorCode::StreamExists
    );
    for hours in [23, 8_761] {
        let error = peer.error(&Request::SetRetention { stream: "s", hours }, &[]);
        assert_eq!(error.code, ErrorCode::InvalidRetention);
    }
    peer.create("longest", 1);
    assert_eq!(server.server().counts(), (2, 2));
}

#[test]
fn a_stream_that_does_not_exist() {
    let server = TestServer::start();
    let mut peer = server.connect();
    let payload = batch(&[("k", b"v")], None);
    let stream = "nowhere";
    let entries = vec![millstream_wire::BatchEntry {
        shard: 1,
        len: payload.len() as u32,
    }];
    for (request, payload) in [
        (Request::Put { stream }, &payload[..]),
        (Request::PutBatches { stream, entries }, &payload[..]),
        (get(stream, 0, Position::Oldest, 0), &[]),
        (
            Request::Follow {
                stream,
                shard: 0,
                position: Position::Oldest,
                credit: 1,
            },
            &[],
        ),
        (Request::ShardMapOf { stream, first: 0 }, &[]),
        (Request::DescribeStream { stream, first: 0 }, &[]),
        (Request::DeleteStream { stream }, &[]),
        (Request::SetRetention { stream, hours: 24 }, &[]),
    ] {
        let error = peer.error(&request, payload);
        assert_eq!(error.code, ErrorCode::NoSuchStream, "{request:?}");
        assert!(error.message.contains("nowhere"), "{error}");
    }
    peer.ping();
}

#[test]
fn a_shard_that_does_not_exist() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 2);
    let error = peer.error(&get("s", 2, Position::Oldest, 0), &[]);
    assert_eq!(error.code, ErrorCode::NoSuchShard);
}

#[test]
fn records_that_cannot_be_are_refused_one_by_one() {
    // A small segment makes the largest batch, and with it the largest record, small.
    let server = TestServer::start_with(|config| config.store.segment_bytes = 1 << 20);
    let mut peer = server.connect();
    peer.create("s", 1);
    let limit = peer.shard_map("s").max_record_bytes as usize;
    let (fits, too_large) = (vec![1; limit - 1], vec![1; limit]);
    let long_key = "ä".repeat(257);
    let answer = peer.put(
        "s",
        &[
            ("k", b"first"),
            ("", b"no key"),
            ("k", &too_large),
            ("k", &fits),
            (&long_key, b""),
            ("k", b"last"),
        ],
    );
    let results: Vec<_> = answer.results().map(|r| r.result).collect();
    let expected = [
        Ok(0),
        Err(ErrorCode::BadRequest),
        Err(ErrorCode::RecordTooLarge),
        Ok(1),
        Err(ErrorCode::BadRequest),
        Ok(2),
    ];
    assert_eq!(results, expected);
    let too_large = answer
        .errors
        .iter()
        .find(|e| e.code == ErrorCode::RecordTooLarge);
    assert_eq!(too_large.unwrap().detail, limit as u64);
    assert_eq!(peer.read_all("s", 0, Position::Oldest).len(), 3);
}

#[test]
fn a_record_over_the_limit_of_the_format() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let map = peer.shard_map("s");
    assert_eq!(map.max_record_bytes, 10 << 20);
    let data = vec![7; 10 << 20];
    let payload = oversized(&data);
    let error = peer.error(&Request::Put { stream: "s" }, &payload);
    assert_eq!(error.code, ErrorCode::RecordTooLarge);
    let results = peer.put_batches("s", &[(map.shards[0].id, payload)]);
    let [BatchResult::Failed(error)] = &results[..] else {
        panic!("{results:?}");
    };
    assert_eq!(error.code, ErrorCode::RecordTooLarge);
    peer.ping();
}

/// A batch with one record over every limit, with right checksums.
fn oversized(data: &[u8]) -> Vec<u8> {
    use millstream_engine::format::{BatchHeader, Compression, crc32c};
    let mut body = Vec::new();
    body.extend_from_slice(&(data.len() as u32).to_le_bytes());
    body.extend_from_slice(&1u16.to_le_bytes());
    body.extend_from_slice(&0u16.to_le_bytes());
    body.push(b'k');
    body.extend_from_slice(data);
    body.resize(body.len().next_multiple_of(8), 0);
    let header = BatchHeader {
        compression: Compression::None,
        close: false,
        producers: 0,
        count: 1,
        epoch: 0,
        first_sequence: 0,
        time_ms: 0,
        watermark: 0,
        stored_len: body.len() as u32,
        raw_len: body.len() as u32,
        body_crc: crc32c(&body),
    };
    let mut batch = vec![0; 64];
    header.encode(&mut batch);
    batch.extend_from_slice(&body);
    batch
}

#[test]
fn batches_that_cannot_be_are_refused_one_by_one() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let shard = peer.shard_map("s").shards[0].id;
    let good = batch(&[("k", b"v")], None);
    let mut bad_body = good.clone();
    let last = bad_body.len() - 1;
    bad_body[last - 6] ^= 1;
    let mut bad_header = good.clone();
    bad_header[20] ^= 1;
    let no_key = batch(&[("", b"v")], None);
    let results = peer.put_batches(
        "s",
        &[
            (shard, good.clone()),
            (shard, bad_body),
            (shard, bad_header),
            (shard, vec![0; 100]),
            (shard, vec![1; 8]),
            (shard, no_key),
            (shard + 1, good.clone()),
            (shard, good.clone()),
        ],
    );
    let codes: Vec<_> = results
        .iter()
        .map(|result| match result {
            BatchResult::Written { first_sequence, .. } => Ok(*first_sequence),
            BatchResult::Failed(error) => Err(error.code),
        })
        .collect();
    let expected = [
        Ok(0),
        Err(ErrorCode::BatchChecksum),
        Err(ErrorCode::BatchChecksum),
        Err(ErrorCode::BatchInvalid),
        Err(ErrorCode::BatchInvalid),
        Err(ErrorCode::BatchInvalid),
        Err(ErrorCode::ShardMapChanged),
        Ok(1),
    ];
    assert_eq!(codes, expected);
    peer.ping();
}

#[test]
fn a_batch_for_another_shard_brings_the_map() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 3);
    let map = peer.shard_map("s");
    let batches = [(9_999, batch(&[("k", b"v")], None))];
    let (request, payload) = fixture::put_batches("s", &batches);
    let Response::Batches(answer) = peer.call_with(&request, &payload).response else {
        panic!("no results");
    };
    assert_eq!(answer.shard_map, Some(map));
}

#[test]
fn lengths_that_do_not_sum_up() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let shard = peer.shard_map("s").shards[0].id;
    let (request, mut payload) = fixture::put_batches("s", &[(shard, batch(&[("k", b"v")], None))]);
    payload.push(0);
    assert_eq!(peer.error(&request, &payload).code, ErrorCode::BadRequest);
    let put = Request::Put { stream: "s" };
    assert_eq!(peer.error(&put, &payload).code, ErrorCode::BatchInvalid);
    assert_eq!(peer.error(&put, &[]).code, ErrorCode::BatchInvalid);
    peer.ping();
}

#[test]
fn a_batch_in_the_wrong_shard_is_refused_where_routing_is_verified() {
    for verify in [false, true] {
        let server = TestServer::start_with(|config| config.streams.verify_routing = verify);
        let mut peer = server.connect();
        peer.create("s", 2);
        let map = peer.shard_map("s");
        let right = fixture::shard_of(&map, "key");
        let batch = batch(&[("key", b"v")], None);
        let put = |shard: usize| (map.shards[shard].id, batch.clone());
        let results = peer.put_batches("s", &[put(right), put(1 - right)]);
        assert!(matches!(results[0], BatchResult::Written { .. }));
        match &results[1] {
            BatchResult::Written { .. } => assert!(!verify),
            BatchResult::Failed(error) => {
                assert!(verify && error.code == ErrorCode::BatchInvalid, "{error}");
            }
        }
    }
}
