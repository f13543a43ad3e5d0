//! A stream from its creation to its deletion.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use serde_json::Value;
use server::Server;

fn json(output: &[u8]) -> Value {
    serde_json::from_slice(output).unwrap()
}

#[test]
fn a_stream_is_created_listed_described_changed_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    let list = || json(&server.run(&["stream", "list", "--output", "json"]));
    assert_eq!(list()["streams"], Value::Array(vec![]));

    server.run(&[
        "stream",
        "create",
        "b",
        "--shards",
        "3",
        "--retention-hours",
        "48",
    ]);
    server.run(&[
        "stream",
        "create",
        "a",
        "--compression",
        "zstd:3",
        "--durability",
        "written",
    ]);
    let streams = list()["streams"].clone();
    assert_eq!(streams[0]["name"], "a");
    assert_eq!(streams[1]["name"], "b");
    assert_eq!(streams[1]["shards"], 3);
    assert_eq!(streams[1]["retention_hours"], 48);

    server.run(&["stream", "retention", "b", "72"]);
    server.run_with(&["put", "b", "--key", "k"], b"1\n2\n3\n");
    let described = json(&server.run(&["stream", "describe", "b", "--output", "json"]));
    assert_eq!(described["retention_hours"], 72);
    assert_eq!(described["status"], "active");
    let shards = described["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 3);
    assert_eq!(shards[0]["first_hash_key"], "0");
    assert_eq!(shards[2]["last_hash_key"], u128::MAX.to_string());
    let records: u64 = shards
        .iter()
        .map(|shard| shard["end"].as_u64().unwrap())
        .sum();
    assert_eq!(records, 3);

    let described = json(&server.run(&["stream", "describe", "a", "--output", "json"]));
    assert_eq!(described["compression"], "zstd:3");
    assert_eq!(described["durability"], "written");

    let table = String::from_utf8(server.run(&["stream", "list"])).unwrap();
    let headings: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        headings,
        ["NAME", "STATUS", "SHARDS", "RETENTION", "CREATED"]
    );
    assert_eq!(table.lines().count(), 3);

    server.run(&["stream", "delete", "b"]);
    assert_eq!(list()["streams"].as_array().unwrap().len(), 1);
    server.fails(1, &["get", "b"]);
}
