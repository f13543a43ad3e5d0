use serde_json::{Value, json};

use super::*;
use crate::kinesis::fixture::{Stand, damage};

async fn put(stand: &Stand, data: &[u8], times: usize) {
    let record = json!({
        "PartitionKey": "k", "ExplicitHashKey": "0",
        "Data": base64_simd::STANDARD.encode_to_string(data),
    });
    for _ in 0..times {
        let body = json!({"StreamName": "s", "Records": [record]});
        let answer = stand.ask("PutRecords", body).await.unwrap();
        assert_eq!(answer["FailedRecordCount"], 0);
    }
}

async fn oldest(stand: &Stand) -> Value {
    let body = json!({
        "StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON",
    });
    stand.ask("GetShardIterator", body).await.unwrap()["ShardIterator"].clone()
}

async fn get(stand: &Stand, iterator: &Value, limit: Option<u32>) -> Value {
    let mut body = json!({"ShardIterator": iterator});
    if let Some(limit) = limit {
        body["Limit"] = limit.into();
    }
    stand.ask("GetRecords", body).await.unwrap()
}

fn count(answer: &Value) -> usize {
    answer["Records"].as_array().unwrap().len()
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let records: Vec<Value> = (0..500)
        .map(|n| json!({"PartitionKey": format!("ключ {n}\"\\\n"), "Data": ""}))
        .collect();
    for _ in 0..3 {
        let body = json!({"StreamName": "s", "Records": records});
        stand.ask("PutRecords", body).await.unwrap();
    }
    let mut iterator = oldest(&stand).await;
    let mut seen: Vec<String> = Vec::new();
    for limit in [1, 7, 499, 500, 1, 10_000] {
        let answer = get(&stand, &iterator, Some(limit)).await;
        for record in answer["Records"].as_array().unwrap() {
            let key = format!("ключ {}\"\\\n", seen.len() % 500);
            assert_eq!(record["PartitionKey"], key);
            seen.push(record["SequenceNumber"].as_str().unwrap().to_owned());
        }
        assert!(count(&answer) <= limit as usize && count(&answer) > 0);
        iterator = answer["NextShardIterator"].clone();
    }
    assert_eq!(seen.len(), 1500);
    assert!(seen.is_sorted_by(|a, b| a < b));
    let answer = get(&stand, &iterator, None).await;
    assert_eq!(
        (count(&answer), &answer["MillisBehindLatest"]),
        (0, &json!(0))
    );
    let record = &get(&stand, &oldest(&stand).await, Some(1)).await["Records"][0];
    let time = record["ApproximateArrivalTimestamp"].as_f64().unwrap() * 1000.0;
    assert!((time - stand.clock_ms() as f64).abs() < 600_000.0, "{time}");
}

#[tokio::test]
async fn an_answer_has_ten_mebibytes_at_most_or_one_record() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    put(&stand, &vec![1; 3 << 20], 4).await;
    put(&stand, &vec![2; (10 << 20) - 1], 1).await;
    let first = get(&stand, &oldest(&stand).await, None).await;
    assert_eq!(count(&first), 3);
    assert!(first["MillisBehindLatest"].is_u64());
    let second = get(&stand, &first["NextShardIterator"], None).await;
    assert_eq!(count(&second), 1);
    let third = get(&stand, &second["NextShardIterator"], None).await;
    assert_eq!(count(&third), 1);
    assert_eq!(third["MillisBehindLatest"], 0);
}

#[tokio::test]
async fn how_far_behind_is_told_by_the_last_record_of_the_answer() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    put(&stand, b"1", 1).await;
    stand.clock.shift(100_000);
    put(&stand, b"2", 1).await;
    stand.clock.shift(50_000);
    let first = get(&stand, &oldest(&stand).await, Some(1)).await;
    let behind = first["MillisBehindLatest"].as_u64().unwrap();
    assert!((150_000..250_000).contains(&behind), "{behind}");
    let second = get(&stand, &first["NextShardIterator"], Some(1)).await;
    assert_eq!(second["MillisBehindLatest"], 0);
}

#[tokio::test]
async fn cbor_has_bytes_and_times() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    put(&stand, b"\x01\x02", 1).await;
    let iterator = oldest(&stand).await;
    let mut body = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut body);
    encoder.map(1).unwrap().str("ShardIterator").unwrap();
    encoder.str(iterator.as_str().unwrap()).unwrap();
    let answer = stand
        .ask_bytes("GetRecords", Encoding::Cbor11, body)
        .await
        .unwrap();
    let shown = minicbor::display(&answer).to_string();
    assert!(shown.contains("\"Data\": h'01 02'"), "{shown}");
    assert!(
        shown.contains("\"ApproximateArrivalTimestamp\": 1("),
        "{shown}"
    );
}

#[tokio::test]
async fn an_iterator_survives_a_restart_and_expires() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    put(&stand, b"1", 1).await;
    let iterator = oldest(&stand).await;
    let stand = stand.restarted();
    assert_eq!(count(&get(&stand, &iterator, None).await), 1);
    stand.clock.shift(300_001);
    let (kind, message) = stand
        .refused("GetRecords", json!({"ShardIterator": iterator}))
        .await;
    assert_eq!(kind, FaultKind::ExpiredIteratorException);
    assert!(message.contains("300000 milliseconds"), "{message}");
}

#[tokio::test]
async fn an_iterator_of_another_stream_of_that_name_is_refused() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let iterator = oldest(&stand).await;
    let body = json!({"ShardIterator": iterator});
    stand.front.service.delete_stream("s").await.unwrap();
    assert_eq!(
        stand.refused("GetRecords", body.clone()).await.0,
        FaultKind::ResourceNotFoundException
    );
    stand.stream("s", 1).await;
    assert_eq!(
        stand.refused("GetRecords", body).await.0,
        FaultKind::ResourceNotFoundException
    );
}

#[tokio::test]
async fn what_is_refused() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    stand.stream("t", 1).await;
    let good = oldest(&stand).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/t";
    let cases = [
        (
            json!({"ShardIterator": "AAAA"}),
            FaultKind::InvalidArgumentException,
        ),
        (json!({"ShardIterator": ""}), FaultKind::ValidationException),
        (
            json!({"ShardIterator": "A".repeat(513)}),
            FaultKind::ValidationException,
        ),
        (json!({}), FaultKind::ValidationException),
        (
            json!({"ShardIterator": good, "Limit": 0}),
            FaultKind::ValidationException,
        ),
        (
            json!({"ShardIterator": good, "Limit": 10_001}),
            FaultKind::ValidationException,
        ),
        (
            json!({"ShardIterator": good, "StreamARN": arn}),
            FaultKind::InvalidArgumentException,
        ),
        (
            json!({"ShardIterator": good, "DryRun": true}),
            FaultKind::DryRunOperationException,
        ),
    ];
    for (body, kind) in cases {
        let told = stand.refused("GetRecords", body.clone()).await;
        assert_eq!(told.0, kind, "{body}: {}", told.1);
    }
}

#[tokio::test]
async fn as_aws_five_calls_a_second() {
    let stand = Stand::with("aws");
    stand.stream("s", 1).await;
    let iterator = oldest(&stand).await;
    let body = json!({"ShardIterator": iterator});
    for _ in 0..5 {
        stand.ask("GetRecords", body.clone()).await.unwrap();
    }
    let told = stand.refused("GetRecords", body.clone()).await;
    assert_eq!(told.0, FaultKind::ProvisionedThroughputExceededException);
    stand.clock.shift(200);
    stand.ask("GetRecords", body).await.unwrap();
}

#[tokio::test]
async fn a_closed_shard_ends_with_its_children() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    put(&stand, b"1", 2).await;
    let iterator = oldest(&stand).await;
    let service = &stand.front.service;
    service
        .split_shard("s", 0, millstream_engine::format::HashKey(1 << 127))
        .await
        .unwrap();
    while service.stream("s").unwrap().map.open_count() != 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let first = get(&stand, &iterator, Some(1)).await;
    assert!(first["ChildShards"].is_null() && first["NextShardIterator"].is_string());
    let last = get(&stand, &first["NextShardIterator"], None).await;
    assert_eq!(count(&last), 1);
    assert!(last.get("NextShardIterator").is_none());
    assert_eq!(last["MillisBehindLatest"], 0);
    let half = (1u128 << 127).to_string();
    assert_eq!(
        last["ChildShards"],
        json!([
            {
                "ShardId": "shardId-000000000001",
                "ParentShards": ["shardId-000000000000"],
                "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": ((1u128 << 127) - 1).to_string()},
            },
            {
                "ShardId": "shardId-000000000002",
                "ParentShards": ["shardId-000000000000"],
                "HashKeyRange": {"StartingHashKey": half, "EndingHashKey": u128::MAX.to_string()},
            },
        ])
    );
}

#[tokio::test]
async fn damage_is_told_and_not_passed_over() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    for filling in [1, 2, 3] {
        put(&stand, &[filling; 100_000], 1).await;
    }
    let origin = Origin::of(&stand.front.service.stream("s").unwrap().map.all()[0]);
    let stand = stand.restarted_after(|data| damage(data, 2));
    let first = get(&stand, &oldest(&stand).await, None).await;
    assert_eq!(count(&first), 1);
    assert_ne!(first["MillisBehindLatest"], 0);
    let next = json!({"ShardIterator": first["NextShardIterator"]});
    for _ in 0..2 {
        let (kind, message) = stand.refused("GetRecords", next.clone()).await;
        assert_eq!(kind, FaultKind::InternalFailure);
        for words in [
            origin.record(1).to_string(),
            format!("go on at {}", origin.record(2)),
        ] {
            assert!(message.contains(&words), "{message}");
        }
    }
    let behind = json!({
        "StreamName": "s", "ShardId": "shardId-000000000000",
        "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        "StartingSequenceNumber": origin.record(2).to_string(),
    });
    let behind = stand.ask("GetShardIterator", behind).await.unwrap();
    assert_eq!(count(&get(&stand, &behind["ShardIterator"], None).await), 1);
}
