use millstream_engine::format::HashKey;
use serde_json::{Value, json};

use crate::kinesis::{
    fault::FaultKind,
    fixture::{Stand, settled},
};

/// A stream that was split at one moment and merged at another, with a while before, between and
/// after them: shard 0 was open first, then 1 and 2, now 3. The moments between.
async fn resharded(stand: &Stand) -> [u64; 3] {
    stand.stream("s", 1).await;
    let mut moments = [0; 3];
    for (step, moment) in moments.iter_mut().enumerate() {
        stand.clock.shift(10_000);
        *moment = stand.clock_ms();
        stand.clock.shift(10_000);
        let service = &stand.front.service;
        match step {
            0 => service
                .split_shard("s", 0, HashKey(1 << 127))
                .await
                .unwrap(),
            1 => service.merge_shards("s", 1, 2).await.unwrap(),
            _ => {}
        }
        settled(stand, "s").await;
    }
    moments
}

fn numbers(answer: &Value) -> Vec<u64> {
    let number = |shard: &Value| {
        let id = shard["ShardId"].as_str().unwrap();
        id.strip_prefix("shardId-").unwrap().parse().unwrap()
    };
    answer["Shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect()
}

async fn listed(stand: &Stand, filter: Value) -> Vec<u64> {
    let body = json!({"StreamName": "s", "ShardFilter": filter});
    numbers(&stand.ask("ListShards", body).await.unwrap())
}

#[tokio::test]
async fn every_filter() {
    let stand = Stand::new();
    let [first, second, third] = resharded(&stand).await;
    let at = |kind: &str, ms: u64| json!({"Type": kind, "Timestamp": ms as f64 / 1000.0});
    let all = stand.ask("ListShards", json!({"StreamName": "s"})).await;
    assert_eq!(numbers(&all.unwrap()), [0, 1, 2, 3]);
    let cases = [
        (json!({"Type": "AT_LATEST"}), vec![3]),
        (json!({"Type": "AT_TRIM_HORIZON"}), vec![0]),
        (json!({"Type": "FROM_TRIM_HORIZON"}), vec![0, 1, 2, 3]),
        (
            json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}),
            vec![2, 3],
        ),
        (at("AT_TIMESTAMP", first), vec![0]),
        (at("AT_TIMESTAMP", second), vec![1, 2]),
        (at("AT_TIMESTAMP", third), vec![3]),
        (at("FROM_TIMESTAMP", first), vec![0, 1, 2, 3]),
        (at("FROM_TIMESTAMP", second), vec![1, 2, 3]),
        (at("FROM_TIMESTAMP", third), vec![3]),
        // Before the stream, and in a time to come.
        (at("AT_TIMESTAMP", 1000), vec![0]),
        (at("AT_TIMESTAMP", third + 1_000_000), vec![3]),
    ];
    for (filter, wanted) in cases {
        assert_eq!(listed(&stand, filter.clone()).await, wanted, "{filter}");
    }
}

#[tokio::test]
async fn shards_go_with_their_records_and_leave_no_gap() {
    let stand = Stand::new();
    resharded(&stand).await;
    // All that was ever put is past retention, but nothing was removed yet.
    stand.clock.shift(25 * 3_600_000);
    assert_eq!(
        listed(&stand, json!({"Type": "AT_TRIM_HORIZON"})).await,
        [3]
    );
    stand.front.service.expire_shards().await;
    let all = stand.ask("ListShards", json!({"StreamName": "s"})).await;
    assert_eq!(numbers(&all.unwrap()), [3]);
    // A longer retention does not bring them back.
    stand
        .front
        .service
        .raise_retention("s", 8760)
        .await
        .unwrap();
    assert_eq!(
        listed(&stand, json!({"Type": "AT_TRIM_HORIZON"})).await,
        [3]
    );
    let left = stand.front.service.stream("s").unwrap();
    assert_eq!(left.map.all().len(), 1);
    let stand = stand.restarted();
    assert_eq!(
        listed(&stand, json!({"Type": "FROM_TRIM_HORIZON"})).await,
        [3]
    );
}

#[tokio::test]
async fn pages() {
    let stand = Stand::new();
    stand.stream("s", 7).await;
    let mut body = json!({"StreamName": "s", "MaxResults": 3});
    let mut found = Vec::new();
    loop {
        let answer = stand.ask("ListShards", body.clone()).await.unwrap();
        found.extend(numbers(&answer));
        assert!(numbers(&answer).len() <= 3);
        let Some(token) = answer.get("NextToken") else {
            break;
        };
        let arn = stand.front.stream_arn("s");
        body = json!({"NextToken": token, "MaxResults": 3, "StreamARN": arn});
    }
    assert_eq!(found, [0, 1, 2, 3, 4, 5, 6]);

    let token = body["NextToken"].clone();
    for (name, value) in [
        ("StreamName", json!("s")),
        ("ExclusiveStartShardId", json!("shardId-000000000000")),
        ("StreamCreationTimestamp", json!(1.5)),
    ] {
        let mut body = json!({"NextToken": token});
        body[name] = value;
        let (kind, message) = stand.refused("ListShards", body).await;
        assert_eq!(kind, FaultKind::InvalidArgumentException);
        assert!(message.contains(name), "{message}");
    }
    // It outlives a restart, and not five minutes.
    let stand = stand.restarted();
    stand
        .ask("ListShards", json!({"NextToken": token}))
        .await
        .unwrap();
    stand.clock.shift(300_500);
    let (kind, _) = stand
        .refused("ListShards", json!({"NextToken": token}))
        .await;
    assert_eq!(kind, FaultKind::ExpiredNextTokenException);
    let (kind, _) = stand
        .refused("ListShards", json!({"NextToken": "no"}))
        .await;
    assert_eq!(kind, FaultKind::InvalidArgumentException);
}

#[tokio::test]
async fn what_does_not_go_together() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    for filter in [
        json!({"Type": "AFTER_SHARD_ID"}),
        json!({"Type": "AT_TIMESTAMP"}),
        json!({"Type": "FROM_TIMESTAMP", "Timestamp": 1.0, "ShardId": "shardId-0"}),
        json!({"Type": "AT_LATEST", "Timestamp": 1.0}),
        json!({"Type": "AT_TRIM_HORIZON", "ShardId": "shardId-0"}),
        json!({"Type": "AFTER_SHARD_ID", "ShardId": "strange"}),
    ] {
        let body = json!({"StreamName": "s", "ShardFilter": filter});
        let (kind, message) = stand.refused("ListShards", body).await;
        assert_eq!(kind, FaultKind::InvalidArgumentException, "{message}");
    }
    let made = stand.front.service.stream("s").unwrap().row.created_ms as f64 / 1000.0;
    let ask = |at: f64| json!({"StreamName": "s", "StreamCreationTimestamp": at});
    stand.ask("ListShards", ask(made)).await.unwrap();
    stand.ask("ListShards", ask(made.floor())).await.unwrap();
    let (kind, _) = stand.refused("ListShards", ask(made - 100.0)).await;
    assert_eq!(kind, FaultKind::ResourceNotFoundException);
}
