//! `get --follow` gives what is there and what comes, until its limit or an interrupt.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use server::Server;

#[test]
fn a_follower_sees_what_is_put_later() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    server.run(&["stream", "create", "events", "--shards", "2"]);
    server.run_with(&["put", "events", "--key", "a"], b"first\n");
    let mut follow = server
        .command(&["get", "events", "--follow", "--limit", "3"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || lines.next().map(Result::unwrap);
    assert_eq!(next().as_deref(), Some("first"));
    server.run_with(&["put", "events", "--key", "a"], b"second\n");
    assert_eq!(next().as_deref(), Some("second"));
    server.run_with(&["put", "events", "--key", "b"], b"third\n");
    assert_eq!(next().as_deref(), Some("third"));
    assert_eq!(next(), None);
    assert!(follow.wait().unwrap().success());
}

#[test]
fn an_interrupt_ends_a_follower_without_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    server.run(&["stream", "create", "events"]);
    server.run_with(&["put", "events", "--key", "a"], b"first\n");
    let mut follow = server
        .command(&["get", "events", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    kill_process(Pid::from_child(&follow), Signal::INT).unwrap();
    assert!(lines.next().is_none());
    assert!(follow.wait().unwrap().success());
}
