//! The bytes of every message are as they were first written down: a change of them is a change
//! of the protocol. `docs/PROTOCOL.md` shows an exchange whose bytes are checked here too.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod messages;

use std::collections::BTreeMap;

use messages::{requests, responses};
use millstream_format::{BATCH_HEADER_LEN, BatchBuilder, BatchHeader, RawBody, Record};
use millstream_wire::{
    DEFAULT_FRAME_LIMIT, FrameHead, Hello, PutAnswer, PutGroup, Request, Response,
};

const FRAMES: &str = include_str!("golden/frames.txt");
const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");
const CORRELATION: u64 = 0x0102_0304_0506_0708;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn golden() -> BTreeMap<&'static str, &'static str> {
    let lines = FRAMES.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).collect()
}

#[test]
fn every_message_has_its_bytes() {
    let golden = golden();
    let mut wrong = String::new();
    let mut seen = 0;
    let mut check = |name: &str, bytes: Vec<u8>| {
        seen += 1;
        let found = hex(&bytes);
        if golden.get(name) != Some(&&*found) {
            wrong += &format!("{name} {found}\n");
        }
        let head = FrameHead::parse(&bytes, DEFAULT_FRAME_LIMIT)
            .unwrap()
            .unwrap();
        assert_eq!(head.header.correlation, CORRELATION);
        assert_eq!((head.len(), head.header.payload_len), (bytes.len(), 0));
    };
    for (name, request) in requests() {
        let mut bytes = Vec::new();
        request.encode(CORRELATION, 0, &mut bytes).unwrap();
        check(name, bytes);
    }
    for (name, response) in responses() {
        let mut bytes = Vec::new();
        response.encode(CORRELATION, 0, &mut bytes).unwrap();
        check(name, bytes);
    }
    assert!(
        wrong.is_empty(),
        "these differ from golden/frames.txt:\n{wrong}"
    );
    assert_eq!(seen, golden.len());
}

/// The code blocks of the document that are marked as bytes of a frame: hexadecimal in front of
/// a `|`, a remark behind it.
fn documented() -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    for block in PROTOCOL.split("```bytes\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        let mut bytes = Vec::new();
        for line in block.lines() {
            let (digits, _) = line.split_once('|').unwrap_or((line, ""));
            for byte in digits.split_whitespace() {
                bytes.push(u8::from_str_radix(byte, 16).unwrap());
            }
        }
        blocks.push(bytes);
    }
    blocks
}

#[test]
fn the_worked_example_is_what_is_sent() {
    let mut builder = BatchBuilder::new(vec![0; 256]);
    assert!(builder.push(&Record::new("user-7", b"hello")));
    let (mut batch, header) = builder.finish();
    batch.truncate(header.batch_len());

    let mut expected = Vec::new();
    let mut frame = |encode: &dyn Fn(&mut Vec<u8>), payload: &[u8]| {
        let mut bytes = Vec::new();
        encode(&mut bytes);
        bytes.extend_from_slice(payload);
        expected.push(bytes);
    };
    let hello = Request::Hello(Hello {
        min_version: 1,
        max_version: 1,
        frame_limit: DEFAULT_FRAME_LIMIT,
        client: "example",
    });
    frame(&|out| hello.encode(0, 0, out).unwrap(), &[]);
    let hello_ok = Response::HelloOk {
        version: 1,
        frame_limit: DEFAULT_FRAME_LIMIT,
        window: 256,
        server: "millstream".to_owned(),
    };
    frame(&|out| hello_ok.encode(0, 0, out).unwrap(), &[]);
    let put = Request::Put { stream: "clicks" };
    frame(&|out| put.encode(1, batch.len(), out).unwrap(), &batch);
    let answer = Response::Put(PutAnswer {
        groups: vec![PutGroup {
            shard: 2,
            refused: None,
            first_sequence: 41,
        }],
        group_of: vec![0],
        errors: Vec::new(),
    });
    frame(&|out| answer.encode(1, 0, out).unwrap(), &[]);

    let documented = documented();
    for (at, bytes) in expected.iter().enumerate() {
        let found = documented.get(at).map(|found| hex(found));
        assert_eq!(found, Some(hex(bytes)), "block {at} of docs/PROTOCOL.md");
    }
    assert_eq!(documented.len(), expected.len());
    // And the payload of the put is a batch.
    let payload = &documented[2][documented[2].len() - batch.len()..];
    let header = BatchHeader::decode(payload).unwrap().unwrap();
    let body = &payload[BATCH_HEADER_LEN..];
    header.verify_body(body).unwrap();
    let records: Vec<_> = RawBody::new(&header, body).unwrap().records().collect();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].clone().unwrap().data, b"hello");
}
