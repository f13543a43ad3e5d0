use serde_json::{Value, json};

use super::*;
use crate::kinesis::{fixture::Stand, sequence::Number};
use millstream_engine::format::HashKey;

fn encode(data: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(data)
}

fn record(key: &str, data: &[u8]) -> Value {
    json!({"PartitionKey": key, "Data": encode(data)})
}

/// Keys and data of a shard, in order.
async fn stored(stand: &Stand, stream: &str, shard: u32) -> Vec<(String, String)> {
    let at = json!({
        "StreamName": stream, "ShardId": format!("shardId-{shard:012}"),
        "ShardIteratorType": "TRIM_HORIZON",
    });
    let mut iterator = stand.ask("GetShardIterator", at).await.unwrap()["ShardIterator"].clone();
    let mut found = Vec::new();
    loop {
        let answer = stand
            .ask("GetRecords", json!({"ShardIterator": iterator}))
            .await
            .unwrap();
        let records = answer["Records"].as_array().unwrap();
        found.extend(records.iter().map(|record| {
            let text = |name: &str| record[name].as_str().unwrap().to_owned();
            (text("PartitionKey"), text("Data"))
        }));
        iterator = answer["NextShardIterator"].clone();
        if answer["MillisBehindLatest"] == 0 || iterator.is_null() {
            return found;
        }
    }
}

#[tokio::test]
async fn each_record_goes_to_the_shard_of_its_key_in_the_order_of_the_request() {
    let stand = Stand::new();
    stand.stream("s", 4).await;
    // Large ones and small ones: both ways into a shard.
    for size in [10, 3000] {
        let keys: Vec<String> = (0..200).map(|n| format!("key {}", n % 20)).collect();
        let data: Vec<Vec<u8>> = (0..200).map(|n| vec![n as u8; size + n]).collect();
        let records: Vec<Value> = keys.iter().zip(&data).map(|(k, d)| record(k, d)).collect();
        let answer = stand
            .ask("PutRecords", json!({"StreamName": "s", "Records": records}))
            .await
            .unwrap();
        assert_eq!(answer["FailedRecordCount"], 0);
        let entries = answer["Records"].as_array().unwrap();
        for shard in 0..4 {
            let name = format!("shardId-{shard:012}");
            let stream = stand.front.service.stream("s").unwrap();
            let range = stream.shard(shard).unwrap().range;
            let mut expected = Vec::new();
            let mut last: Option<Number> = None;
            for (at, entry) in entries.iter().enumerate() {
                let belongs = range.contains(HashKey::of_partition_key(&keys[at]));
                assert_eq!(entry["ShardId"] == name, belongs);
                if belongs {
                    let number: Number = entry["SequenceNumber"].as_str().unwrap().parse().unwrap();
                    assert!(last < Some(number), "numbers go up");
                    last = Some(number);
                    expected.push((keys[at].clone(), encode(&data[at])));
                }
            }
            let found = stored(&stand, "s", shard).await;
            assert_eq!(found[found.len() - expected.len()..], expected);
        }
    }
}

#[tokio::test]
async fn plain_bodies_and_all_others_mean_the_same() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let explicit = json!({"PartitionKey": "k", "Data": "QUI=", "ExplicitHashKey": "5"});
    let plain = json!({"StreamName": "s", "Records": [explicit]});
    let bodies = [
        plain.to_string(),
        // An escape, a member that nobody knows, one that is null, an ARN.
        plain.to_string().replace("QUI=", "QUI\\u003d"),
        json!({"StreamName": "s", "Other": [1], "Records": [explicit]}).to_string(),
        json!({"StreamName": "s", "StreamARN": null, "Records": [explicit]}).to_string(),
        json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "Records": [explicit]})
            .to_string(),
    ];
    for (count, body) in bodies.iter().enumerate() {
        let answer = stand
            .ask_bytes("PutRecords", Encoding::Json11, body.clone().into())
            .await;
        let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
        assert_eq!(answer["FailedRecordCount"], 0, "{body}");
        let found = stored(&stand, "s", 0).await;
        assert_eq!(found, vec![("k".to_owned(), "QUI=".to_owned()); count + 1]);
    }
}

#[tokio::test]
async fn data_that_ends_before_that_of_the_record_in_front_is_no_longer_than_it_is() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    // A quotation mark stands where data as long as the first would end, too.
    let body = r#"{"StreamName":"s","Records":[
        {"PartitionKey":"a","Data":"QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"},
        {"PartitionKey":"b","Data":"QQ==","ExplicitHashKey":"1234567"}]}"#;
    let answer = stand
        .ask_bytes("PutRecords", Encoding::Json11, body.into())
        .await;
    let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
    assert_eq!(answer["FailedRecordCount"], 0);
    let expected = [
        (
            "a".to_owned(),
            "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY".to_owned(),
        ),
        ("b".to_owned(), "QQ==".to_owned()),
    ];
    assert_eq!(stored(&stand, "s", 0).await, expected);
}

#[tokio::test]
async fn cbor_means_the_same() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let mut body = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut body);
    encoder
        .begin_map()
        .unwrap()
        .str("StreamName")
        .unwrap()
        .str("s")
        .unwrap();
    encoder.str("Records").unwrap().begin_array().unwrap();
    for data in [&b"AB"[..], &[7; 50_000]] {
        encoder
            .map(2)
            .unwrap()
            .str("PartitionKey")
            .unwrap()
            .str("k")
            .unwrap();
        encoder.str("Data").unwrap().bytes(data).unwrap();
    }
    encoder.end().unwrap().end().unwrap();
    let answer = stand
        .ask_bytes("PutRecords", Encoding::Cbor11, body)
        .await
        .unwrap();
    let shown = minicbor::display(&answer).to_string();
    assert!(shown.contains("\"FailedRecordCount\": 0"), "{shown}");
    assert!(
        shown.contains("\"ShardId\": \"shardId-000000000000\""),
        "{shown}"
    );
    let found = stored(&stand, "s", 0).await;
    assert_eq!(found[0], ("k".to_owned(), "QUI=".to_owned()));
    assert_eq!(found[1].1, encode(&[7; 50_000]));
}

#[tokio::test]
async fn a_request_with_something_wrong_leaves_nothing() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let good = record("k", &[1; 40_000]);
    let long = "k".repeat(257);
    let huge = record("k", &vec![0; 10 << 20]);
    let cases = [
        (
            vec![good.clone(), json!({"PartitionKey": "k", "Data": "!!!!"})],
            FaultKind::SerializationException,
        ),
        (
            vec![
                good.clone(),
                json!({"PartitionKey": "k", "Data": "QQ=="}),
                json!({"PartitionKey": "k", "Data": "QQ"}),
            ],
            FaultKind::SerializationException,
        ),
        (
            vec![good.clone(), json!({"PartitionKey": "k"})],
            FaultKind::ValidationException,
        ),
        (
            vec![good.clone(), record("", b"x")],
            FaultKind::ValidationException,
        ),
        (
            vec![good.clone(), record(&long, b"x")],
            FaultKind::ValidationException,
        ),
        (vec![], FaultKind::ValidationException),
        (vec![record("k", b""); 501], FaultKind::ValidationException),
        (
            vec![
                good.clone(),
                json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "01"}),
            ],
            FaultKind::ValidationException,
        ),
        (
            vec![
                good.clone(),
                json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "340282366920938463463374607431768211456"}),
            ],
            FaultKind::InvalidArgumentException,
        ),
        (
            vec![record("k", &vec![0; 6 << 20]); 2],
            FaultKind::InvalidArgumentException,
        ),
        (vec![huge], FaultKind::InvalidArgumentException),
    ];
    for (records, kind) in cases {
        let body = json!({"StreamName": "s", "Records": records});
        let (found, message) = stand.refused("PutRecords", body).await;
        assert_eq!(found, kind, "{message}");
    }
    let missing = json!({"StreamName": "other", "Records": [good]});
    assert_eq!(
        stand.refused("PutRecords", missing).await.0,
        FaultKind::ResourceNotFoundException
    );
    let dry = json!({"StreamName": "s", "Records": [good], "DryRun": true});
    assert_eq!(
        stand.refused("PutRecords", dry).await.0,
        FaultKind::DryRunOperationException
    );
    let dry = json!({"StreamName": "other", "Records": [good], "DryRun": true});
    assert_eq!(
        stand.refused("PutRecords", dry).await.0,
        FaultKind::ResourceNotFoundException
    );
    assert_eq!(stored(&stand, "s", 0).await, []);
}

#[tokio::test]
async fn what_is_over_a_limit_fails_for_itself() {
    let stand = Stand::with("aws");
    stand.stream("s", 2).await;
    let to = |hash: u128, size: usize| json!({"PartitionKey": "k", "Data": encode(&vec![1; size]), "ExplicitHashKey": hash.to_string()});
    // The first shard takes 10 MiB at once, and has less than that left after the first record.
    let first = json!({"StreamName": "s", "Records": [to(0, 9 << 20)]});
    assert_eq!(
        stand.ask("PutRecords", first).await.unwrap()["FailedRecordCount"],
        0
    );
    let mixed = [
        to(0, 4 << 20),
        to(u128::MAX, 4 << 20),
        to(0, 100),
        to(0, 100),
    ];
    let answer = stand
        .ask("PutRecords", json!({"StreamName": "s", "Records": mixed}))
        .await
        .unwrap();
    assert_eq!(answer["FailedRecordCount"], 1);
    let refused = json!({
        "ErrorCode": "ProvisionedThroughputExceededException",
        "ErrorMessage": "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.",
    });
    let entries = answer["Records"].as_array().unwrap();
    assert_eq!(entries[0], refused);
    assert_eq!(entries[1]["ShardId"], "shardId-000000000001");
    assert_eq!(entries[2]["ShardId"], "shardId-000000000000");

    // 997 more to the other one: 1,000 a second.
    let many = json!({"StreamName": "s", "Records": vec![to(u128::MAX, 0); 500]});
    for failed in [0, 1, 500] {
        let answer = stand.ask("PutRecords", many.clone()).await.unwrap();
        assert_eq!(answer["FailedRecordCount"], failed);
    }
    stand.clock.shift(500);
    assert_eq!(
        stand.ask("PutRecords", many).await.unwrap()["FailedRecordCount"],
        0
    );
    assert_eq!(stored(&stand, "s", 0).await.len(), 3);
}

#[tokio::test]
async fn a_put_follows_a_split() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let body =
        json!({"StreamName": "s", "Records": [record("a", b"1"), record("b", &[2; 40_000])]});
    stand.ask("PutRecords", body.clone()).await.unwrap();
    let service = &stand.front.service;
    let putting = async {
        let mut last = 0;
        while last == 0 {
            let answer = stand.ask("PutRecords", body.clone()).await.unwrap();
            assert_eq!(answer["FailedRecordCount"], 0);
            last = answer["Records"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|entry| entry["ShardId"] != "shardId-000000000000")
                .count();
        }
    };
    let splitting = service.split_shard("s", 0, HashKey(1 << 127));
    let ((), split) = tokio::join!(putting, splitting);
    split.unwrap();
}

#[tokio::test]
async fn an_encrypted_stream_says_so_wherever_its_records_are() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let service = &stand.front.service;
    let put = json!({"StreamName": "s", "Records": [record("k", b"1")]});
    let one = json!({"StreamName": "s", "PartitionKey": "k", "Data": ""});
    for encrypted in [false, true] {
        if encrypted {
            let key = Some("alias/aws/kinesis".to_owned());
            service.set_encryption("s", key).await.unwrap();
        }
        let expected = if encrypted { json!("KMS") } else { Value::Null };
        assert_eq!(
            stand.ask("PutRecords", put.clone()).await.unwrap()["EncryptionType"],
            expected
        );
        assert_eq!(
            stand.ask("PutRecord", one.clone()).await.unwrap()["EncryptionType"],
            expected
        );
        let at = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
        let iterator = stand.ask("GetShardIterator", at).await.unwrap()["ShardIterator"].clone();
        let answer = stand
            .ask("GetRecords", json!({"ShardIterator": iterator}))
            .await
            .unwrap();
        assert_eq!(answer["Records"][0]["EncryptionType"], expected);
    }
}
