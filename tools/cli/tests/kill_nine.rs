//! A server that is killed while a client puts: every record is there once, in order.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use std::{
    collections::HashMap,
    io::Write,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use server::{Server, command, lines, succeeded};

const LINES: usize = 60_000;
const KILLS: usize = 3;

#[test]
fn records_put_while_the_server_is_killed_are_there_once_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data);
    let address = server.address().to_owned();
    server.run(&["stream", "create", "text", "--shards", "4"]);

    let mut put = server
        .command(&["put", "text", "--key-field", "1", "--retry-for", "120s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = put.stdin.take().unwrap();
    let written = AtomicUsize::new(0);
    let (summary, server) = std::thread::scope(|scope| {
        let mut server = server;
        scope.spawn(|| {
            for number in 0..LINES {
                let line = format!("key-{} line {number} {}\n", number % 97, ".".repeat(100));
                if stdin.write_all(line.as_bytes()).is_err() {
                    break;
                }
                written.store(number + 1, Ordering::Relaxed);
                if number % 1000 == 0 {
                    // So that the kills below meet a put under way.
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            drop(stdin);
        });
        for kill in 1..=KILLS {
            while written.load(Ordering::Relaxed) < LINES * kill / (KILLS + 1)
                && put.try_wait().unwrap().is_none()
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(
                put.try_wait().unwrap().is_none(),
                "the put ended before kill {kill}"
            );
            server.kill();
            server = Server::start_at(&data, &address, &[]);
        }
        (succeeded(put.wait_with_output().unwrap()), server)
    });
    let summary = String::from_utf8(summary).unwrap();
    assert!(
        summary.starts_with(&format!("put {LINES} records, ")),
        "{summary}"
    );

    let output = server.run(&["get", "text"]);
    let mut keys: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for line in lines(&output) {
        let mut fields = line.split(|byte| *byte == b' ');
        let key = fields.next().unwrap().to_vec();
        let number = std::str::from_utf8(fields.nth(1).unwrap()).unwrap();
        keys.entry(key).or_default().push(number.parse().unwrap());
    }
    for (key, numbers) in &keys {
        let first = numbers[0];
        let expected: Vec<usize> = (first..LINES).step_by(97).collect();
        assert!(
            first < 97 && *numbers == expected,
            "{}",
            String::from_utf8_lossy(key)
        );
    }
    assert_eq!(keys.len(), 97);

    server.stop();
    let verify = command().arg("verify").arg(&data).output().unwrap();
    succeeded(verify);
}
