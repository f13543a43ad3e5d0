//! A server that asks is told who the user is: by option, environment or profile; over TLS whose
//! certificate the user names.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use std::path::Path;

use server::{Server, failed, succeeded};

fn start(directory: &Path) -> Server {
    let clients = directory.join("clients.ini");
    let text = "[default]\naws_access_key_id = me\naws_secret_access_key = my secret\n[other]\naws_access_key_id = other\naws_secret_access_key = another\n";
    std::fs::write(&clients, text).unwrap();
    let clients = clients.to_str().unwrap();
    let options = [
        "--credentials",
        clients,
        "--tls-name",
        "streams.example.com",
    ];
    Server::start_at(&directory.join("data"), "127.0.0.1:0", &options)
}

#[test]
fn options_environment_and_profiles_say_who_asks() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let list = || server.command(&["stream", "list"]);
    let by_option = ["--access-key", "me", "--secret-key", "my secret"];
    succeeded(list().args(by_option).output().unwrap());
    let mut by_environment = list();
    by_environment
        .env("AWS_ACCESS_KEY_ID", "me")
        .env("AWS_SECRET_ACCESS_KEY", "my secret");
    succeeded(by_environment.output().unwrap());
    let file = directory.path().join("clients.ini");
    let profiles = || {
        let mut command = list();
        command.env("AWS_SHARED_CREDENTIALS_FILE", &file);
        command
    };
    succeeded(profiles().output().unwrap());
    succeeded(profiles().args(["--profile", "other"]).output().unwrap());
    succeeded(profiles().env("AWS_PROFILE", "other").output().unwrap());

    let said = failed(1, list().output().unwrap());
    assert!(
        said.contains("asks who you are") && said.contains("--access-key"),
        "{said}"
    );
    let wrong = ["--access-key", "me", "--secret-key", "guess"];
    let said = failed(1, list().args(wrong).output().unwrap());
    assert!(
        said.contains("NotAuthenticated") && said.contains("\"me\""),
        "{said}"
    );
    assert!(!said.contains("guess"), "{said}");
    let said = failed(
        2,
        profiles().args(["--profile", "nobody"]).output().unwrap(),
    );
    assert!(said.contains("nobody"), "{said}");
    let said = failed(2, list().args(["--access-key", "me"]).output().unwrap());
    assert!(said.contains("AWS_SECRET_ACCESS_KEY"), "{said}");
    server.stop();
}

#[test]
fn a_server_that_does_not_ask_does_not_mind_what_the_environment_says() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    let mut list = server.command(&["stream", "list"]);
    list.env("AWS_PROFILE", "of-other-tools")
        .env("AWS_ACCESS_KEY_ID", "half");
    succeeded(list.output().unwrap());
    server.stop();
}

#[test]
fn records_go_and_come_over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let certificate = server.report["certificate"]["file"].as_str().unwrap();
    let fingerprint = server.report["certificate"]["sha256"].as_str().unwrap();
    assert_eq!(fingerprint.len(), 32 * 3 - 1, "{fingerprint}");
    let secure = [
        "--tls-ca",
        certificate,
        "--access-key",
        "me",
        "--secret-key",
        "my secret",
    ];
    let run = |arguments: &[&str]| {
        let mut command = server.command(arguments);
        command.args(secure);
        command
    };
    succeeded(
        run(&["stream", "create", "s", "--shards", "2"])
            .output()
            .unwrap(),
    );
    // More than what a socket or a session of TLS takes at once.
    let line = "x".repeat(100_000);
    let input = directory.path().join("input");
    std::fs::write(&input, format!("{line}\n").repeat(100)).unwrap();
    succeeded(
        run(&["put", "s", input.to_str().unwrap()])
            .output()
            .unwrap(),
    );
    let got = succeeded(run(&["get", "s"]).output().unwrap());
    assert_eq!(got.len(), 100 * (line.len() + 1));

    let named = ["--tls-server-name", "streams.example.com"];
    succeeded(run(&["stream", "list"]).args(named).output().unwrap());
    let named = ["--tls-server-name", "other.example.com"];
    failed(1, run(&["stream", "list"]).args(named).output().unwrap());
    server.stop();
}
