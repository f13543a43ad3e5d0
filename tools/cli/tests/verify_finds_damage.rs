//! `verify`, `inspect` and `get` on a store that is clean, damaged, and not there.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use serde_json::Value;
use server::{Server, command, failed, lines, succeeded};

const RECORDS: u64 = 5000;
const PUTS: u64 = 5;

fn offline(verb: &str, path: &Path) -> std::process::Output {
    let mut offline = command();
    offline.args(["--output", "json", verb]).arg(path);
    offline.output().unwrap()
}

/// The largest file that holds the bytes, and where.
fn find(directory: &Path, needle: &[u8]) -> Option<(PathBuf, u64)> {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = find(&path, needle) {
                return Some(found);
            }
        } else {
            let bytes = fs::read(&path).unwrap();
            let at = bytes.windows(needle.len()).position(|w| w == needle);
            if let Some(at) = at {
                return Some((path, at as u64));
            }
        }
    }
    None
}

#[test]
fn damage_is_found_and_placed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data);
    server.run(&["stream", "create", "logs", "--shards", "2"]);
    // Several puts, so that there are batches before and after the damaged one.
    for put in 0..PUTS {
        let numbers = put * RECORDS / PUTS..(put + 1) * RECORDS / PUTS;
        let input: String = numbers.map(|n| format!("record number {n:06}\n")).collect();
        server.run_with(&["put", "logs", "--key-field", "3"], input.as_bytes());
    }
    server.stop();

    let report: Value = serde_json::from_slice(&succeeded(offline("verify", &data))).unwrap();
    assert_eq!(report["records"], RECORDS);
    assert_eq!(report["damage"], Value::Array(vec![]));
    let store: Value = serde_json::from_slice(&succeeded(offline("inspect", &data))).unwrap();
    assert_eq!(store["shards"].as_array().unwrap().len(), 2);

    let (file, at) = find(&data, b"record number 002007").unwrap();
    let segment = fs::OpenOptions::new().write(true).open(&file).unwrap();
    segment.write_all_at(b"R", at).unwrap();
    let output = offline("verify", &data);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let damage = report["damage"].as_array().unwrap();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0]["file"], file.to_str().unwrap());

    let server = Server::start(&data);
    let output = server.command(&["get", "logs"]).output().unwrap();
    let got = lines(&output.stdout);
    assert!(
        got.contains(&&b"record number 000000"[..]),
        "what is before the damage"
    );
    assert!(
        got.contains(&&b"record number 004999"[..]),
        "what is after it"
    );
    assert!(
        !got.contains(&&b"record number 002007"[..]),
        "what is damaged"
    );
    let said = failed(1, output);
    assert_eq!(said.matches("damaged: shardId-").count(), 1, "{said}");
    drop(server);

    failed(2, offline("verify", &directory.path().join("nothing")));
    failed(2, offline("inspect", &directory.path().join("nothing")));
}

#[test]
fn a_missing_segment_is_told_by_whoever_reads() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let config = directory.path().join("millstream.toml");
    fs::write(&config, "[store]\nsegment_bytes = \"1 MiB\"\n").unwrap();
    let server = Server::start_at(
        &data,
        "127.0.0.1:0",
        &["--config", config.to_str().unwrap()],
    );
    server.run(&["stream", "create", "logs", "--shards", "1"]);
    let input: String = (0..60_000)
        .map(|n| format!("record number {n:060}\n"))
        .collect();
    server.run_with(&["put", "logs", "--key", "k"], input.as_bytes());
    server.stop();
    let (first, _) = find(&data, format!("record number {:060}", 0).as_bytes()).unwrap();
    let second = first.with_file_name("0000000000000001.seg");
    fs::remove_file(&second).unwrap();
    failed(1, offline("verify", &data));

    let server = Server::start(&data);
    let output = server.command(&["get", "logs"]).output().unwrap();
    let got = lines(&output.stdout);
    let record = |n: u64| format!("record number {n:060}").into_bytes();
    assert!(got.contains(&&record(0)[..]), "what is before the gap");
    assert!(got.contains(&&record(59_999)[..]), "what is after it");
    let said = failed(1, output);
    assert!(said.contains("damaged: shardId-000000000000"), "{said}");
    assert!(said.contains("0000000000000001.seg"), "{said}");
    let output = server.command(&["get", "logs", "--limit", "3"]).output();
    assert_eq!(lines(&succeeded(output.unwrap())).len(), 3);
}
