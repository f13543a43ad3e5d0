//! Bodies of the Kinesis API: `fuzz/src/bodies.rs` tells what the first bytes mean.

use super::Seed;

const PUT_RECORDS: u8 = 0;
const ANY: u8 = 2;
const CBOR: u8 = 1;

/// The numbers of operations, by name, as the model orders them.
const CREATE_STREAM: u8 = 5;
const GET_SHARD_ITERATOR: u8 = 23;

const RECORDS: &str = r#"{"Records":[{"Data":"aGVsbG8=","PartitionKey":"k","ExplicitHashKey":"340282366920938463463374607431768211455"},{"Data":"","PartitionKey":"\u00e9\/"}],"StreamName":"orders"}"#;
const ARN: &str = r#"{"Records":[{"Data":"AA==","PartitionKey":"k"}],"StreamARN":"arn:aws:kinesis:us-east-1:123456789012:stream/orders","DryRun":false,"New":{"a":[1.5,{"b":null}]}}"#;
const STREAM: &str = r#"{"StreamName":"orders","ShardCount":4,"StreamModeDetails":{"StreamMode":"PROVISIONED"},"Tags":{"a":"1","b":""},"MaxRecordSizeInKiB":1024}"#;
const ITERATOR: &str = r#"{"StreamName":"orders","ShardId":"shardId-000000000000","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1700000000.123}"#;
const WRONG: &str =
    r#"{"Records":[{"Data":"YQ","PartitionKey":"","PartitionKey":1}],"StreamName":"a b"}"#;

/// Without lengths, as the SDKs for Java write it.
const RECORDS_CBOR: &[u8] = b"\xbf\x67Records\x9f\xbf\x64Data\x45hello\x6cPartitionKey\x61k\xff\xff\x6aStreamName\x66orders\xff";
/// With lengths, in pieces, and with a null.
const PIECES_CBOR: &[u8] = b"\xa2\x6aStreamName\x7f\x63ord\x63ers\xff\x67Records\x81\xa3\x64Data\x5f\x42he\x43llo\xff\x6cPartitionKey\x78\x01k\x6fExplicitHashKey\xf6";
const STREAM_CBOR: &[u8] = b"\xbf\x6aStreamName\x66orders\x6aShardCount\x04\x64Tags\xbf\x61a\x611\xff\x63New\x82\xf9\x3c\x00\x3b\xff\xff\xff\xff\xff\xff\xff\xff\xff";
const ITERATOR_CBOR: &[u8] = b"\xbf\x67ShardId\x61s\x71ShardIteratorType\x6cAT_TIMESTAMP\x69Timestamp\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b\xff";

pub(super) fn seeds() -> Vec<Seed> {
    let put = |body: &str| [&[PUT_RECORDS], body.as_bytes()].concat();
    let put_cbor = |body: &[u8]| [&[PUT_RECORDS | CBOR], body].concat();
    let any = |operation, body: &str| [&[ANY, operation], body.as_bytes()].concat();
    let any_cbor = |operation, body: &[u8]| [&[ANY | CBOR, operation], body].concat();
    vec![
        ("records", put(RECORDS)),
        ("arn", put(ARN)),
        ("wrong", put(WRONG)),
        ("stream", any(CREATE_STREAM, STREAM)),
        ("iterator", any(GET_SHARD_ITERATOR, ITERATOR)),
        ("records-cbor", put_cbor(RECORDS_CBOR)),
        ("pieces-cbor", put_cbor(PIECES_CBOR)),
        ("stream-cbor", any_cbor(CREATE_STREAM, STREAM_CBOR)),
        ("iterator-cbor", any_cbor(GET_SHARD_ITERATOR, ITERATOR_CBOR)),
    ]
}
