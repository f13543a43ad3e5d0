//! CBOR as the SDKs for Java send it, and what is not CBOR.

use std::borrow::Cow;

use super::super::*;
use crate::kinesis::model::{Operation, input::*};

fn refused(operation: Operation, body: &[u8]) -> String {
    let fault = operation.check(Encoding::Cbor11, body).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::SerializationException, "{fault}");
    fault.message().to_owned()
}

/// A text with its head.
fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    minicbor::Encoder::new(&mut out).str(value).unwrap();
    out
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// As Jackson's generator, which is in both SDKs, writes it: maps and lists without a length.
fn jackson_put() -> Vec<u8> {
    join(&[
        b"\xbf",
        &text("Records"),
        b"\x9f\xbf",
        &text("Data"),
        b"\x45hello",
        &text("PartitionKey"),
        &text("k"),
        b"\xff\xff",
        &text("StreamName"),
        &text("orders"),
        b"\xff",
    ])
}

#[test]
fn a_put_of_java_is_read_where_it_lies() {
    let body = jackson_put();
    let input: PutRecordsInput<'_> = decode(Encoding::Cbor11, &body).unwrap();
    assert!(matches!(input.stream_name, Some(Cow::Borrowed("orders"))));
    let records = input.records.unwrap();
    assert!(matches!(records[0].partition_key, Some(Cow::Borrowed("k"))));
    let data = records[0].data.as_ref().unwrap();
    assert_eq!(data.to_vec().unwrap(), b"hello");
}

#[test]
fn a_put_with_lengths_is_the_same() {
    let body = join(&[
        b"\xa2",
        &text("StreamName"),
        b"\x7f\x63ord\x63ers\xff", // in pieces
        &text("Records"),
        b"\x81\xa3",
        &text("Data"),
        b"\x5f\x42he\x43llo\xff", // in pieces
        &text("PartitionKey"),
        b"\x78\x01k", // a length of one byte more than needed
        &text("ExplicitHashKey"),
        b"\xf6", // null
    ]);
    let input: PutRecordsInput<'_> = decode(Encoding::Cbor11, &body).unwrap();
    assert_eq!(input.stream_name.as_deref(), Some("orders"));
    let records = input.records.unwrap();
    assert_eq!(
        records[0].data.as_ref().unwrap().to_vec().unwrap(),
        b"hello"
    );
    assert_eq!(records[0].partition_key.as_deref(), Some("k"));
    assert!(records[0].explicit_hash_key.is_none());
}

fn iterator_at(time: &[u8]) -> Vec<u8> {
    join(&[
        b"\xa3",
        &text("ShardId"),
        &text("s"),
        &text("ShardIteratorType"),
        &text("AT_TIMESTAMP"),
        &text("Timestamp"),
        time,
    ])
}

#[test]
fn times_are_tagged_milliseconds() {
    let ms = 1_700_000_000_123;
    let seconds = 1_700_000_000.123_f64;
    let integer = join(&[b"\x1b", &1_700_000_000_123_u64.to_be_bytes()]);
    let double = join(&[b"\xfb", &seconds.to_be_bytes()]);
    for (time, ms) in [
        (join(&[b"\xc1", &integer]), ms),
        (integer, ms),
        (join(&[b"\xc1", &double]), ms),
        (b"\xc1\x00".to_vec(), 0),
        (b"\xc1\x20".to_vec(), -1),
        (b"\xc1\xf9\x3c\x00".to_vec(), 1000), // half precision
        (b"\xc1\xfa\x3f\xc0\x00\x00".to_vec(), 1500), // single
        (b"\xd8\x01\x01".to_vec(), 1),        // a tag of one byte more than needed
    ] {
        let body = iterator_at(&time);
        let input: GetShardIteratorInput<'_> = decode(Encoding::Cbor11, &body).unwrap();
        assert_eq!(input.timestamp, Some(Timestamp { ms }), "{time:x?}");
    }
    for time in [
        &b"\xc1\xf9\x7e\x00"[..], // not a number
        b"\xc1\xf9\x7c\x00",      // infinite
        b"\xc1\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xc1\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xc0\x642020",
        b"\xc1",
    ] {
        refused(Operation::GetShardIterator, &iterator_at(time));
    }
}

#[test]
fn integers_are_of_every_width() {
    let body = |number: &[u8]| {
        join(&[
            b"\xa2",
            &text("StreamName"),
            &text("a"),
            &text("ShardCount"),
            number,
        ])
    };
    for (number, count) in [
        (&b"\x05"[..], 5),
        (b"\x18\x05", 5),
        (b"\x19\x01\x00", 256),
        (b"\x1a\x00\x00\x00\x07", 7),
        (b"\x1b\x00\x00\x00\x00\x00\x00\x00\x09", 9),
        (b"\xf9\x41\x80", 2), // 2.75
        (b"\xfb\x40\x05\xff\xff\xff\xff\xff\xff", 2),
    ] {
        let body = body(number);
        let input: CreateStreamInput<'_> = decode(Encoding::Cbor11, &body).unwrap();
        assert_eq!(input.shard_count, Some(count), "{number:x?}");
    }
    let negative = Operation::CreateStream.check(Encoding::Cbor11, &body(b"\x38\xff"));
    assert!(
        negative
            .unwrap_err()
            .message()
            .contains("Value '-256' at 'shardCount'")
    );
    for number in [
        &b"\x1a\x80\x00\x00\x00"[..],
        b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xf9\x7e\x00",
    ] {
        refused(Operation::CreateStream, &body(number));
    }
}

#[test]
fn other_types_are_told_in_the_words_of_aws() {
    let body = |value: &[u8]| join(&[b"\xa1", &text("StreamName"), value]);
    for (value, message) in [
        (
            &b"\x01"[..],
            "NUMBER_VALUE can not be converted to a String",
        ),
        (b"\x41a", "BLOB_VALUE can not be converted to a String"),
        (b"\xf5", "TRUE_VALUE can not be converted to a String"),
        (b"\x80", "Start of list found where not expected"),
        (
            b"\xa0",
            "Start of structure or map found where not expected.",
        ),
    ] {
        assert_eq!(refused(Operation::CreateStream, &body(value)), message);
    }
    // Base64 is for JSON.
    let body = join(&[b"\xa1", &text("Data"), &text("YQ==")]);
    assert_eq!(
        refused(Operation::PutRecord, &body),
        "STRING_VALUE can not be converted to a Blob"
    );
}

#[test]
fn what_is_cut_short_or_goes_on_is_refused() {
    let body = jackson_put();
    for end in 1..body.len() {
        refused(Operation::PutRecords, &body[..end]);
    }
    for more in [&b"\xff"[..], b"\x00", b"\xa0"] {
        refused(Operation::PutRecords, &join(&[&body, more]));
    }
    for body in [
        &b"\xff"[..],
        b"\xbf",
        b"\xbf\x01\x02\xff", // keys are text
        b"\xa1\x61a",        // no value
        b"\xbf\x61a\xff",    // a break for a value
        b"\xa1\x61a\xff",
        b"\xa1\x62\xff\xff\x00",  // not UTF-8
        b"\xa1\x61a\x7f\x01\xff", // a piece of another type
        b"\xa1\x61a\x5f\x61a\xff",
        b"\xa1\x61a\xf8\xff", // a simple value
        b"\xa1\x61a\x1c",     // a reserved head
        b"\x80",
        b"\xf6",
        b"\x01",
        b"{}",
    ] {
        refused(Operation::DescribeStream, body);
    }
}

#[test]
fn nobody_is_believed_about_lengths() {
    let most = [0xff; 8];
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        // In a member, in one that nobody knows, and as the whole body.
        refused(
            Operation::PutRecords,
            &join(&[b"\xa1", &text("Records"), &[head], &most]),
        );
        refused(
            Operation::PutRecord,
            &join(&[b"\xa1", &text("Data"), &[head], &most]),
        );
        refused(
            Operation::PutRecord,
            &join(&[b"\xa1", &text("New"), &[head], &most]),
        );
        refused(Operation::PutRecords, &join(&[&[head], &most]));
    }
    let many = join(&[b"\xa1", &text("Records"), b"\x9f", &vec![0xa0; 1 << 20]]);
    assert!(refused(Operation::PutRecords, &many).contains("more than 16384"));
}

#[test]
fn nesting_is_bounded() {
    for open in [&b"\x9f"[..], b"\x81", b"\xbf\x61a", b"\xa1\x61a"] {
        let deep = open.repeat(1_000_000);
        let body = join(&[b"\xa1", &text("New"), &deep]);
        assert!(refused(Operation::DescribeStream, &body).contains("nested deeper"));
    }
    // Tags are not nesting, but end with the body.
    refused(Operation::DescribeStream, &vec![0xc1; 1_000_000]);
    let shallow = join(&[b"\xa1", &text("New"), &[0x81; 60], b"\x01"]);
    Operation::DescribeStream
        .check(Encoding::Cbor11, &shallow)
        .unwrap();
}

#[test]
fn a_member_is_there_once() {
    let member = join(&[&text("StreamName"), &text("a")]);
    let message = refused(
        Operation::DescribeStream,
        &join(&[b"\xa2", &member, &member]),
    );
    assert_eq!(message, "member StreamName is there more than once");
}
