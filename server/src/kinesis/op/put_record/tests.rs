use serde_json::json;

use super::*;
use crate::kinesis::fixture::Stand;
use crate::kinesis::sequence::Origin;

#[tokio::test]
async fn numbers_go_up_and_tell_the_shard() {
    let stand = Stand::new();
    stand.stream("s", 2).await;
    let mut last: Option<Number> = None;
    for size in [0, 1, 100, 40_000] {
        let data = base64_simd::STANDARD.encode_to_string(vec![1u8; size]);
        let mut body =
            json!({"StreamName": "s", "PartitionKey": "k", "Data": data, "ExplicitHashKey": "0"});
        let before = last.map_or_else(|| "0".to_owned(), |last| last.to_string());
        body["SequenceNumberForOrdering"] = before.into();
        let answer = stand.ask("PutRecord", body).await.unwrap();
        assert_eq!(answer["ShardId"], "shardId-000000000000");
        let number: Number = answer["SequenceNumber"].as_str().unwrap().parse().unwrap();
        assert!(last < Some(number));
        last = Some(number);
    }
}

#[tokio::test]
async fn what_is_refused() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let put = |change: &str, value: serde_json::Value| {
        let mut body = json!({"StreamName": "s", "PartitionKey": "k", "Data": "QQ=="});
        body[change] = value;
        body
    };
    let first = stand
        .ask("PutRecord", put("StreamName", "s".into()))
        .await
        .unwrap();
    let stream = stand.front.service.stream("s").unwrap();
    let origin = Origin::of(&stream.map.all()[0]);
    let cases = [
        (
            "StreamName",
            json!("other"),
            FaultKind::ResourceNotFoundException,
        ),
        ("PartitionKey", json!(null), FaultKind::ValidationException),
        ("Data", json!("QQ"), FaultKind::SerializationException),
        (
            "ExplicitHashKey",
            json!(u128::MAX.to_string() + "0"),
            FaultKind::ValidationException,
        ),
        (
            "ExplicitHashKey",
            json!("340282366920938463463374607431768211456"),
            FaultKind::InvalidArgumentException,
        ),
        (
            "SequenceNumberForOrdering",
            json!("1"),
            FaultKind::InvalidArgumentException,
        ),
        (
            "SequenceNumberForOrdering",
            json!(origin.record(1).to_string()),
            FaultKind::InvalidArgumentException,
        ),
        (
            "SequenceNumberForOrdering",
            json!("x"),
            FaultKind::ValidationException,
        ),
        ("DryRun", json!(true), FaultKind::DryRunOperationException),
    ];
    for (member, value, kind) in cases {
        let told = stand.refused("PutRecord", put(member, value.clone())).await;
        assert_eq!(told.0, kind, "{member} {value}: {}", told.1);
    }
    let second = stand
        .ask("PutRecord", put("StreamName", "s".into()))
        .await
        .unwrap();
    let number = |answer: &serde_json::Value| answer["SequenceNumber"].as_str().unwrap().to_owned();
    assert_eq!(number(&first), origin.record(0).to_string());
    assert_eq!(
        number(&second),
        origin.record(1).to_string(),
        "nothing was written in between"
    );
}

#[tokio::test]
async fn what_is_over_the_limit_is_told_with_its_place() {
    let stand = Stand::with("aws");
    stand.stream("s", 1).await;
    let body = json!({"StreamName": "s", "PartitionKey": "k", "Data": ""});
    for _ in 0..1000 {
        stand.ask("PutRecord", body.clone()).await.unwrap();
    }
    let refusal = stand.ask("PutRecord", body.clone()).await.unwrap_err();
    assert_eq!(
        refusal.kind(),
        FaultKind::ProvisionedThroughputExceededException
    );
    assert_eq!(
        refusal.message(),
        "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."
    );
    stand.clock.shift(1);
    stand.ask("PutRecord", body).await.unwrap();
}
