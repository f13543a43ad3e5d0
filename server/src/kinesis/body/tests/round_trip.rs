//! Answers as they are written, byte for byte, and what a reader makes of them.

use minicbor::{Decoder, data::Type};
use serde_json::{Value as Json, json};

use super::super::*;
use crate::kinesis::model::{choice::*, output::*};

fn records() -> GetRecordsOutput<'static> {
    GetRecordsOutput {
        records: Some(vec![Record {
            sequence_number: Some("495".into()),
            approximate_arrival_timestamp: Some(Timestamp {
                ms: 1_700_000_000_123,
            }),
            data: Some(Blob::from(&b"hello"[..])),
            partition_key: Some("\"k\"".into()),
            encryption_type: Some(EncryptionType::Kms),
        }]),
        next_shard_iterator: None,
        millis_behind_latest: Some(0),
        child_shards: None,
    }
}

#[test]
fn json_is_as_aws_writes_it() {
    assert_eq!(
        encode(Encoding::Json11, &records()),
        r#"{"Records":[{"SequenceNumber":"495","ApproximateArrivalTimestamp":1700000000.123,"Data":"aGVsbG8=","PartitionKey":"\"k\"","EncryptionType":"KMS"}],"MillisBehindLatest":0}"#
    );
    let fault = Fault::new(FaultKind::ResourceNotFoundException, "no");
    assert_eq!(
        fault.body(Encoding::Json11),
        r#"{"__type":"ResourceNotFoundException","message":"no"}"#
    );
    assert_eq!(encode(Encoding::Json10, &SubscribeToShardOutput {}), "{}");
}

#[test]
fn cbor_is_as_aws_writes_it() {
    let mut expected = vec![0xa2, 0x67];
    expected.extend_from_slice(b"Records\x81\xa5\x6eSequenceNumber\x63495");
    expected.extend_from_slice(b"\x78\x1bApproximateArrivalTimestamp\xc1\x1b");
    expected.extend_from_slice(&1_700_000_000_123_u64.to_be_bytes());
    expected.extend_from_slice(b"\x64Data\x45hello\x6cPartitionKey\x63\"k\"");
    expected.extend_from_slice(b"\x6eEncryptionType\x63KMS\x72MillisBehindLatest\x00");
    assert_eq!(encode(Encoding::Cbor11, &records()), expected);
    let fault = Fault::new(FaultKind::LimitExceededException, "no");
    assert_eq!(
        fault.body(Encoding::Cbor11),
        &b"\xa2\x66__type\x76LimitExceededException\x67message\x62no"[..]
    );
}

#[test]
fn times_before_1970_and_whole_seconds_are_numbers() {
    for (ms, text) in [
        (0, "0.0"),
        (-1500, "-1.5"),
        (1_700_000_000_000, "1700000000.0"),
    ] {
        assert_eq!(encode(Encoding::Json11, &Timestamp { ms }), text);
    }
    assert_eq!(
        encode(Encoding::Cbor11, &Timestamp { ms: -1 }),
        &b"\xc1\x20"[..]
    );
}

#[test]
fn a_long_blob_is_one_text() {
    for length in [0, 1, 2, 3, 3071, 3072, 3073, 6144, 100_000] {
        let bytes: Vec<u8> = (0..length)
            .map(|at: u32| at.to_le_bytes()[0] ^ 0x5a)
            .collect();
        let expected = format!("\"{}\"", base64_simd::STANDARD.encode_to_string(&bytes));
        assert_eq!(encode(Encoding::Json11, &Blob::from(&bytes[..])), expected);
        // As it came, whatever it came in.
        let body = format!(r#"{{"Data":{expected}}}"#);
        let input: crate::kinesis::model::input::PutRecordInput<'_> =
            read(Encoding::Json11, body.as_bytes()).unwrap();
        let data = input.data.unwrap();
        assert_eq!(data, Blob::from(bytes));
        assert_eq!(encode(Encoding::Json11, &data), expected);
    }
}

/// CBOR as a tree, with times as JSON has them.
fn tree(decoder: &mut Decoder<'_>) -> Json {
    match decoder.datatype().unwrap() {
        Type::Tag => {
            assert_eq!(decoder.tag().unwrap().as_u64(), 1);
            #[allow(clippy::cast_precision_loss)]
            let seconds = decoder.i64().unwrap() as f64 / 1000.0;
            json!(seconds)
        }
        Type::Bool => json!(decoder.bool().unwrap()),
        Type::String => json!(decoder.str().unwrap()),
        Type::Bytes => {
            json!(base64_simd::STANDARD.encode_to_string(decoder.bytes().unwrap()))
        }
        Type::Array => {
            let length = decoder.array().unwrap().unwrap();
            Json::Array((0..length).map(|_| tree(decoder)).collect())
        }
        Type::Map => {
            let length = decoder.map().unwrap().unwrap();
            let entry = |_| (decoder.str().unwrap().to_owned(), tree(decoder));
            Json::Object((0..length).map(entry).collect())
        }
        _ => json!(decoder.i64().unwrap()),
    }
}

#[test]
fn both_encodings_say_the_same() {
    let summary = DescribeStreamSummaryOutput {
        stream_description_summary: Some(StreamDescriptionSummary {
            stream_name: Some("orders".to_owned()),
            stream_status: Some(StreamStatus::Active),
            stream_mode_details: Some(StreamModeDetails {
                stream_mode: Some(StreamMode::OnDemand),
            }),
            retention_period_hours: Some(24),
            stream_creation_timestamp: Some(Timestamp { ms: 1_000 }),
            enhanced_monitoring: Some(vec![EnhancedMetrics {
                shard_level_metrics: Some(vec![MetricsName::IncomingBytes]),
            }]),
            open_shard_count: Some(4),
            ..StreamDescriptionSummary::default()
        }),
    };
    let bodies = [
        (
            encode(Encoding::Json11, &summary),
            encode(Encoding::Cbor11, &summary),
        ),
        (
            encode(Encoding::Json11, &records()),
            encode(Encoding::Cbor11, &records()),
        ),
    ];
    for (json, cbor) in bodies {
        let json: Json = serde_json::from_slice(&json).unwrap();
        let mut decoder = Decoder::new(&cbor);
        assert_eq!(tree(&mut decoder), json);
        assert_eq!(decoder.position(), cbor.len());
    }
}

#[test]
fn enums_are_found_by_their_names() {
    for known in MetricsName::ALL {
        assert_eq!(MetricsName::from_name(known.name()), Some(*known));
    }
    assert_eq!(MetricsName::from_name("all"), None);
    assert_eq!(
        ShardIteratorType::AfterSequenceNumber.name(),
        "AFTER_SEQUENCE_NUMBER"
    );
}
