//! Streams made, described, listed, resharded and deleted.

use super::*;

#[tokio::test]
async fn a_stream_from_its_creation_to_its_end() {
    let stand = Stand::new();
    let wanted = json!({
        "StreamName": "s", "ShardCount": 2, "MaxRecordSizeInKiB": 2048,
        "Tags": {"key": "value"},
    });
    done(&stand, "CreateStream", wanted.clone()).await;
    let at_once = summary(&stand, "s").await;
    assert!(["CREATING", "ACTIVE"].contains(&at_once["StreamStatus"].as_str().unwrap()));
    settled(&stand, "s").await;
    let arn = stand.front.stream_arn("s");
    let told = summary(&stand, "s").await;
    assert_eq!(told["StreamARN"], arn);
    assert_eq!(told["StreamStatus"], "ACTIVE");
    assert_eq!(told["StreamModeDetails"]["StreamMode"], "PROVISIONED");
    assert_eq!(
        (&told["OpenShardCount"], &told["ConsumerCount"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(told["RetentionPeriodHours"], 24);
    assert_eq!(told["MaxRecordSizeInKiB"], 2048);
    assert_eq!(told["EncryptionType"], "NONE");
    assert_eq!(
        told["EnhancedMonitoring"],
        json!([{"ShardLevelMetrics": []}])
    );
    for absent in [
        "StreamId",
        "KeyId",
        "WarmThroughput",
        "RecordDistributionStrategy",
    ] {
        assert!(told.get(absent).is_none(), "{absent}");
    }
    let tags = stand
        .ask("ListTagsForStream", json!({"StreamARN": arn}))
        .await;
    assert_eq!(
        tags.unwrap(),
        json!({"Tags": [{"Key": "key", "Value": "value"}], "HasMoreTags": false})
    );
    assert_eq!(
        stand.refused("CreateStream", wanted).await.1,
        format!(
            "Stream s under account {} already exists.",
            stand.front.account
        )
    );

    done(&stand, "DeleteStream", json!({"StreamName": "s"})).await;
    for _ in 0..1000 {
        if stand.front.service.stream("s").is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let gone = kind(&stand, "DescribeStream", json!({"StreamName": "s"})).await;
    assert_eq!(gone, FaultKind::ResourceNotFoundException);
    let gone = kind(&stand, "DeleteStream", json!({"StreamName": "s"})).await;
    assert_eq!(gone, FaultKind::ResourceNotFoundException);
}

#[tokio::test]
async fn what_a_new_stream_cannot_be() {
    let stand = Stand::new();
    let invalid = FaultKind::InvalidArgumentException;
    let many: serde_json::Map<_, _> = (0..51).map(|n| (n.to_string(), json!(""))).collect();
    for (body, wanted) in [
        (json!({"StreamName": "s"}), invalid),
        (json!({"StreamName": "s", "ShardCount": 100_001}), invalid),
        (
            json!({"StreamName": "s", "ShardCount": 1, "Tags": {"aws:k": "v"}}),
            invalid,
        ),
        (
            json!({"StreamName": "s", "ShardCount": 1, "Tags": {"k": "\u{7}"}}),
            invalid,
        ),
        (
            json!({"StreamName": "s", "ShardCount": 1, "Tags": many}),
            invalid,
        ),
        (
            json!({"StreamName": "s", "ShardCount": 1, "RecordDistributionStrategy": "AUTO"}),
            invalid,
        ),
        (
            json!({"StreamName": "s", "ShardCount": 1, "RecordDistributionStrategy": "USER_PARTITION_KEY"}),
            invalid,
        ),
        (
            json!({"StreamName": "s", "ShardCount": 1, "WarmThroughputMiBps": 10}),
            FaultKind::ValidationException,
        ),
        (
            json!({"StreamName": "s", "ShardCount": 1, "MaxRecordSizeInKiB": 512}),
            FaultKind::ValidationException,
        ),
        (json!({"ShardCount": 1}), FaultKind::ValidationException),
        (
            json!({"StreamName": "s", "ShardCount": "1"}),
            FaultKind::SerializationException,
        ),
    ] {
        let told = stand.refused("CreateStream", body.clone()).await;
        assert_eq!(told.0, wanted, "{body}: {}", told.1);
    }
    let (streams, _) = stand.front.service.list_streams("", 10);
    assert!(streams.is_empty());
}

#[tokio::test]
async fn streams_are_listed_in_pages() {
    let stand = Stand::new();
    for name in ["a", "b", "c", "d"] {
        stand.stream(name, 1).await;
    }
    let first = stand.ask("ListStreams", json!({"Limit": 3})).await.unwrap();
    assert_eq!(first["StreamNames"], json!(["a", "b", "c"]));
    assert_eq!(first["HasMoreStreams"], true);
    let made = &first["StreamSummaries"][2];
    assert_eq!(made["StreamName"], "c");
    assert_eq!(made["StreamStatus"], "ACTIVE");
    assert_eq!(made["StreamARN"], stand.front.stream_arn("c"));
    let token = &first["NextToken"];
    let rest = stand.ask("ListStreams", json!({"NextToken": token})).await;
    let by_name = json!({"ExclusiveStartStreamName": "c"});
    let by_name = stand.ask("ListStreams", by_name).await.unwrap();
    for rest in [rest.unwrap(), by_name] {
        assert_eq!(rest["StreamNames"], json!(["d"]));
        assert_eq!(rest["HasMoreStreams"], false);
        assert!(rest.get("NextToken").is_none());
    }
    let both = json!({"NextToken": token, "ExclusiveStartStreamName": "c"});
    let both = kind(&stand, "ListStreams", both).await;
    assert_eq!(both, FaultKind::InvalidArgumentException);
    let other = json!({"NextToken": token});
    let other = kind(&stand, "ListShards", other).await;
    assert_eq!(
        other,
        FaultKind::InvalidArgumentException,
        "of another operation"
    );
}

#[tokio::test]
async fn shards_are_described_with_their_lineage() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let at = (1u128 << 127).to_string();
    let split = json!({
        "StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": at,
    });
    done(&stand, "SplitShard", split).await;
    settled(&stand, "s").await;
    let merge = json!({
        "StreamName": "s", "ShardToMerge": "shardId-000000000002",
        "AdjacentShardToMerge": "shardId-000000000001",
    });
    done(&stand, "MergeShards", merge).await;
    settled(&stand, "s").await;
    let told = stand
        .ask("DescribeStream", json!({"StreamName": "s"}))
        .await;
    let told = told.unwrap()["StreamDescription"].clone();
    let shards = told["Shards"].as_array().unwrap();
    assert_eq!((shards.len(), &told["HasMoreShards"]), (4, &json!(false)));
    assert!(shards[0].get("ParentShardId").is_none());
    for child in &shards[1..3] {
        assert_eq!(child["ParentShardId"], "shardId-000000000000");
        assert!(child.get("AdjacentParentShardId").is_none());
        assert!(
            child["SequenceNumberRange"]
                .get("EndingSequenceNumber")
                .is_some()
        );
    }
    assert_eq!(shards[2]["HashKeyRange"]["StartingHashKey"], at);
    assert_eq!(shards[3]["ParentShardId"], "shardId-000000000002");
    assert_eq!(shards[3]["AdjacentParentShardId"], "shardId-000000000001");
    assert_eq!(
        shards[3]["HashKeyRange"]["EndingHashKey"],
        u128::MAX.to_string()
    );
    let open = &shards[3]["SequenceNumberRange"];
    assert!(open.get("EndingSequenceNumber").is_none());
    // Numbers go up from parent to child.
    let number = |shard: &Value, which: &str| {
        shard["SequenceNumberRange"][which]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let end = number(&shards[0], "EndingSequenceNumber");
    let start = number(&shards[1], "StartingSequenceNumber");
    assert_eq!((end.len(), start.len()), (56, 56));
    assert!(end < start);

    let page =
        json!({"StreamName": "s", "Limit": 1, "ExclusiveStartShardId": "shardId-000000000001"});
    let page = stand.ask("DescribeStream", page).await.unwrap();
    let page = &page["StreamDescription"];
    assert_eq!(page["Shards"][0]["ShardId"], "shardId-000000000002");
    assert_eq!(page["HasMoreShards"], true);
}

#[tokio::test]
async fn resharding_refuses_in_the_order_of_checks() {
    let stand = Stand::new();
    stand.stream("s", 2).await;
    let split = |shard: &str, at: &str| json!({"StreamName": "s", "ShardToSplit": shard, "NewStartingHashKey": at});
    let too_high = (u128::MAX.to_string().len(), "9".repeat(39));
    for (body, wanted) in [
        (
            split("shardId-000000000009", "5"),
            FaultKind::ResourceNotFoundException,
        ),
        (split("strange", "5"), FaultKind::ResourceNotFoundException),
        (
            split("shardId-000000000000", "0"),
            FaultKind::InvalidArgumentException,
        ),
        (
            split("shardId-000000000001", "5"),
            FaultKind::InvalidArgumentException,
        ),
        (
            split("shardId-000000000000", &too_high.1),
            FaultKind::InvalidArgumentException,
        ),
        (
            split("shardId-000000000000", "05"),
            FaultKind::ValidationException,
        ),
    ] {
        let told = stand.refused("SplitShard", body.clone()).await;
        assert_eq!(told.0, wanted, "{body}: {}", told.1);
    }
    let merge = |one: &str, other: &str| json!({"StreamName": "s", "ShardToMerge": one, "AdjacentShardToMerge": other});
    let same = merge("shardId-000000000000", "shardId-000000000000");
    let invalid = FaultKind::InvalidArgumentException;
    assert_eq!(kind(&stand, "MergeShards", same).await, invalid);
    let count = |target: i32| json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
    let limit = FaultKind::LimitExceededException;
    assert_eq!(kind(&stand, "UpdateShardCount", count(5)).await, limit);
    let answer = stand.ask("UpdateShardCount", count(3)).await.unwrap();
    assert_eq!(answer["CurrentShardCount"], 2);
    assert_eq!(answer["TargetShardCount"], 3);
    assert_eq!(answer["StreamName"], "s");
    settled(&stand, "s").await;
    assert_eq!(summary(&stand, "s").await["OpenShardCount"], 3);
    // Closed by now.
    let closed = split("shardId-000000000000", "5");
    let closed = kind(&stand, "SplitShard", closed).await;
    assert_eq!(closed, FaultKind::InvalidArgumentException);

    done(
        &stand,
        "CreateStream",
        json!({"StreamName": "d", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}),
    )
    .await;
    settled(&stand, "d").await;
    let told = summary(&stand, "d").await;
    assert_eq!(told["OpenShardCount"], 4);
    assert_eq!(told["RecordDistributionStrategy"], "USER_PARTITION_KEY");
    let body = json!({"StreamName": "d", "TargetShardCount": 8, "ScalingType": "UNIFORM_SCALING"});
    let refused = kind(&stand, "UpdateShardCount", body).await;
    assert_eq!(refused, FaultKind::ValidationException);
}

#[tokio::test]
async fn the_limits_of_an_account() {
    let none = Stand::new();
    none.stream("s", 3).await;
    let told = none.ask("DescribeLimits", json!({})).await.unwrap();
    assert_eq!(
        told,
        json!({
            "ShardLimit": 1_000_000, "OpenShardCount": 3, "OnDemandStreamCount": 0,
            "OnDemandStreamCountLimit": 1_000_000,
        })
    );
    let aws = Stand::with("aws");
    let told = aws.ask("DescribeLimits", json!({})).await.unwrap();
    assert_eq!(told["ShardLimit"], 500);
    let again = kind(&aws, "DescribeLimits", json!({})).await;
    assert_eq!(again, FaultKind::LimitExceededException, "once a second");
    aws.stream("s", 500).await;
    let body = json!({"StreamName": "t", "ShardCount": 1});
    let full = kind(&aws, "CreateStream", body).await;
    assert_eq!(full, FaultKind::LimitExceededException);
}

#[tokio::test]
async fn a_shard_count_is_changed_ten_times_a_day() {
    let stand = Stand::with("aws");
    stand.stream("s", 2).await;
    let count = |target: i32| json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
    for round in 0..10 {
        stand
            .ask("UpdateShardCount", count(1 + round % 2))
            .await
            .unwrap();
        settled(&stand, "s").await;
    }
    let refused = kind(&stand, "UpdateShardCount", count(1)).await;
    assert_eq!(refused, FaultKind::LimitExceededException);
    stand.clock.shift(24 * 3_600_000);
    stand.ask("UpdateShardCount", count(1)).await.unwrap();
}
