//! JSON as clients send it, and what is not JSON.

use std::borrow::Cow;

use super::super::*;
use crate::kinesis::model::{Operation, input::*};

fn refused(operation: Operation, body: &[u8]) -> String {
    let fault = operation.check(Encoding::Json11, body).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::SerializationException, "{fault}");
    fault.message().to_owned()
}

#[test]
fn a_put_of_boto3_is_read_where_it_lies() {
    let body = br#"{"Records": [{"Data": "aGVsbG8=", "ExplicitHashKey": "0", "PartitionKey": "k"}, {"Data": "", "PartitionKey": "\u00e9\/"}], "StreamName": "orders", "StreamARN": null}"#;
    let input: PutRecordsInput<'_> = decode(Encoding::Json11, body).unwrap();
    assert!(matches!(input.stream_name, Some(Cow::Borrowed("orders"))));
    assert!(input.stream_arn.is_none());
    let records = input.records.unwrap();
    assert!(matches!(records[0].partition_key, Some(Cow::Borrowed("k"))));
    assert_eq!(records[0].explicit_hash_key.as_deref(), Some("0"));
    let data = records[0].data.as_ref().unwrap();
    assert_eq!(data.len(), 5);
    let mut bytes = [0; 5];
    data.decode_into(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    data.decode_into(&mut [0; 6]).unwrap_err();
    assert_eq!(records[1].data.as_ref().unwrap().len(), 0);
    assert_eq!(records[1].partition_key.as_deref(), Some("é/"));
}

#[test]
fn base64_with_escaped_slashes_is_base64() {
    let body = br#"{"Data":"\/\/\/\/","PartitionKey":"k"}"#;
    let input: PutRecordInput<'_> = decode(Encoding::Json11, body).unwrap();
    assert_eq!(input.data.unwrap().to_vec().unwrap(), [0xff; 3]);
}

#[test]
fn times_are_seconds_with_a_fraction() {
    for (number, ms) in [
        ("1700000000", 1_700_000_000_000),
        ("1700000000.123", 1_700_000_000_123),
        ("1.700000000123E9", 1_700_000_000_123),
        ("0", 0),
        ("-1.5", -1500),
        // As the SDK for Java 1 has it without CBOR.
        ("1700000000123", 1_700_000_000_123),
    ] {
        let body =
            format!(r#"{{"ShardId":"s","ShardIteratorType":"AT_TIMESTAMP","Timestamp":{number}}}"#);
        let input: GetShardIteratorInput<'_> = decode(Encoding::Json11, body.as_bytes()).unwrap();
        assert_eq!(input.timestamp, Some(Timestamp { ms }), "{number}");
    }
    for number in [
        "1e300",
        "9007199254742000",
        "18446744073709551615",
        "\"2020\"",
    ] {
        let body =
            format!(r#"{{"ShardId":"s","ShardIteratorType":"AT_TIMESTAMP","Timestamp":{number}}}"#);
        let message = refused(Operation::GetShardIterator, body.as_bytes());
        assert!(
            message.ends_with("_VALUE can not be converted to a Timestamp"),
            "{message}"
        );
    }
}

#[test]
fn a_fraction_of_an_integer_is_cut_off() {
    let input: CreateStreamInput<'_> =
        decode(Encoding::Json11, br#"{"StreamName":"a","ShardCount":2.9}"#).unwrap();
    assert_eq!(input.shard_count, Some(2));
    for number in [
        "2147483648",
        "-2147483649",
        "1e10",
        "1e400",
        "99999999999999999999",
    ] {
        let body = format!(r#"{{"StreamName":"a","ShardCount":{number}}}"#);
        refused(Operation::CreateStream, body.as_bytes());
    }
}

#[test]
fn other_types_are_told_in_the_words_of_aws() {
    for (body, message) in [
        (
            r#"{"StreamName":1}"#,
            "NUMBER_VALUE can not be converted to a String",
        ),
        (
            r#"{"StreamName":true}"#,
            "TRUE_VALUE can not be converted to a String",
        ),
        (
            r#"{"StreamName":false}"#,
            "FALSE_VALUE can not be converted to a String",
        ),
        (
            r#"{"StreamName":[]}"#,
            "Start of list found where not expected",
        ),
        (
            r#"{"StreamName":{}}"#,
            "Start of structure or map found where not expected.",
        ),
        (
            r#"{"ShardCount":"1, expected a lie"}"#,
            "STRING_VALUE can not be converted to an Integer",
        ),
        (r#"{"StreamModeDetails":1}"#, "Expected structure or null"),
        (
            r#"{"StreamModeDetails":["ON_DEMAND"]}"#,
            "Start of list found where not expected",
        ),
        (r#"{"Tags":"a"}"#, "Expected map or null"),
        (
            r#"{"Tags":{"a":null}}"#,
            "NULL_VALUE can not be converted to a String",
        ),
        (r#"[]"#, "Start of list found where not expected"),
        (r#"null"#, "Expected structure or null"),
    ] {
        assert_eq!(
            refused(Operation::CreateStream, body.as_bytes()),
            message,
            "{body}"
        );
    }
    for data in [
        "a",
        "a===",
        "YQ",
        "YQ=",
        "YR==",
        "Y Q=",
        "YQ==\\n",
        "____",
        "\\ud800aaa",
        "é aa",
    ] {
        let body = format!(r#"{{"Data":"{data}","PartitionKey":"k"}}"#);
        let message = refused(Operation::PutRecord, body.as_bytes());
        assert!(message.contains("not base64"), "{data}: {message}");
    }
    assert_eq!(
        refused(Operation::PutRecord, br#"{"Data":1}"#),
        "NUMBER_VALUE can not be converted to a Blob"
    );
    refused(Operation::PutRecords, br#"{"Records":[null]}"#);
}

#[test]
fn what_is_not_one_structure_is_refused() {
    for body in [
        "{",
        "}",
        "{]",
        " ",
        "{}{}",
        "{} x",
        "{\"StreamName\":\"a\",}",
        "{\"StreamName\"}",
        "{'a':1}",
        "nul",
        "{\"StreamName\":\"\u{1}\"}",
        "{\"StreamName\":\"\\x\"}",
        "{\"StreamName\":\"\\ud800\"}",
        "{\"a\":01}",
        "{1:2}",
        "\u{feff}{}",
    ] {
        let message = refused(Operation::DescribeStream, body.as_bytes());
        assert!(
            message.starts_with("the body is not JSON"),
            "{body}: {message}"
        );
    }
    refused(Operation::DescribeStream, b"{\"StreamName\":\"\xff\"}");
    refused(Operation::DescribeStream, b"\x00");
}

#[test]
fn a_member_is_there_once() {
    let message = refused(
        Operation::DescribeStream,
        br#"{"StreamName":"a","StreamName":"b"}"#,
    );
    assert_eq!(message, "member StreamName is there more than once");
    refused(
        Operation::CreateStream,
        br#"{"StreamName":"a","Tags":{"a":"1","a":"2"}}"#,
    );
}

#[test]
fn what_the_model_does_not_know_is_passed_over() {
    let body = br#"{"StreamName":"a","New":{"a":[1,{"b":null}]},"New":1,"streamname":2}"#;
    Operation::DescribeStream
        .check(Encoding::Json11, body)
        .unwrap();
}

#[test]
fn nesting_and_counts_are_bounded() {
    let deep = format!(r#"{{"New":{}"#, "[".repeat(5_000_000));
    refused(Operation::DescribeStream, deep.as_bytes());
    let deep = format!(r#"{{"Records":{}"#, "[".repeat(5_000_000));
    refused(Operation::PutRecords, deep.as_bytes());
    let many = format!(r#"{{"Records":[{}]}}"#, vec!["{}"; 20_000].join(","));
    assert!(refused(Operation::PutRecords, many.as_bytes()).contains("more than 16384"));
    let long = format!(r#"{{"Tags":{{"{0}":"","{0}":""}}}}"#, "k".repeat(1 << 20));
    assert!(refused(Operation::CreateStream, long.as_bytes()).len() <= 512);
}
