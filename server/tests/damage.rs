//! What is broken in one place is told there, by name, and the rest is served.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod fixture;

use std::{
    fs,
    path::{Path, PathBuf},
};

use fixture::{Peer, TestServer, batch, create_stream, delivered, get};
use millstream_wire::{
    BatchResult, Chunk, ErrorAnswer, ErrorCode, Position, Request, Response, ShardState,
};

fn shard_directory(data: &Path, id: u64) -> PathBuf {
    data.join("store/shards").join(format!("{id:016x}"))
}

#[test]
fn a_shard_whose_directory_is_missing_is_lost_and_the_others_are_served() {
    let mut server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 3);
    let map = peer.shard_map("s");
    let numbered = |put| batch(&[("k", b"data")], Some((7, put)));
    for shard in &map.shards {
        peer.put_batches("s", &[(shard.id, numbered(0))]);
    }
    drop(peer);
    server.stop();
    let lost = shard_directory(&server.data(), map.shards[1].id);
    let aside = server.data().join("aside");
    fs::rename(&lost, &aside).unwrap();

    server.start_again();
    let mut peer = server.connect();
    for shard in [0, 2] {
        assert_eq!(peer.read_all("s", shard, Position::Oldest).len(), 1);
    }
    let error = peer.error(&get("s", 1, Position::Oldest, 0), &[]);
    assert_eq!(error.code, ErrorCode::ShardLost, "{error}");
    assert!(
        error.message.contains("directory") && error.message.contains("backup"),
        "{error}"
    );
    let batches: Vec<_> = map.shards.iter().map(|s| (s.id, numbered(1))).collect();
    let results = peer.put_batches("s", &batches);
    assert!(matches!(results[0], BatchResult::Written { .. }));
    assert!(matches!(&results[1], BatchResult::Failed(e) if e.code == ErrorCode::ShardLost));
    assert!(matches!(results[2], BatchResult::Written { .. }));
    let describe = Request::DescribeStream {
        stream: "s",
        first: 0,
    };
    let Response::Stream(description) = peer.call(&describe) else {
        panic!("no description");
    };
    let states: Vec<_> = description.shards.iter().map(|s| s.state).collect();
    assert_eq!(
        states,
        [ShardState::Open, ShardState::Closed, ShardState::Open]
    );
    assert!(description.shards[1].message.contains("lost"));
    drop(peer);
    server.stop();

    // It was not made anew meanwhile: put back, it is served again.
    assert!(!lost.exists());
    fs::rename(&aside, &lost).unwrap();
    server.start_again();
    let mut peer = server.connect();
    assert_eq!(peer.read_all("s", 1, Position::Oldest).len(), 1);
    fs::remove_dir_all(&lost).unwrap();
    assert_eq!(
        peer.call(&Request::DeleteStream { stream: "s" }),
        Response::Deleted
    );
    assert!(matches!(
        peer.call(&create_stream("s", 1, 24)),
        Response::Created { .. }
    ));
}

/// Reads a shard by gets, past each gap.
fn read_past(peer: &mut Peer, stream: &str) -> (Vec<u64>, Vec<ErrorAnswer>) {
    let (mut read, mut told) = (Vec::new(), Vec::new());
    let mut position = Position::Oldest;
    loop {
        let answer = peer.call_with(&get(stream, 0, position, 0), &[]);
        let next = match answer.response {
            Response::Got(chunk) => {
                read.extend(numbers(&chunk, &answer.payload));
                if chunk.next >= chunk.end {
                    return (read, told);
                }
                chunk.next
            }
            Response::Error(error) => {
                let resume = error.detail;
                told.push(error);
                resume
            }
            other => panic!("{other:?}"),
        };
        if next == u64::MAX {
            return (read, told);
        }
        position = Position::At(next);
    }
}

fn numbers(chunk: &Chunk, payload: &[u8]) -> Vec<u64> {
    let records = delivered(chunk, payload);
    records.into_iter().map(|(number, ..)| number).collect()
}

#[test]
fn a_client_is_told_of_a_gap_at_its_place_and_goes_on_behind_it() {
    const PUTS: u64 = 60;
    let mut server = TestServer::start_with(|config| config.store.segment_bytes = 1 << 20);
    let mut peer = server.connect();
    peer.create("s", 1);
    let id = peer.shard_map("s").shards[0].id;
    for _ in 0..PUTS {
        peer.put("s", &[("k", &[7; 100_000])]);
    }
    drop(peer);
    server.stop();
    let segment = |ordinal: u64| {
        let directory = shard_directory(&server.data(), id);
        directory.join(format!("{ordinal:016x}.seg"))
    };
    let base = |ordinal: u64| {
        let bytes = fs::read(segment(ordinal)).unwrap();
        let header = millstream_engine::format::BatchHeader::decode(&bytes[4096..]);
        header.unwrap().unwrap().first_sequence
    };
    let last = (1..).find(|at| fs::read(segment(at + 1)).map_or(true, |b| b[..8] == [0; 8]));
    let last = last.unwrap();
    let gap = base(1)..base(2);
    let end = base(last);
    fs::remove_file(segment(1)).unwrap();
    fs::write(segment(last), [0xee; 100]).unwrap();

    server.start_again();
    let mut peer = server.connect();
    let (read, told) = read_past(&mut peer, "s");
    let expected: Vec<u64> = (0..gap.start).chain(gap.end..end).collect();
    assert_eq!(read, expected);
    let told: Vec<_> = told
        .iter()
        .map(|error| (error.code, error.detail))
        .collect();
    let places = [
        (ErrorCode::Damaged, gap.end),
        (ErrorCode::Damaged, u64::MAX),
    ];
    assert_eq!(told, places);

    // The same by following.
    let (mut read, mut told) = (Vec::new(), Vec::new());
    let mut position = Position::Oldest;
    while told.len() < 2 {
        let follow = peer.send(
            &Request::Follow {
                stream: "s",
                shard: 0,
                position,
                credit: 1 << 30,
            },
            &[],
        );
        loop {
            let answer = peer.receive();
            assert_eq!(answer.correlation, follow);
            match answer.response {
                Response::Followed(chunk) => read.extend(numbers(&chunk, &answer.payload)),
                Response::Error(error) => {
                    position = Position::At(error.detail);
                    told.push((error.code, error.detail));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((read, &told[..]), (expected, &places[..]));
}
