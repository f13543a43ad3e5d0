//! A numbered put that is sent again is written once, whatever became of the first answer.
#![allow(clippy::panic)] // helpers of tests are tests too

mod fixture;

use fixture::{TestServer, batch};
use millstream_wire::{BatchResult, ErrorCode, Position};

const PRODUCER: u64 = 0xfeed;

fn written(result: &BatchResult) -> (u64, bool) {
    match result {
        BatchResult::Written {
            first_sequence,
            duplicate,
            ..
        } => (*first_sequence, *duplicate),
        BatchResult::Failed(error) => panic!("{error}"),
    }
}

#[test]
fn a_retry_after_a_lost_answer_is_written_once() {
    let mut server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let shard = peer.shard_map("s").shards[0].id;
    let put = |number: u64| {
        (
            shard,
            batch(&[("k", &number.to_le_bytes())], Some((PRODUCER, number))),
        )
    };

    let (request, payload) = fixture::put_batches("s", &[put(0), put(1)]);
    peer.send(&request, &payload);
    drop(peer); // the answer is never read

    // Whether the first send arrived in full or not, the retry settles it.
    let mut peer = server.connect();
    let results = peer.put_batches("s", &[put(0), put(1), put(2)]);
    let places: Vec<u64> = results.iter().map(|result| written(result).0).collect();
    assert_eq!(places, [0, 1, 2]);
    assert_eq!(written(&peer.put_batches("s", &[put(1)])[0]), (1, true));

    // The numbers are remembered across a restart.
    drop(peer);
    server.stop();
    server.start_again();
    let mut peer = server.connect();
    let results = peer.put_batches("s", &[put(2), put(3)]);
    assert_eq!(written(&results[0]), (2, true));
    assert_eq!(written(&results[1]), (3, false));
    assert_eq!(peer.read_all("s", 0, Position::Oldest).len(), 4);
}

#[test]
fn a_put_after_a_missing_one_is_refused() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let shard = peer.shard_map("s").shards[0].id;
    let put = |number: u64| (shard, batch(&[("k", b"v")], Some((PRODUCER, number))));
    assert_eq!(written(&peer.put_batches("s", &[put(0)])[0]), (0, false));
    let BatchResult::Failed(error) = &peer.put_batches("s", &[put(2)])[0] else {
        panic!("a gap was taken");
    };
    assert_eq!((error.code, error.detail), (ErrorCode::OutOfOrder, 1));
    assert_eq!(written(&peer.put_batches("s", &[put(1)])[0]), (1, false));
}

#[test]
fn a_producer_that_nobody_remembers_is_told_so() {
    let server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 1);
    let shard = peer.shard_map("s").shards[0].id;
    let put = (shard, batch(&[("k", b"v")], Some((PRODUCER, 7))));
    let BatchResult::Failed(error) = &peer.put_batches("s", &[put])[0] else {
        panic!("it was taken");
    };
    assert_eq!(error.code, ErrorCode::UnknownProducer);
}
