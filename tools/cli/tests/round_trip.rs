//! Lines put with a key field come back as the same lines, in the same order for each key.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod server;

use std::collections::HashMap;

use server::{Server, lines};

/// Lines with few keys, empty data after the key, tabs, and bytes that are not UTF-8.
fn input() -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..30_000u32 {
        let key = number.wrapping_mul(2_654_435_761) % 257;
        text.extend_from_slice(format!("  key-{key}\tline {number} ").as_bytes());
        text.extend_from_slice(&[0xff, (number % 256) as u8 | 0x80][..(number % 3) as usize]);
        text.extend(std::iter::repeat_n(b'.', (number % 200) as usize));
        text.push(b'\n');
    }
    text.extend_from_slice(b"last-key without a newline");
    text
}

fn by_key<'a>(lines: &[&'a [u8]]) -> HashMap<&'a [u8], Vec<&'a [u8]>> {
    let mut keys: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for line in lines {
        let trimmed = line.trim_ascii_start();
        let end = trimmed.iter().position(u8::is_ascii_whitespace);
        let key = &trimmed[..end.unwrap_or(trimmed.len())];
        keys.entry(key).or_default().push(line);
    }
    keys
}

#[test]
fn lines_come_back_byte_for_byte_and_in_the_order_of_each_key() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    server.run(&["stream", "create", "text", "--shards", "4"]);

    let mut input = input();
    let file = directory.path().join("input.txt");
    std::fs::write(&file, &input).unwrap();
    let summary = server.run(&["put", "text", file.to_str().unwrap(), "--key-field", "1"]);
    let summary = String::from_utf8(summary).unwrap();
    assert!(summary.starts_with("put 30001 records, "), "{summary}");
    assert!(summary.contains(" records/s, ") && summary.contains(" MB/s, 0 retried"));

    let output = server.run(&["get", "text"]);
    input.push(b'\n');
    let (put, got) = (lines(&input), lines(&output));
    assert_eq!(put.len(), got.len());
    // The same lines for each key, in the same order, is more than the same multiset.
    assert!(by_key(&put) == by_key(&got), "lines differ");

    let shards: usize = (0..4)
        .map(|shard| {
            let shard = format!("shardId-{shard:012}");
            let output = server.run(&["get", "text", "--shard", &shard]);
            assert!(!output.is_empty(), "{shard} has no records");
            lines(&output).len()
        })
        .sum();
    assert_eq!(shards, put.len());
    server.stop();

    let server = Server::start(&directory.path().join("data"));
    let again = server.run(&["get", "text"]);
    assert!(
        by_key(&lines(&again)) == by_key(&put),
        "lines differ after a restart"
    );
}

#[test]
fn a_raw_put_is_one_record() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    server.run(&["stream", "create", "files"]);
    let input: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    server.run_with(&["put", "files", "--raw", "--key", "k"], &input);
    let mut output = server.run(&["get", "files"]);
    assert_eq!(output.pop(), Some(b'\n'));
    assert!(output == input, "the record differs");
}
