//! `snapshot` of a data directory whose server is at work, `repair` of one that is damaged, and a
//! server on the result of each.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use std::{
    fs,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::Value;
use server::{Server, command, failed, lines, succeeded};

fn offline(arguments: &[&str], paths: &[&Path]) -> std::process::Output {
    let mut offline = command();
    offline
        .args(["--output", "json"])
        .args(arguments)
        .args(paths);
    offline.output().unwrap()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn numbers(from: u64, to: u64) -> String {
    (from..to)
        .map(|n| format!("record number {n:06}\n"))
        .collect()
}

#[test]
fn a_server_at_work_is_copied_with_all_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data);
    server.run(&["stream", "create", "logs", "--shards", "3"]);
    server.run_with(
        &["put", "logs", "--key-field", "3"],
        numbers(0, 3000).as_bytes(),
    );
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Records go on coming, streams come and go.
        scope.spawn(|| {
            for at in (3000..)
                .step_by(500)
                .take_while(|_| !stop.load(Ordering::SeqCst))
            {
                let input = numbers(at, at + 500);
                server.run_with(&["put", "logs", "--key-field", "3"], input.as_bytes());
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                server.run(&["stream", "create", "passing", "--shards", "2"]);
                server.run(&["stream", "delete", "passing"]);
            }
        });
        for round in 0..4 {
            let target = directory.path().join(format!("copy-{round}"));
            let how: &[&str] = if round % 2 == 0 {
                &["snapshot"]
            } else {
                &["snapshot", "--copy"]
            };
            let report = json(&succeeded(offline(how, &[&data, &target])));
            assert!(report["shards"].as_u64().unwrap() >= 3, "{report}");
            // In use it is never taken for damaged either.
            succeeded(offline(&["verify"], &[&data]));
        }
        stop.store(true, Ordering::SeqCst);
    });
    server.stop();
    for round in 0..4 {
        let target = directory.path().join(format!("copy-{round}"));
        succeeded(offline(&["verify"], &[&target]));
        let copy = Server::start(&target);
        let got = copy.run(&["get", "logs"]);
        let got = lines(&got);
        let has = |n: u64| got.contains(&format!("record number {n:06}").as_bytes());
        assert!((0..3000).all(has));
        copy.run_with(&["put", "logs", "--key", "k"], b"more\n");
        copy.stop();
    }
    let said = failed(
        2,
        offline(&["snapshot"], &[&directory.path().join("none"), &data]),
    );
    assert!(said.contains("cannot read"), "{said}");
}

#[test]
fn a_damaged_directory_is_repaired_and_served() {
    let directory = tempfile::tempdir().unwrap();
    let (data, target) = (directory.path().join("data"), directory.path().join("new"));
    let server = Server::start(&data);
    server.run(&["stream", "create", "logs", "--shards", "1"]);
    for put in 0..5 {
        let input = numbers(put * 1000, (put + 1) * 1000);
        server.run_with(&["put", "logs", "--key", "k"], input.as_bytes());
    }
    server.stop();
    let shards = fs::read_dir(data.join("store/shards")).unwrap();
    let shard = shards.last().unwrap().unwrap().path();
    let segment = shard.join("0000000000000000.seg");
    let bytes = fs::read(&segment).unwrap();
    let needle = b"record number 002007";
    let at = bytes
        .windows(needle.len())
        .position(|w| w == needle)
        .unwrap();
    let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
    file.write_all_at(b"R", at as u64).unwrap();

    let output = offline(&["repair"], &[&data, &target]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output.stdout);
    let lost = report["records_lost"].as_u64().unwrap();
    assert!(lost > 0 && report["verified"] == true, "{report}");
    assert_eq!(report["records"].as_u64().unwrap() + lost, 5000);
    let gap = &report["damage"][0];
    let (first, end) = (
        gap["sequence"].as_u64().unwrap(),
        gap["end"].as_u64().unwrap(),
    );
    assert!(first <= 2007 && 2007 < end && end - first == lost, "{gap}");
    assert_eq!(
        json(&offline(&["verify"], &[&data]).stdout)["records_lost"],
        lost
    );
    succeeded(offline(&["verify"], &[&target]));

    let server = Server::start(&target);
    let got = server.run(&["get", "logs", "--format", "json"]);
    let got: Vec<u64> = lines(&got)
        .into_iter()
        .map(|line| json(line)["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(got, (0..first).chain(end..5000).collect::<Vec<_>>());
    server.run_with(&["put", "logs", "--key", "k"], b"more\n");
    server.stop();

    fs::remove_file(data.join("catalog.redb")).unwrap();
    let report = json(&offline(&["verify"], &[&data]).stdout);
    let reasons: Vec<_> = report["damage"].as_array().unwrap().iter().collect();
    assert!(
        reasons
            .iter()
            .any(|d| d["reason"].as_str().unwrap().contains("catalog"))
    );
    failed(2, offline(&["repair"], &[&data, &target]));
}
