//! A put that cannot end well says what became of its records.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod server;

use std::{io::Write, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use server::{Server, failed};

#[test]
fn an_interrupted_put_finishes_what_it_has_read() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    server.run(&["stream", "create", "logs"]);
    let mut put = server
        .command(&["put", "logs", "--key", "k"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = put.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\nhalf a li").unwrap();
    while server.run(&["get", "logs"]).is_empty() {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&put), Signal::INT).unwrap();
    let output = put.wait_with_output().unwrap();
    assert!(
        output.stdout.starts_with(b"put 2 records, 6 bytes"),
        "{output:?}"
    );
    let said = failed(1, output);
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(server.run(&["get", "logs"]), b"one\ntwo\n");
    drop(stdin);
}

#[test]
fn a_server_that_stays_away_fails_the_put() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    server.run(&["stream", "create", "logs"]);
    let mut put = server
        .command(&["put", "logs", "--output", "json", "--retry-for", "200ms"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = put.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    while server.run(&["get", "logs"]).is_empty() {
        std::thread::yield_now();
    }
    server.kill();
    stdin.write_all(b"two\n").unwrap();
    drop(stdin);
    let output = put.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["records"], 2);
    assert_eq!(summary["acknowledged"], 1);
    let lost = summary["refused"].as_u64().unwrap() + summary["unknown"].as_u64().unwrap();
    assert_eq!(lost, 1);
    let said = failed(1, output);
    assert!(said.contains("of 2 records, 1 acknowledged"), "{said}");
}
