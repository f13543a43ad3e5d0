//! `get --format json`, and the positions that reading can start from.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use serde_json::{Value, json};
use server::{Server, lines};

fn values(output: &[u8]) -> Vec<Value> {
    let parse = |line: &&[u8]| serde_json::from_slice(line).unwrap();
    lines(output).iter().map(parse).collect()
}

#[test]
fn records_are_json_objects_one_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    server.run(&["stream", "create", "events"]);
    let summary = server.run_with(
        &[
            "put",
            "events",
            "--output",
            "json",
            "--key-field",
            "2",
            "--delimiter",
            ",",
        ],
        b"one,alice,\"quoted\"\ntwo,b\xc3\xb6b,\xff\xfe\nthree,alice,",
    );
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["records"], 3);
    assert_eq!(summary["acknowledged"], 3);
    assert_eq!(summary["retried"], 0);

    let all = values(&server.run(&["get", "events", "--format", "json"]));
    let expected = |sequence: u64, key: &str, field: &str, data: &str| {
        json!({
            "shard": "shardId-000000000000",
            "sequence": sequence,
            "timestamp": all[sequence as usize]["timestamp"],
            "partition_key": key,
            field: data,
        })
    };
    assert_eq!(
        all,
        [
            expected(0, "alice", "data", "one,alice,\"quoted\""),
            expected(1, "b\u{f6}b", "data_base64", "dHdvLGLDtmIs//4="),
            expected(2, "alice", "data", "three,alice,"),
        ]
    );
    let time = all[0]["timestamp"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");

    let from = |start: &str, more: &[&str]| {
        let mut arguments = vec!["get", "events", "--format", "json", "--from", start];
        arguments.extend_from_slice(more);
        values(&server.run(&arguments))
    };
    assert_eq!(from("at:1", &[]), all[1..]);
    assert_eq!(from("after:1", &[]), all[2..]);
    assert_eq!(from("oldest", &["--limit", "2"]), all[..2]);
    assert_eq!(from("at:1", &["--limit", "1", "--shard", "0"]), all[1..2]);
    assert_eq!(from("time:2020-01-01T00:00:00Z", &[]), all);
    assert!(from("latest", &[]).is_empty());
    assert!(from("at:3", &[]).is_empty());
}
