use serde_json::{Value, json};

use crate::kinesis::fault::FaultKind;
use crate::kinesis::fixture::Stand;
use crate::kinesis::sequence::Origin;

fn ask(kind: &str, more: Value) -> Value {
    let mut body = json!({
        "StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": kind,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Data of what an iterator leads to.
async fn from(stand: &Stand, body: Value) -> Vec<String> {
    let iterator = stand.ask("GetShardIterator", body).await.unwrap()["ShardIterator"].clone();
    let answer = stand
        .ask("GetRecords", json!({"ShardIterator": iterator}))
        .await
        .unwrap();
    let data = |record: &Value| {
        let bytes = base64_simd::STANDARD.decode_to_vec(record["Data"].as_str().unwrap());
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    answer["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(data)
        .collect()
}

async fn put(stand: &Stand, data: &str) -> String {
    let body = json!({
        "StreamName": "s", "PartitionKey": "k", "ExplicitHashKey": "0",
        "Data": base64_simd::STANDARD.encode_to_string(data),
    });
    let answer = stand.ask("PutRecord", body).await.unwrap();
    answer["SequenceNumber"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_five_places() {
    let stand = Stand::new();
    stand.stream("s", 2).await;
    let one = put(&stand, "one").await;
    stand.clock.shift(10_000);
    let between_ms = stand.clock_ms();
    stand.clock.shift(10_000);
    let two = put(&stand, "two").await;
    let seconds = between_ms as f64 / 1000.0;

    assert_eq!(
        from(&stand, ask("TRIM_HORIZON", json!({}))).await,
        ["one", "two"]
    );
    let at = |number: &str| json!({"StartingSequenceNumber": number});
    assert_eq!(
        from(&stand, ask("AT_SEQUENCE_NUMBER", at(&one))).await,
        ["one", "two"]
    );
    assert_eq!(
        from(&stand, ask("AT_SEQUENCE_NUMBER", at(&two))).await,
        ["two"]
    );
    assert_eq!(
        from(&stand, ask("AFTER_SEQUENCE_NUMBER", at(&one))).await,
        ["two"]
    );
    assert_eq!(
        from(&stand, ask("AFTER_SEQUENCE_NUMBER", at(&two))).await,
        [""; 0]
    );
    let time = |seconds: f64| json!({"Timestamp": seconds});
    assert_eq!(
        from(&stand, ask("AT_TIMESTAMP", time(seconds))).await,
        ["two"]
    );
    assert_eq!(
        from(&stand, ask("AT_TIMESTAMP", time(0.0))).await,
        ["one", "two"]
    );
    assert_eq!(
        from(&stand, ask("AT_TIMESTAMP", time(-5.0))).await,
        ["one", "two"]
    );

    // What comes after an iterator was made for LATEST is behind it.
    let latest = stand
        .ask("GetShardIterator", ask("LATEST", json!({})))
        .await
        .unwrap();
    put(&stand, "three").await;
    let answer = stand
        .ask(
            "GetRecords",
            json!({"ShardIterator": latest["ShardIterator"]}),
        )
        .await
        .unwrap();
    assert_eq!(answer["Records"].as_array().unwrap().len(), 1);
    assert_eq!(
        answer["Records"][0]["Data"],
        base64_simd::STANDARD.encode_to_string("three")
    );
}

#[tokio::test]
async fn places_between_records_are_places_too() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let stream = stand.front.service.stream("s").unwrap();
    let origin = Origin::of(&stream.map.all()[0]);
    let first = json!({"StartingSequenceNumber": origin.before(0).to_string()});
    put(&stand, "one").await;
    put(&stand, "two").await;
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        assert_eq!(from(&stand, ask(kind, first.clone())).await, ["one", "two"]);
        for (before, expected) in [(1, &["two"][..]), (2, &[])] {
            let between = json!({"StartingSequenceNumber": origin.before(before).to_string()});
            assert_eq!(from(&stand, ask(kind, between)).await, expected);
        }
    }
}

#[tokio::test]
async fn a_record_that_was_trimmed_stands_for_the_horizon() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let gone = put(&stand, "gone").await;
    let large = "x".repeat(1 << 20);
    for _ in 0..70 {
        put(&stand, &large).await;
    }
    let stream = stand.front.service.stream("s").unwrap();
    let shard = stream.open(&stream.map.all()[0]).unwrap();
    assert!(shard.trim(shard.end()).unwrap() > 0);
    let oldest = shard.oldest().0;
    assert!(oldest > 1, "{oldest}");
    for (kind, more) in [
        (
            "AT_SEQUENCE_NUMBER",
            json!({"StartingSequenceNumber": gone}),
        ),
        (
            "AFTER_SEQUENCE_NUMBER",
            json!({"StartingSequenceNumber": gone}),
        ),
        ("TRIM_HORIZON", json!({})),
        ("AT_TIMESTAMP", json!({"Timestamp": 1.0})),
    ] {
        let iterator = stand
            .ask("GetShardIterator", ask(kind, more))
            .await
            .unwrap();
        let body = json!({"ShardIterator": iterator["ShardIterator"], "Limit": 1});
        let answer = stand.ask("GetRecords", body).await.unwrap();
        let number = Origin::of(&stream.map.all()[0]).record(oldest).to_string();
        assert_eq!(answer["Records"][0]["SequenceNumber"], number, "{kind}");
    }
}

#[tokio::test]
async fn what_is_refused() {
    let stand = Stand::new();
    stand.stream("s", 2).await;
    stand.stream("t", 2).await;
    let number = put(&stand, "one").await;
    let stream = stand.front.service.stream("s").unwrap();
    let own = Origin::of(&stream.map.all()[0]);
    let other_shard = Origin::of(&stream.map.all()[1]).before(0).to_string();
    let other_stream = crate::kinesis::sequence::Origin::new(12345, 0)
        .record(0)
        .to_string();
    let future = stand.clock_ms() as f64 / 1000.0 + 60.0;
    let invalid = FaultKind::InvalidArgumentException;
    let missing = FaultKind::ResourceNotFoundException;
    let at = |text: &str| json!({"StartingSequenceNumber": text});
    let cases = [
        (
            "AT_SEQUENCE_NUMBER",
            json!({}),
            invalid,
            "no StartingSequenceNumber",
        ),
        (
            "AFTER_SEQUENCE_NUMBER",
            json!({}),
            invalid,
            "no StartingSequenceNumber",
        ),
        (
            "TRIM_HORIZON",
            at(&number),
            invalid,
            "also a StartingSequenceNumber",
        ),
        (
            "LATEST",
            at(&number),
            invalid,
            "also a StartingSequenceNumber",
        ),
        ("AT_TIMESTAMP", json!({}), invalid, "timestampInMillis"),
        (
            "AT_TIMESTAMP",
            json!({"Timestamp": future}),
            invalid,
            "cannot be greater",
        ),
        ("AT_SEQUENCE_NUMBER", at("0"), invalid, "is invalid"),
        (
            "AT_SEQUENCE_NUMBER",
            at(&other_shard),
            invalid,
            "It encodes shardId-000000000001",
        ),
        (
            "AFTER_SEQUENCE_NUMBER",
            at(&other_shard),
            invalid,
            "while it was used in a call to a shard with shardId-000000000000",
        ),
        (
            "AT_SEQUENCE_NUMBER",
            at(&other_stream),
            invalid,
            "did not come from this stream",
        ),
        (
            "AT_SEQUENCE_NUMBER",
            at(&own.record(1).to_string()),
            invalid,
            "not given yet",
        ),
        (
            "AFTER_SEQUENCE_NUMBER",
            at(&own.record(1).to_string()),
            invalid,
            "not given yet",
        ),
        (
            "AT_SEQUENCE_NUMBER",
            at(&own.before(2).to_string()),
            invalid,
            "not given yet",
        ),
        (
            "TRIM_HORIZON",
            json!({"ShardId": "shardId-000000000002"}),
            missing,
            "does not exist",
        ),
        (
            "TRIM_HORIZON",
            json!({"ShardId": "nonsense"}),
            missing,
            "does not exist",
        ),
        (
            "TRIM_HORIZON",
            json!({"StreamName": "none"}),
            missing,
            "none",
        ),
        (
            "TRIM_HORIZON",
            json!({"DryRun": true}),
            FaultKind::DryRunOperationException,
            "",
        ),
        (
            "OTHER",
            json!({}),
            FaultKind::ValidationException,
            "shardIteratorType",
        ),
    ];
    for (kind, more, fault, words) in cases {
        let told = stand
            .refused("GetShardIterator", ask(kind, more.clone()))
            .await;
        assert_eq!(told.0, fault, "{kind} {more}: {}", told.1);
        assert!(told.1.contains(words), "{kind} {more}: {}", told.1);
    }
}
