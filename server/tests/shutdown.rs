//! A server that is told to stop finishes what it accepted, and tells who waits.
#![allow(clippy::panic)] // helpers of tests are tests too

mod fixture;

use fixture::{TestServer, batch, get};
use millstream_wire::{ErrorCode, Position, Request, Response};

#[test]
fn what_was_accepted_is_answered_and_there_after_a_restart() {
    let mut server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let waiting = peer.send(&get("s", 0, Position::At(1_000_000), 60_000), &[]);
    let follow = Request::Follow {
        stream: "s",
        shard: 0,
        position: Position::AfterLatest,
        credit: 0,
    };
    let following = peer.send(&follow, &[]);
    assert!(matches!(peer.receive().response, Response::Followed(_)));
    for number in 0..50u64 {
        let payload = batch(&[("k", &number.to_le_bytes())], None);
        peer.send(&Request::Put { stream: "s" }, &payload);
    }
    // Answers come in the order of the puts, so the last of these means that some are accepted.
    let mut acknowledged = u64::from(is_put(&peer.receive().response));
    let stopping = server.stop_in_background();
    let (mut got, mut ended) = (false, false);
    while let Some(answer) = peer.try_receive() {
        match answer.response {
            Response::Got(chunk) => {
                assert_eq!((answer.correlation, chunk.first), (waiting, 1_000_000));
                got = true;
            }
            Response::Error(error) => {
                assert_eq!(answer.correlation, following);
                assert_eq!(error.code, ErrorCode::ShuttingDown);
                ended = true;
            }
            other => acknowledged += u64::from(is_put(&other)),
        }
    }
    assert!(got && ended, "waiting readers are told");
    drop(peer);
    server.wait(stopping).unwrap();

    server.start_again();
    let mut peer = server.connect();
    let records = peer.read_all("s", 0, Position::Oldest);
    assert_eq!(
        records.len() as u64,
        acknowledged,
        "accepted, answered and durable are the same"
    );
    server.stop();
}

fn is_put(response: &Response) -> bool {
    match response {
        Response::Put(answer) => answer.results().all(|r| r.result.is_ok()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_that_holds_on_does_not_hold_up_the_shutdown() {
    let mut server = TestServer::start();
    let mut silent = server.connect_silently();
    let mut idle = server.connect();
    server.stop();
    assert!(silent.try_receive().is_none());
    idle.expect_close();
}

#[test]
fn what_does_not_end_within_the_grace_is_cut_off() {
    use std::io::Write;
    let mut server = TestServer::start_with(|config| {
        config.shutdown_grace = std::time::Duration::from_millis(50);
    });
    let mut peer = server.connect();
    peer.create("s", 1);
    // A frame that never ends.
    let whole = fixture::frame(9, &Request::Put { stream: "s" }, &[0; 200_000]);
    peer.socket.write_all(&whole[..100_000]).unwrap();
    server.stop();
    server.start_again();
    let mut peer = server.connect();
    assert_eq!(peer.read_all("s", 0, Position::Oldest), []);
}
