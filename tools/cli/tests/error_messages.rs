//! What goes wrong is told clearly, with its exit code, and the server goes on serving.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use server::{Server, command, failed, run};

fn serve(arguments: &[&str]) -> String {
    let mut all = vec!["serve"];
    all.extend_from_slice(arguments);
    failed(1, run(&all))
}

#[test]
fn a_server_that_is_not_there_is_told_with_what_to_do() {
    // Port 1 of loopback: nothing listens there.
    let said = failed(1, run(&["--server", "127.0.0.1:1", "stream", "list"]));
    assert!(
        said.contains("127.0.0.1:1") && said.contains("millstream serve"),
        "{said}"
    );
}

#[test]
fn the_server_is_taken_from_the_environment() {
    let mut list = command();
    list.env("MILLSTREAM_SERVER", "127.0.0.1:2")
        .args(["stream", "list"]);
    let said = failed(1, list.output().unwrap());
    assert!(said.contains("127.0.0.1:2"), "{said}");
}

#[test]
fn bad_requests_are_refused_and_the_server_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data);
    server.run(&["stream", "create", "logs"]);

    let said = |arguments: &[&str]| server.fails(1, arguments);
    let message = said(&["get", "nope"]);
    assert!(
        message.contains("nope") && message.contains("stream list"),
        "{message}"
    );
    for arguments in [
        &["stream", "create", ""][..],
        &["stream", "create", "white space"],
        &["stream", "create", "zero", "--shards", "0"],
        &["stream", "create", "many", "--shards", "100001"],
        &["stream", "create", "short", "--retention-hours", "23"],
        &["stream", "create", "long", "--retention-hours", "8761"],
        &["stream", "retention", "logs", "23"],
        &["stream", "create", "logs"],
        &["stream", "delete", "nope"],
    ] {
        let message = said(arguments);
        assert!(message.starts_with("error: "), "{arguments:?}: {message}");
    }
    let message = said(&["get", "logs", "--shard", "7"]);
    assert!(message.contains("no shard 7"), "{message}");

    let put = |arguments: &[&str], input: &[u8]| {
        let mut all = vec!["put", "logs"];
        all.extend_from_slice(arguments);
        failed(1, server.output_with(&all, input))
    };
    let message = put(&["--key-field", "2"], b"a b\nc d\nlonely\n");
    assert!(
        message.contains("standard input, line 3: field 2 is empty"),
        "{message}"
    );
    let message = put(&["--key-field", "1"], b"ok\n\xff\xfe\n");
    assert!(
        message.contains("line 2: field 1 is not UTF-8"),
        "{message}"
    );
    let message = put(&["--key", "k"], &vec![b'x'; (10 << 20) + 1]);
    assert!(message.contains("line 1"), "{message}");
    let message = put(&["--key", "k", "--raw"], &vec![b'x'; (10 << 20) + 1]);
    assert!(message.contains("record may have"), "{message}");
    server.fails(2, &["put", "logs", "/no/such/file"]);
    server.fails(2, &["put", "logs", "--key", ""]);

    // The lines before a bad one were put, and are told.
    let output = server.run(&["get", "logs"]);
    assert_eq!(output.iter().filter(|byte| **byte == b'\n').count(), 3);

    let in_use = failed(
        1,
        command()
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--kinesis",
                "off",
                "--data",
            ])
            .arg(&data)
            .output()
            .unwrap(),
    );
    assert!(in_use.contains("in use"), "{in_use}");
    server.run(&["stream", "list"]);
    server.stop();
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let said = serve(&["--data", data, "--listen", "0.0.0.0:0"]);
    assert!(said.contains("--insecure"), "{said}");

    let config = directory.path().join("config.toml");
    let config_path = config.to_str().unwrap();
    std::fs::write(&config, "listen = \"127.0.0.1:0\"\nlissten = 1\n").unwrap();
    let said = failed(2, run(&["serve", "--config", config_path]));
    assert!(
        said.contains("lissten") && said.contains("config.toml"),
        "{said}"
    );
    let said = failed(2, run(&["serve", "--config", "/no/such/file.toml"]));
    assert!(said.contains("/no/such/file.toml"), "{said}");
}
