//! Segment files are cut short from outside under a running server: who reads from them is told,
//! nobody is given anything wrong, and the server goes on.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod fixture;

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use fixture::{TestServer, batch, delivered};
use millstream_wire::{ErrorCode, FRAME_HEADER_LEN, FrameHeader, Position, Request, Response};
use rustix::net::sockopt::set_socket_recv_buffer_size;

const LEN: usize = 100_000;
/// More than socket buffers take, so that a piece is stuck in the server.
const BATCHES: u64 = 300;

fn segments(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            segments(&path, found);
        } else if path.extension().is_some_and(|e| e == "seg") {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn segments_that_are_cut_short_under_the_server_end_no_more_than_their_reads() {
    let server = TestServer::start_with(|config| {
        config.store.memory_budget = 16 << 20;
        config.store.segment_bytes = 4 << 20;
    });
    let mut peer = server.connect();
    peer.create("s", 2);
    let map = peer.shard_map("s");
    let one = |i: u64| batch(&[("k", &[i as u8; LEN])], None);
    for i in 0..BATCHES {
        peer.put_batches("s", &[(map.shards[0].id, one(i))]);
    }
    peer.put_batches("s", &[(map.shards[1].id, one(7))]);

    let mut slow = server.connect();
    set_socket_recv_buffer_size(&slow.socket, 64 << 10).unwrap();
    let follow = Request::Follow {
        stream: "s",
        shard: 0,
        position: Position::Oldest,
        credit: u64::MAX,
    };
    slow.send(&follow, &[]);
    // Some has come: the server has read on, and cannot send all of it.
    let mut received = vec![0; 200_000];
    slow.socket.read_exact(&mut received).unwrap();
    let mut files = Vec::new();
    segments(&server.data(), &mut files);
    let sealed: Vec<_> = files
        .iter()
        .filter(|file| file.parent() == files[0].parent())
        .collect();
    assert!(sealed.len() > 6, "{sealed:?}");
    for file in &sealed[..sealed.len() - 2] {
        let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
        file.set_len(8192).unwrap();
    }

    // The follower gets what was on its way, and then an end; what came whole is right.
    let _ = slow.socket.read_to_end(&mut received);
    let (mut rest, mut next) = (&received[..], 0);
    while let Some(head) = rest.first_chunk::<FRAME_HEADER_LEN>() {
        let header = FrameHeader::decode(head, u32::MAX).unwrap();
        let len = FRAME_HEADER_LEN + header.meta_len + header.payload_len;
        if rest.len() < len {
            break;
        }
        let (meta, payload) = rest[FRAME_HEADER_LEN..len].split_at(header.meta_len);
        match Response::decode(header.opcode, meta) {
            Ok(Response::Followed(chunk)) => {
                for (sequence, _, data) in delivered(&chunk, payload) {
                    assert_eq!(sequence, next);
                    assert!(data == [next as u8; LEN]);
                    next += 1;
                }
            }
            Ok(Response::Error(error)) => {
                assert_eq!(error.code, ErrorCode::Damaged, "{error:?}");
            }
            other => panic!("{other:?}"),
        }
        rest = &rest[len..];
    }
    assert!(next > 0 && next < BATCHES, "{next}");

    // Asked again, the server says what is wrong and where reading goes on.
    let at = |next| fixture::get("s", 0, Position::At(next), 0);
    let error = peer.error(&at(next), &[]);
    assert_eq!(error.code, ErrorCode::Damaged, "{error:?}");
    assert!(error.message.contains("cut short"), "{error:?}");
    assert_eq!(peer.read_all("s", 1, Position::Oldest).len(), 1);
    peer.put_batches("s", &[(map.shards[0].id, one(BATCHES))]);
    let rest = peer.read_all("s", 0, Position::At(BATCHES - 10));
    assert_eq!(rest.len(), 11);
}
