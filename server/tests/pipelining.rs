//! Many requests may be under way on one connection; answers carry their request's number.

mod fixture;

use std::collections::HashMap;

use fixture::{TestServer, batch, get};
use millstream_wire::{ErrorCode, Position, Request, Response};

#[test]
fn puts_are_taken_in_order_and_all_answered() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let mut sent = HashMap::new();
    for number in 0..500u64 {
        let data = number.to_le_bytes();
        let payload = batch(&[("k", &data)], None);
        sent.insert(peer.send(&Request::Put { stream: "s" }, &payload), number);
    }
    for _ in 0..500 {
        let answer = peer.receive();
        let number = sent.remove(&answer.correlation).expect("answered once");
        let Response::Put(put) = answer.response else {
            panic!("{:?}", answer.response);
        };
        let results: Vec<_> = put.results().map(|r| r.result).collect();
        assert_eq!(results, [Ok(number)]);
    }
    let records = peer.read_all("s", 0, Position::Oldest);
    let numbers: Vec<u64> = records
        .iter()
        .map(|(_, _, data)| u64::from_le_bytes(data[..].try_into().unwrap()))
        .collect();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
}

#[test]
fn a_get_that_waits_is_overtaken_and_woken() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let waiting = peer.send(&get("s", 0, Position::AfterLatest, 20_000), &[]);
    peer.ping();
    let payload = batch(&[("k", b"news")], None);
    let put = peer.send(&Request::Put { stream: "s" }, &payload);
    let answers = [peer.receive(), peer.receive()];
    let got = answers.iter().find(|a| a.correlation == waiting).unwrap();
    assert!(answers.iter().any(|a| a.correlation == put));
    let Response::Got(chunk) = &got.response else {
        panic!("{:?}", got.response);
    };
    let records = fixture::delivered(chunk, &got.payload);
    assert_eq!(records, [(0, "k".to_owned(), b"news".to_vec())]);
}

#[test]
fn a_get_without_news_is_answered_after_its_wait() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let Response::Got(chunk) = peer.call(&get("s", 0, Position::AfterLatest, 20)) else {
        panic!("no answer");
    };
    assert_eq!(
        (chunk.first, chunk.next, chunk.end, chunk.behind_ms),
        (0, 0, 0, 0)
    );
}

#[test]
fn more_requests_than_the_window_are_refused() {
    let server = TestServer::start_with(|config| config.limits.requests_in_flight = 2);
    let mut peer = server.connect();
    peer.create("s", 1);
    let waiting = get("s", 0, Position::AfterLatest, 20_000);
    let first = peer.send(&waiting, &[]);
    let second = peer.send(&waiting, &[]);
    assert_eq!(peer.error(&waiting, &[]).code, ErrorCode::TooManyRequests);
    peer.ping();
    let mut other = server.connect();
    other.put("s", &[("k", b"v")]);
    let mut answered = [peer.receive().correlation, peer.receive().correlation];
    answered.sort_unstable();
    assert_eq!(answered, [first, second]);
    peer.put("s", &[("k", b"v")]);
}
