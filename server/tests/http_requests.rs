//! The AWS API takes requests as they come, and tells those that are wrong what is wrong with them,
//! in AWS's words and in the encoding of the request.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod fixture;
mod http;

use std::{
    io::Write,
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use fixture::TestServer;
use flate2::{Compression, write::GzEncoder};
use http::{CBOR, JSON, LIST_STREAMS, Reply, call, connect, request};

fn kinesis(server: &TestServer) -> SocketAddr {
    server.server().kinesis_addr().unwrap()
}

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const METRIC: &[u8] = b"Action=PutMetricData&Version=2010-08-01&Namespace=n&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What every answer has.
fn check_headers(reply: &Reply) {
    let id = reply.header("x-amzn-requestid").unwrap();
    assert_eq!(id.len(), 36, "{id}");
    assert_eq!(&id[14..15], "4", "{id}");
    assert!(reply.header("x-amz-id-2").unwrap().len() >= 64);
    assert!(reply.header("date").unwrap().ends_with(" GMT"));
}

#[test]
fn wrong_targets_and_types_are_told_in_the_words_of_aws() {
    let server = TestServer::start();
    let mut client = connect(kinesis(&server));
    let reply = client.ask(&call("Kinesis_20131202.NoSuchThing", b"{}"));
    check_headers(&reply);
    assert_eq!(
        (reply.status, &*reply.fault()),
        (400, "UnknownOperationException")
    );
    assert_eq!(reply.header("content-type"), Some(JSON));
    let reply = client.ask(&call("DynamoDB_20120810.ListTables", b"{}"));
    assert_eq!(
        (reply.status, &*reply.fault()),
        (400, "UnknownOperationException")
    );

    let headers = [
        ("content-type", CBOR),
        ("x-amz-target", "Kinesis_20131202.Nothing"),
    ];
    let reply = client.ask(&request("POST", "/", &headers, b"\xa0"));
    assert_eq!(reply.header("content-type"), Some(CBOR));
    assert_eq!(&reply.body[..8], b"\xa2\x66__type", "{reply:?}");

    // Without a type that is known there is no encoding to answer in but XML.
    for kind in ["text/plain", ""] {
        let headers = [("content-type", kind), ("x-amz-target", LIST_STREAMS)];
        let reply = client.ask(&request("POST", "/", &headers, b"{}"));
        check_headers(&reply);
        assert_eq!(reply.status, 404);
        assert!(
            reply.text().starts_with("<UnknownOperationException>"),
            "{}",
            reply.text()
        );
    }
    for (method, headers) in [
        ("POST", &[("content-type", JSON)][..]),
        ("POST", &[]),
        (
            "GET",
            &[("content-type", JSON), ("x-amz-target", LIST_STREAMS)],
        ),
        ("OPTIONS", &[]),
    ] {
        let reply = client.ask(&request(method, "/", headers, b""));
        assert!(reply.status == 403 || reply.status == 400, "{reply:?}");
        assert!(reply.text().contains("AccessDeniedException"), "{reply:?}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_kept() {
    let server = TestServer::start();
    let address = kinesis(&server);
    let limit = 16 << 20;
    // Whoever asks first is told first.
    let mut client = connect(address);
    let head = format!(
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-type: {JSON}\r\nx-amz-target: {LIST_STREAMS}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        limit + 1
    );
    let reply = client.ask(head.as_bytes());
    assert_eq!(
        (reply.status, &*reply.fault()),
        (413, "RequestEntityTooLargeException")
    );

    // Whoever sends at once, with its length or without, can still read the answer.
    let mut client = connect(address);
    let reply = client.ask(&call(LIST_STREAMS, &vec![b' '; limit + 1]));
    assert_eq!(
        (reply.status, &*reply.fault()),
        (413, "RequestEntityTooLargeException")
    );
    let mut client = connect(address);
    client.send(format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-type: {JSON}\r\nx-amz-target: {LIST_STREAMS}\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes());
    let piece = [b"100000\r\n", &vec![b' '; 1 << 20][..], b"\r\n"].concat();
    for _ in 0..17 {
        client.send(&piece);
    }
    let reply = client.ask(b"0\r\n\r\n");
    assert_eq!(
        (reply.status, &*reply.fault()),
        (413, "RequestEntityTooLargeException")
    );

    // So is what becomes too large.
    let mut client = connect(address);
    let headers = [("content-type", FORM), ("content-encoding", "gzip")];
    let bomb = gzip(&vec![b'a'; limit + 1]);
    let reply = client.ask(&request("POST", "/", &headers, &bomb));
    assert_eq!(reply.status, 413, "{reply:?}");
}

#[test]
fn a_client_that_expects_to_be_told_is_told_to_go_on() {
    let server = TestServer::start();
    let mut client = connect(kinesis(&server));
    let len = METRIC.len();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-type: {FORM}\r\nexpect: 100-continue\r\ncontent-length: {len}\r\n\r\n"
    );
    assert_eq!(client.ask(head.as_bytes()).status, 100);
    let reply = client.ask(METRIC);
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn compressed_bodies_are_taken_and_broken_ones_told() {
    let server = TestServer::start();
    let mut client = connect(kinesis(&server));
    let whole = gzip(METRIC);
    let mut ask = |encoding: &str, body: &[u8]| {
        let headers = [("content-type", FORM), ("content-encoding", encoding)];
        client.ask(&request("POST", "/", &headers, body))
    };
    assert_eq!(ask("gzip", &whole).status, 200);
    assert_eq!(ask("identity", METRIC).status, 200);
    let mut broken = whole.clone();
    let at = broken.len() / 2;
    broken[at] ^= 0xff;
    for (encoding, body) in [
        ("gzip", &broken[..]),
        ("gzip", &whole[..whole.len() - 5]),
        ("gzip", METRIC),
        ("br", METRIC),
    ] {
        let reply = ask(encoding, body);
        assert_eq!(reply.status, 400, "{encoding}");
        assert!(
            reply.text().contains("<Code>MalformedQueryString</Code>"),
            "{}",
            reply.text()
        );
    }
}

#[test]
fn slow_senders_are_let_go() {
    let server = TestServer::start_with(|config| {
        config.limits.receive_timeout = Duration::from_millis(200);
        config.kinesis.idle_timeout = Duration::from_millis(200);
    });
    let address = kinesis(&server);
    // In the middle of a body.
    let mut client = connect(address);
    let whole = call(LIST_STREAMS, &[b' '; 1000]);
    let reply = client.ask(&whole[..whole.len() - 1]);
    assert_eq!(
        (reply.status, &*reply.fault()),
        (400, "SerializationException")
    );
    assert!(
        client.reply().is_none(),
        "nothing can follow on that connection"
    );
    // In the middle of a head, of the first bytes, and before them.
    for begun in [
        &b"POST / HTTP/1.1\r\nhost: h\r\n"[..],
        b"PRI * HT",
        b"P",
        b"",
    ] {
        let mut client = connect(address);
        client.send(begun);
        if let Some(reply) = client.reply() {
            assert_eq!(reply.status, 408, "{begun:?}");
            assert!(client.reply().is_none());
        }
    }
}

#[test]
fn a_client_that_closes_its_side_is_still_answered() {
    let server = TestServer::start();
    let mut client = connect(kinesis(&server));
    client.send(&call("Kinesis_20131202.NoSuchThing", b"{}"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.reply().unwrap().fault(), "UnknownOperationException");
    assert!(client.reply().is_none());
    // A body that ends early has nobody to be told, and harms nobody.
    let mut cut = connect(kinesis(&server));
    let whole = call(LIST_STREAMS, &[b' '; 1000]);
    cut.send(&whole[..whole.len() - 10]);
    cut.stream.shutdown(Shutdown::Write).unwrap();
    while cut.reply().is_some() {}
    let mut other = connect(kinesis(&server));
    assert_eq!(
        other
            .ask(&call("Kinesis_20131202.NoSuchThing", b"{}"))
            .status,
        400
    );
}

#[test]
fn requests_one_after_another_are_answered_in_order() {
    let server = TestServer::start();
    let mut client = connect(kinesis(&server));
    let mut all = Vec::new();
    for at in 0..20 {
        all.extend(call(&format!("Kinesis_20131202.No{at}"), b"{}"));
    }
    client.send(&all);
    let mut ids = std::collections::HashSet::new();
    for at in 0..20 {
        let reply = client.reply().unwrap();
        assert!(
            reply.text().contains(&format!("No{at}")),
            "{}",
            reply.text()
        );
        ids.insert(reply.header("x-amzn-requestid").unwrap().to_owned());
    }
    assert_eq!(ids.len(), 20, "each has an id of its own");
}

#[test]
fn what_is_no_http_is_refused() {
    let server = TestServer::start();
    let address = kinesis(&server);
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(200 << 10));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1000));
    for wrong in [
        &b"nonsense\r\n\r\n"[..],
        b"\x00\x01\x02\x03\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let mut client = connect(address);
        // The server may close before it has read all of it.
        let _ = client.stream.write_all(wrong);
        if let Some(reply) = client.reply() {
            assert!((400..500).contains(&reply.status), "{reply:?}");
        }
        assert!(client.reply().is_none());
    }
    // TLS, where there is none.
    let mut client = connect(address);
    client.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00");
    assert!(client.reply().is_none());
}

#[test]
fn scripts_of_web_pages_come_in_where_that_is_configured() {
    let origin = ("origin", "https://console.example.com");
    let preflight = [
        origin,
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,x-amz-target",
        ),
    ];
    let closed = TestServer::start();
    let mut client = connect(kinesis(&closed));
    let reply = client.ask(&request("OPTIONS", "/", &preflight, b""));
    assert_eq!(reply.status, 403);
    assert_eq!(reply.header("access-control-allow-origin"), None);

    let open = TestServer::start_with(|config| {
        config.kinesis.cors_origins = vec![origin.1.to_owned()];
    });
    let mut client = connect(kinesis(&open));
    let reply = client.ask(&request("OPTIONS", "/", &preflight, b""));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), Some(origin.1));
    assert_eq!(
        reply.header("access-control-allow-headers"),
        Some("content-type,x-amz-target")
    );
    assert_eq!(
        reply.header("access-control-allow-methods"),
        Some("GET,POST")
    );
    let headers = [
        ("content-type", JSON),
        ("x-amz-target", "Kinesis_20131202.No"),
        origin,
    ];
    let reply = client.ask(&request("POST", "/", &headers, b"{}"));
    assert_eq!(reply.header("access-control-allow-origin"), Some(origin.1));
    assert!(
        reply
            .header("access-control-expose-headers")
            .unwrap()
            .contains("x-amzn-RequestId")
    );
    let headers = [
        ("content-type", JSON),
        ("origin", "https://evil.example.com"),
    ];
    let reply = client.ask(&request("POST", "/", &headers, b"{}"));
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[test]
fn cloudwatch_and_sts_answer_in_the_protocol_they_are_asked_in() {
    let server = TestServer::start();
    let mut client = connect(kinesis(&server));
    let reply = client.ask(&request("POST", "/", &[("content-type", FORM)], METRIC));
    assert!(
        reply.text().starts_with("<PutMetricDataResponse"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.header("content-type"), Some("text/xml"));

    let json = br#"{"Namespace":"n","MetricData":[{"MetricName":"m","Value":1}]}"#;
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        (
            "x-amz-target",
            "GraniteServiceVersion20100801.PutMetricData",
        ),
    ];
    let reply = client.ask(&request("POST", "/", &headers, json));
    assert_eq!((reply.status, &*reply.text()), (200, "{}"));
    let headers = [
        ("smithy-protocol", "rpc-v2-cbor"),
        ("content-type", "application/cbor"),
    ];
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    let cbor = b"\xa1\x69Namespace\x61n";
    let reply = client.ask(&request("POST", path, &headers, cbor));
    assert_eq!((reply.status, &reply.body[..]), (200, &b"\xa0"[..]));
    assert_eq!(reply.header("smithy-protocol"), Some("rpc-v2-cbor"));
    assert_eq!(reply.header("content-type"), Some("application/cbor"));
    let reply = client.ask(&request("POST", path, &headers, b"\xa0"));
    assert_eq!(reply.status, 400, "a namespace is missing");
    assert_eq!(reply.header("smithy-protocol"), Some("rpc-v2-cbor"));

    let form = b"Action=GetCallerIdentity&Version=2011-06-15";
    let reply = client.ask(&request("POST", "/", &[("content-type", FORM)], form));
    assert!(
        reply.text().contains("<Account>000000000000</Account>"),
        "{}",
        reply.text()
    );
    let reply = client.ask(&request(
        "GET",
        "/?Action=GetCallerIdentity&Version=2011-06-15",
        &[],
        b"",
    ));
    assert!(
        reply.text().contains("<Account>000000000000</Account>"),
        "{}",
        reply.text()
    );
    let reply = client.ask(&request(
        "POST",
        "/",
        &[("content-type", FORM)],
        b"Action=AssumeRole",
    ));
    assert_eq!(reply.status, 400);
    assert!(
        reply.text().contains("<Code>InvalidAction</Code>"),
        "{}",
        reply.text()
    );
}

#[test]
fn more_connections_than_the_limit_are_told_to_come_later() {
    let server = TestServer::start_with(|config| config.limits.connections = 1);
    let mut first = connect(kinesis(&server));
    assert_eq!(first.ask(&call("Kinesis_20131202.No", b"{}")).status, 400);
    let mut second = connect(kinesis(&server));
    assert_eq!(second.reply().unwrap().status, 503);
    assert!(second.reply().is_none());
}

#[test]
fn a_shutdown_closes_idle_connections_at_once() {
    let mut server = TestServer::start();
    let mut used = connect(kinesis(&server));
    used.ask(&call("Kinesis_20131202.No", b"{}"));
    let mut fresh = connect(kinesis(&server));
    server.stop();
    assert!(used.reply().is_none());
    assert!(fresh.reply().is_none());
}
