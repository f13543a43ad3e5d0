//! A follow is pushed to within its credit, until it is stopped.
#![allow(clippy::panic)] // helpers of tests are tests too

mod fixture;

use fixture::{Answer, Peer, TestServer, batch};
use millstream_wire::{Chunk, ErrorCode, Position, Request, Response};
use rustix::net::sockopt::set_socket_recv_buffer_size;

fn follow(peer: &mut Peer, shard: u32, position: Position, credit: u64) -> u64 {
    let id = peer.send(
        &Request::Follow {
            stream: "s",
            shard,
            position,
            credit,
        },
        &[],
    );
    let (chunk, payload) = pushed(peer.receive(), id);
    assert!(
        payload.is_empty(),
        "the first push says that the follow stands"
    );
    assert_eq!(chunk.first, chunk.next);
    id
}

fn pushed(answer: Answer, id: u64) -> (Chunk, Vec<u8>) {
    assert_eq!(answer.correlation, id);
    match answer.response {
        Response::Followed(chunk) => (chunk, answer.payload),
        other => panic!("{other:?}"),
    }
}

fn sequences(chunk: &Chunk, payload: &[u8]) -> Vec<u64> {
    let records = fixture::delivered(chunk, payload);
    records.into_iter().map(|record| record.0).collect()
}

#[test]
fn what_is_there_and_what_comes_is_pushed() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    peer.put("s", &[("k", b"0"), ("k", b"1")]);
    let id = follow(&mut peer, 0, Position::Oldest, 1 << 20);
    let (chunk, payload) = pushed(peer.receive(), id);
    assert_eq!(sequences(&chunk, &payload), [0, 1]);

    let mut writer = server.connect();
    for expected in 2..10 {
        writer.put("s", &[("k", b"v")]);
        let (chunk, payload) = pushed(peer.receive(), id);
        assert_eq!(sequences(&chunk, &payload), [expected]);
        assert_eq!(chunk.behind_ms, 0);
    }
    peer.send_as(id, &Request::Unfollow, &[]);
    let end = peer.receive();
    assert_eq!(
        (end.correlation, end.response),
        (id, Response::FollowEnd { next: 10 })
    );
    writer.put("s", &[("k", b"v")]);
    peer.ping();
}

#[test]
fn nothing_is_pushed_beyond_the_credit() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let shard = peer.shard_map("s").shards[0].id;
    // Large enough to stay batches of their own.
    let one = batch(&[("k", &[7; 100_000])], None);
    for _ in 0..5 {
        peer.put_batches("s", &[(shard, one.clone())]);
    }
    let id = follow(&mut peer, 0, Position::Oldest, 0);
    peer.ping(); // nothing came before it
    peer.send_as(id, &Request::Credit { bytes: 1 }, &[]);
    let (chunk, payload) = pushed(peer.receive(), id);
    assert_eq!(
        sequences(&chunk, &payload),
        [0],
        "one batch is always sent whole"
    );
    peer.ping();
    // The first took more than its credit: that is made up for first.
    let len = one.len() as u64;
    peer.send_as(id, &Request::Credit { bytes: len - 1 }, &[]);
    peer.ping();
    peer.send_as(id, &Request::Credit { bytes: 2 * len }, &[]);
    let (chunk, payload) = pushed(peer.receive(), id);
    assert_eq!(sequences(&chunk, &payload), [1, 2]);
    peer.ping();
    peer.send_as(id, &Request::Unfollow, &[]);
    assert_eq!(peer.receive().response, Response::FollowEnd { next: 3 });
}

#[test]
fn followers_that_do_not_read_hold_up_nobody() {
    const SHARDS: u32 = 12;
    // What they would keep is more than the whole memory of the store.
    let server = TestServer::start_with(|config| config.store.memory_budget = 16 << 20);
    let mut writer = server.connect();
    writer.create("s", SHARDS);
    let map = writer.shard_map("s");
    let mut slow = Vec::new();
    for shard in 0..SHARDS {
        let mut peer = server.connect();
        set_socket_recv_buffer_size(&peer.socket, 64 << 10).unwrap();
        follow(&mut peer, shard, Position::AfterLatest, u64::MAX);
        slow.push(peer);
    }
    let large = batch(&[("k", &vec![7; 1 << 20])], None);
    for number in 0..8 {
        for shard in &map.shards {
            let results = writer.put_batches("s", &[(shard.id, large.clone())]);
            let written = millstream_wire::BatchResult::Written {
                first_sequence: number,
                count: 1,
                duplicate: false,
            };
            assert_eq!(results, [written]);
        }
    }
    for shard in 0..SHARDS {
        assert_eq!(writer.read_all("s", shard, Position::At(6)).len(), 2);
    }
}

#[test]
fn a_follow_of_a_deleted_stream_ends() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let id = follow(&mut peer, 0, Position::AfterLatest, 1 << 20);
    let mut other = server.connect();
    assert_eq!(
        other.call(&Request::DeleteStream { stream: "s" }),
        Response::Deleted
    );
    let answer = peer.receive();
    assert_eq!(answer.correlation, id);
    let Response::Error(error) = answer.response else {
        panic!("{:?}", answer.response);
    };
    assert_eq!(error.code, ErrorCode::NoSuchStream);
    peer.ping();
}

#[test]
fn a_second_follow_of_the_same_number_and_too_many_are_refused() {
    let server = TestServer::start_with(|config| config.limits.followers = 2);
    let mut peer = server.connect();
    peer.create("s", 1);
    let id = follow(&mut peer, 0, Position::AfterLatest, 1);
    let request = Request::Follow {
        stream: "s",
        shard: 0,
        position: Position::Oldest,
        credit: 1,
    };
    peer.send_as(id, &request, &[]);
    let code = |answer: Answer| match answer.response {
        Response::Error(error) => error.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(peer.receive()), ErrorCode::BadRequest);
    follow(&mut peer, 0, Position::AfterLatest, 1);
    assert_eq!(peer.error(&request, &[]).code, ErrorCode::TooManyRequests);
    let unknown = 999;
    peer.send_as(unknown, &Request::Unfollow, &[]);
    assert_eq!(code(peer.receive()), ErrorCode::BadRequest);
    peer.send_as(unknown, &Request::Credit { bytes: 1 }, &[]);
    peer.ping();
}
