//! What `serve` says when it starts, and how it stops.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use server::{Server, command};

#[test]
fn the_first_screen_says_where_it_listens_and_what_to_try() {
    let directory = tempfile::tempdir().unwrap();
    let mut serve = command()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--kinesis", "127.0.0.1:0"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut screen = String::new();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    while !screen.contains("Ctrl-C") {
        screen += &lines.next().expect("the whole screen").unwrap();
        screen.push('\n');
    }
    assert!(
        screen.lines().count() <= 24,
        "more than a screen:\n{screen}"
    );
    for wanted in [
        "127.0.0.1:",
        "millstream-data",
        "0 streams",
        "stream create demo",
        "put demo",
        "get demo",
    ] {
        assert!(screen.contains(wanted), "no {wanted:?} in:\n{screen}");
    }
    assert!(directory.path().join("millstream-data").is_dir());

    // The three lines work as they are, but for the path of the binary.
    let tries: Vec<&str> = screen
        .lines()
        .filter(|line| line.contains(" demo"))
        .collect();
    assert_eq!(tries.len(), 3, "{screen}");
    let mut said = Vec::new();
    for line in tries {
        let output = std::process::Command::new("sh")
            .args(["-c", line.trim()])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        said = output.stdout;
    }
    assert!(!said.is_empty(), "get gave nothing");

    kill_process(Pid::from_child(&serve), Signal::INT).unwrap();
    assert!(serve.wait().unwrap().success());
}

#[test]
fn streams_are_recovered_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data);
    assert_eq!(server.report["streams"], 0);
    server.run(&["stream", "create", "a", "--shards", "3"]);
    server.run(&["stream", "create", "b"]);
    server.stop();
    let server = Server::start(&data);
    assert_eq!(server.report["streams"], 2);
    assert_eq!(server.report["shards"], 4);
    server.stop();
}

#[test]
fn the_portable_device_is_told_and_works() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start_at(&data, "127.0.0.1:0", &["--device", "portable"]);
    assert_eq!(server.report["device"], "portable");
    server.run(&["stream", "create", "a"]);
    server.run_with(&["put", "a", "--key", "k"], b"one\ntwo\n");
    assert_eq!(server.run(&["get", "a"]), b"one\ntwo\n");
    server.stop();
}

#[test]
fn options_win_over_the_configuration_file() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    let text = "data = \"/no/such/place\"\n[store]\ndevice = \"portable\"\n";
    std::fs::write(&config, text).unwrap();
    let data = directory.path().join("data");
    let options = ["--config", config.to_str().unwrap()];
    let server = Server::start_at(&data, "127.0.0.1:0", &options);
    assert_eq!(server.report["device"], "portable");
    assert_eq!(server.report["data"], data.to_str().unwrap());
}
