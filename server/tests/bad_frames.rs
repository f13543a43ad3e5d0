//! Whatever a client sends, it is told what is wrong, and the server goes on serving.
#![allow(clippy::panic)] // helpers of tests are tests too

mod fixture;

use std::{io::Write, net::Shutdown};

use fixture::{Peer, TestServer, frame};
use millstream_wire::{ErrorAnswer, ErrorCode, Hello, Request, Response};

/// The connection is closed after this error, and the server serves others.
fn refused(server: &TestServer, peer: &mut Peer) -> ErrorAnswer {
    let answer = peer.receive();
    peer.expect_close();
    server.connect().ping();
    match answer.response {
        Response::Error(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_too_large() {
    let server = TestServer::start();
    let mut peer = server.connect();
    let mut bytes = frame(7, &Request::Ping, &[]);
    bytes[0..4].copy_from_slice(&(18u32 << 20).to_le_bytes());
    peer.socket.write_all(&bytes).unwrap();
    let error = refused(&server, &mut peer);
    assert_eq!(error.code, ErrorCode::FrameTooLarge);
    assert_eq!(error.detail, 17 << 20);
    assert!(error.message.contains("17825792"), "{error}");
}

#[test]
fn a_bad_checksum() {
    let server = TestServer::start();
    let mut peer = server.connect();
    let mut bytes = frame(7, &Request::DeleteStream { stream: "s" }, &[]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    peer.socket.write_all(&bytes).unwrap();
    assert_eq!(refused(&server, &mut peer).code, ErrorCode::BadChecksum);
}

#[test]
fn a_truncated_frame() {
    let server = TestServer::start();
    let request = Request::Put { stream: "s" };
    let whole = frame(7, &request, &[1; 200_000]);
    for cut in [1, 10, 23, 26, 30, 100_000] {
        let mut peer = server.connect();
        let _ = peer.call(&fixture::create_stream("s", 1, 24));
        peer.socket.write_all(&whole[..cut]).unwrap();
        peer.socket.shutdown(Shutdown::Write).unwrap();
        let error = refused(&server, &mut peer);
        assert_eq!(error.code, ErrorCode::BadFrame, "cut at {cut}");
        assert!(error.message.contains("cut short"), "{error}");
    }
}

#[test]
fn garbage() {
    let server = TestServer::start();
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[0; 64],
        &[0xff; 4096],
    ] {
        for greeted in [false, true] {
            let mut peer = if greeted {
                server.connect()
            } else {
                server.connect_silently()
            };
            peer.socket.write_all(garbage).unwrap();
            let error = refused(&server, &mut peer);
            let codes = [
                ErrorCode::BadFrame,
                ErrorCode::FrameTooLarge,
                ErrorCode::BadChecksum,
            ];
            assert!(codes.contains(&error.code), "{error}");
        }
    }
}

#[test]
fn an_unknown_verb_and_a_bad_meta_keep_the_connection() {
    let server = TestServer::start();
    let mut peer = server.connect();
    for (opcode, code) in [
        (99, ErrorCode::UnknownVerb),
        (0, ErrorCode::UnknownVerb),
        (0xff, ErrorCode::UnknownVerb),
        (5, ErrorCode::BadRequest), // a Get without fields
        (1, ErrorCode::BadRequest), // a Hello without magic
    ] {
        let mut bytes = frame(7, &Request::Ping, &[5; 100_000]);
        bytes[8] = opcode;
        let crc = millstream_engine::format::crc32c(&bytes[8..24]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        peer.socket.write_all(&bytes).unwrap();
        let answer = peer.receive();
        assert_eq!(answer.correlation, 7);
        let Response::Error(error) = answer.response else {
            panic!("{:?}", answer.response);
        };
        assert_eq!(error.code, code, "opcode {opcode}");
        peer.ping();
    }
}

#[test]
fn a_payload_where_there_is_none_keeps_the_connection() {
    let server = TestServer::start();
    let mut peer = server.connect();
    assert_eq!(
        peer.error(&Request::Ping, &[0; 10]).code,
        ErrorCode::BadRequest
    );
    peer.ping();
}

#[test]
fn a_first_frame_that_is_no_hello() {
    let server = TestServer::start();
    let mut peer = server.connect_silently();
    peer.send(&Request::Ping, &[]);
    let error = refused(&server, &mut peer);
    assert_eq!(error.code, ErrorCode::BadRequest);
    assert!(error.message.contains("Hello"), "{error}");
}

#[test]
fn a_version_that_the_server_does_not_speak() {
    let server = TestServer::start();
    let mut peer = server.connect_silently();
    let hello = Request::Hello(Hello {
        min_version: 3,
        max_version: 9,
        frame_limit: 1 << 20,
        client: "future",
    });
    peer.send(&hello, &[]);
    let error = refused(&server, &mut peer);
    assert_eq!(error.code, ErrorCode::UnsupportedVersion);
    assert_eq!(error.detail, 2);
}

#[test]
fn a_lower_frame_limit_holds_for_the_connection() {
    let server = TestServer::start();
    let mut peer = server.connect_silently();
    let Response::HelloOk { frame_limit, .. } = peer.hello(1 << 20) else {
        panic!("no handshake");
    };
    assert_eq!(frame_limit, 1 << 20);
    let bytes = frame(9, &Request::Put { stream: "s" }, &vec![0; 2 << 20]);
    let _ = peer.socket.write_all(&bytes);
    assert_eq!(refused(&server, &mut peer).code, ErrorCode::FrameTooLarge);
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let server = TestServer::start_with(|config| {
        config.limits.handshake_timeout = std::time::Duration::from_millis(50);
    });
    let mut peer = server.connect_silently();
    let error = refused_without_others(&mut peer);
    assert!(error.message.contains("Hello"), "{error}");
}

fn refused_without_others(peer: &mut Peer) -> ErrorAnswer {
    let Response::Error(error) = peer.receive().response else {
        panic!("no error");
    };
    peer.expect_close();
    error
}

#[test]
fn a_frame_that_does_not_get_on_is_let_go() {
    let server = TestServer::start_with(|config| {
        config.limits.receive_timeout = std::time::Duration::from_millis(50);
    });
    let mut peer = server.connect();
    peer.socket
        .write_all(&frame(1, &Request::Ping, &[])[..10])
        .unwrap();
    let error = refused_without_others(&mut peer);
    assert_eq!(error.code, ErrorCode::BadFrame);
}

#[test]
fn more_connections_than_allowed_are_told_so() {
    let server = TestServer::start_with(|config| config.limits.connections = 2);
    let mut first = server.connect();
    let second = server.connect();
    let mut third = server.connect_silently();
    let error = refused_without_others(&mut third);
    assert_eq!(error.code, ErrorCode::TooManyRequests);
    drop(second);
    first.ping();
}
