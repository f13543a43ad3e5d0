//! With credentials, both fronts let in whoever has a secret, and tell others why not; with a
//! certificate, both speak TLS. Without either, only this machine is listened to.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod fixture;
mod http;

use std::{
    io::{Read, Write},
    net::SocketAddr,
    time::SystemTime,
};

use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use fixture::{Peer, TestServer, config, refusal};
use http::{CBOR, JSON, Reply, call, connect, request};
use millstream_server::{Config, ServerError};
use millstream_wire::{
    Authenticate, Challenge, Credentials, ErrorAnswer, ErrorCode, Hello, Request, Response,
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn clients(config: &mut Config) {
    let path = config.data.with_file_name("clients.ini");
    let text = format!("[reader]\naws_access_key_id = READER\naws_secret_access_key = {SECRET}\n");
    std::fs::write(&path, text).unwrap();
    config.credentials = Some(path);
}

fn start() -> TestServer {
    TestServer::start_with(clients)
}

fn kinesis(server: &TestServer) -> SocketAddr {
    server.server().kinesis_addr().unwrap()
}

fn credentials(access_key: &str, secret: &str) -> Credentials {
    Credentials {
        access_key: access_key.to_owned(),
        secret_key: secret.to_owned(),
        session_token: None,
    }
}

/// What the Rust SDK would send.
fn signed(
    (access_key, secret): (&str, &str),
    service: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    time: SystemTime,
) -> Vec<u8> {
    let identity =
        aws_credential_types::Credentials::new(access_key, secret, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let named = [&[("host", "localhost")], headers].concat();
    let signable = SignableRequest::new(
        "POST",
        "http://localhost/",
        named.iter().copied(),
        SignableBody::Bytes(body),
    )
    .unwrap();
    let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
    let mut headers = headers.to_vec();
    headers.extend(instructions.headers());
    request("POST", "/", &headers, body)
}

const UNKNOWN: [(&str, &str); 2] = [
    ("content-type", JSON),
    ("x-amz-target", "Kinesis_20131202.ListStreams"),
];

fn ask(server: &TestServer, bytes: &[u8]) -> Reply {
    connect(kinesis(server)).ask(bytes)
}

#[test]
fn a_signature_opens_the_api_and_nothing_else_does() {
    let server = start();
    let now = SystemTime::now();
    let right = ("READER", SECRET);
    let reply = ask(&server, &signed(right, "kinesis", &UNKNOWN, b"{}", now));
    let fault = String::from_utf8_lossy(&reply.body).into_owned();
    for kind in ["Signature", "Authentication", "Unrecognized"] {
        assert!(!fault.contains(kind), "it was let in: {fault}");
    }
    let refused = |bytes: &[u8]| ask(&server, bytes).fault();
    assert_eq!(
        refused(&call(UNKNOWN[1].1, b"{}")),
        "MissingAuthenticationTokenException"
    );
    assert_eq!(
        refused(&signed(("WRITER", SECRET), "kinesis", &UNKNOWN, b"{}", now)),
        "UnrecognizedClientException"
    );
    assert_eq!(
        refused(&signed(
            ("READER", "guess"),
            "kinesis",
            &UNKNOWN,
            b"{}",
            now
        )),
        "InvalidSignatureException"
    );
    let hour = std::time::Duration::from_secs(3600);
    for time in [now - hour, now + hour] {
        let late = signed(right, "kinesis", &UNKNOWN, b"{}", time);
        assert_eq!(refused(&late), "InvalidSignatureException");
    }
    assert_eq!(
        refused(&signed(right, "monitoring", &UNKNOWN, b"{}", now)),
        "InvalidSignatureException"
    );
    let mut changed = signed(right, "kinesis", &UNKNOWN, b"{}", now);
    let at = changed.len() - 1;
    changed[at] = b' ';
    assert_eq!(refused(&changed), "InvalidSignatureException");

    // In the encoding of the request, and what is asked for comes first.
    let cbor = [("content-type", CBOR), UNKNOWN[1]];
    let reply = ask(&server, &request("POST", "/", &cbor, b"\xa0"));
    assert_eq!(reply.header("content-type"), Some(CBOR));
    assert!(reply.text().contains("MissingAuthenticationTokenException"));
    assert_eq!(
        refused(&call("Kinesis_20131202.No", b"{}")),
        "UnknownOperationException"
    );
}

#[test]
fn cloudwatch_and_sts_take_signatures_of_their_own() {
    let server = start();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = b"Action=GetCallerIdentity&Version=2011-06-15";
    let now = SystemTime::now();
    let right = ("READER", SECRET);
    let reply = ask(&server, &signed(right, "sts", &form, body, now));
    assert!(
        reply
            .text()
            .contains("<Arn>arn:aws:iam::000000000000:user/READER</Arn>"),
        "{}",
        reply.text()
    );
    let reply = ask(&server, &signed(right, "kinesis", &form, body, now));
    assert_eq!(reply.status, 403);
    assert!(
        reply.text().contains("SignatureDoesNotMatch"),
        "{}",
        reply.text()
    );
    let reply = ask(&server, &request("POST", "/", &form, body));
    assert!(
        reply.text().contains("MissingAuthenticationToken<"),
        "{}",
        reply.text()
    );
    let body = b"Action=PutMetricData&Namespace=n";
    let reply = ask(&server, &signed(right, "monitoring", &form, body, now));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn hello(versions: (u16, u16)) -> Request<'static> {
    Request::Hello(Hello {
        min_version: versions.0,
        max_version: versions.1,
        frame_limit: 1 << 20,
        client: "test",
    })
}

fn challenged(server: &TestServer) -> (Peer, Challenge) {
    let mut peer = server.connect_silently();
    match peer.call(&hello((1, 2))) {
        Response::Challenge(challenge) => (peer, challenge),
        other => panic!("{other:?}"),
    }
}

/// The error to an answer, after which the server closes.
fn not_let_in(mut peer: Peer, request: &Request<'_>) -> ErrorAnswer {
    let error = peer.error(request, &[]);
    peer.expect_close();
    error
}

#[test]
fn a_challenge_is_answered_with_the_secret_and_only_once() {
    let server = start();
    let (mut peer, challenge) = challenged(&server);
    let own = credentials("READER", SECRET);
    let answer = challenge.answer(&own, [7; 32]);
    let response = peer.call(&Request::Authenticate(answer));
    assert!(
        matches!(response, Response::HelloOk { version: 2, .. }),
        "{response:?}"
    );
    peer.ping();
    let error = peer.error(&Request::Authenticate(answer), &[]);
    assert_eq!(error.code, ErrorCode::BadRequest);

    // What was overheard is worth nothing on another connection.
    let (peer, other) = challenged(&server);
    assert_ne!(other.nonce, challenge.nonce);
    let error = not_let_in(peer, &Request::Authenticate(answer));
    assert_eq!(error.code, ErrorCode::NotAuthenticated);
}

#[test]
fn whoever_cannot_answer_is_not_let_in() {
    let server = start();
    for (access_key, secret) in [("READER", "guess"), ("WRITER", SECRET), ("", "")] {
        let (peer, challenge) = challenged(&server);
        let other = credentials(access_key, secret);
        let answer = Request::Authenticate(challenge.answer(&other, [7; 32]));
        let error = not_let_in(peer, &answer);
        assert_eq!(error.code, ErrorCode::NotAuthenticated, "{access_key}");
        assert!(error.message.contains(access_key));
    }
    let (peer, _) = challenged(&server);
    let error = not_let_in(peer, &Request::Ping);
    assert_eq!(error.code, ErrorCode::NotAuthenticated);
    // Nothing is said of streams before.
    let (peer, challenge) = challenged(&server);
    let nothing = Authenticate {
        access_key: "READER",
        nonce: [0; 32],
        proof: challenge.nonce,
    };
    not_let_in(peer, &Request::Authenticate(nothing));
    // A client of the first version is told what it would need.
    let peer = server.connect_silently();
    let error = not_let_in(peer, &hello((1, 1)));
    assert_eq!(error.code, ErrorCode::NotAuthenticated);
    assert!(error.message.contains("version 2"), "{}", error.message);
}

#[test]
fn clients_of_the_first_version_are_served_where_nobody_is_asked() {
    let server = TestServer::start();
    for (versions, spoken) in [((1, 1), 1), ((1, 2), 2), ((2, 7), 2)] {
        let mut peer = server.connect_silently();
        let response = peer.call(&hello(versions));
        assert!(
            matches!(response, Response::HelloOk { version, .. } if version == spoken),
            "{response:?}"
        );
        peer.ping();
    }
}

#[test]
fn the_binary_protocol_is_spoken_over_tls() {
    let server = TestServer::start_with(|config| {
        clients(config);
        config.tls.self_signed = true;
    });
    let pem = std::fs::read(server.server().certificate().unwrap().1).unwrap();
    let mut session = http::trusting(&pem, "localhost");
    let mut socket = server.connect_silently().socket;
    let mut stream = rustls::Stream::new(&mut session, &mut socket);
    stream
        .write_all(&fixture::frame(1, &hello((1, 2)), &[]))
        .unwrap();
    let mut head = [0; 24];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[8], 0x8f, "a challenge");
    // The line in the clear is still there for this machine.
    challenged(&server);
}

#[test]
fn other_machines_come_in_only_where_both_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let open = |change: &dyn Fn(&mut Config)| {
        let mut open = config(&directory.path().join("data"));
        open.kinesis.listen = "0.0.0.0:0".to_owned();
        change(&mut open);
        open
    };
    for (config, said) in [
        (
            open(&|_| {}),
            "asks no client who it is and does not encrypt",
        ),
        (open(&clients), "does not encrypt"),
        (
            open(&|config| config.tls.self_signed = true),
            "asks no client who it is",
        ),
    ] {
        let error = refusal(config);
        assert!(matches!(error, ServerError::Insecure { .. }), "{error:?}");
        let error = error.to_string();
        assert!(
            error.contains(said) && error.contains("--insecure"),
            "{error}"
        );
    }
    assert!(!directory.path().join("data").exists(), "nothing was made");
    let server = TestServer::start_with(|config| {
        clients(config);
        config.tls.self_signed = true;
        config.kinesis.listen = "0.0.0.0:0".to_owned();
        config.listen = "0.0.0.0:0".to_owned();
    });
    assert!(kinesis(&server).ip().is_unspecified());
    TestServer::start_with(|config| {
        config.insecure = true;
        config.kinesis.listen = "0.0.0.0:0".to_owned();
    });
}

#[test]
fn a_file_of_credentials_that_names_nobody_keeps_the_server_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(&directory.path().join("data"));
    let path = directory.path().join("nobody.ini");
    config.credentials = Some(path.clone());
    let missing = refusal(config.clone());
    assert!(missing.to_string().contains("nobody.ini"), "{missing}");
    std::fs::write(&path, "# nobody\n").unwrap();
    let nobody = refusal(config);
    assert!(nobody.to_string().contains("names nobody"), "{nobody}");
}
