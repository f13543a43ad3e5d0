//! What can be changed about a stream, its tags and policies, and the account.

use super::*;

#[tokio::test]
async fn retention_goes_up_and_down() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let body = |hours: i32| json!({"StreamName": "s", "RetentionPeriodHours": hours});
    // As it is: what Terraform sends.
    done(&stand, "IncreaseStreamRetentionPeriod", body(24)).await;
    done(&stand, "IncreaseStreamRetentionPeriod", body(8760)).await;
    assert_eq!(summary(&stand, "s").await["RetentionPeriodHours"], 8760);
    done(&stand, "DecreaseStreamRetentionPeriod", body(48)).await;
    let invalid = FaultKind::InvalidArgumentException;
    for hours in [-1, 0, 23, 24, 8761] {
        let told = kind(&stand, "IncreaseStreamRetentionPeriod", body(hours)).await;
        assert_eq!(told, invalid, "{hours}");
    }
    for hours in [23, 49, 8761] {
        let told = kind(&stand, "DecreaseStreamRetentionPeriod", body(hours)).await;
        assert_eq!(told, invalid, "{hours}");
    }
    let none = json!({"StreamName": "t", "RetentionPeriodHours": 48});
    let none = kind(&stand, "IncreaseStreamRetentionPeriod", none).await;
    assert_eq!(none, FaultKind::ResourceNotFoundException);
}

#[tokio::test]
async fn metrics_are_switched_on_and_off() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let body = |names: &[&str]| json!({"StreamName": "s", "ShardLevelMetrics": names});
    let on = stand.ask(
        "EnableEnhancedMonitoring",
        body(&["OutgoingBytes", "IncomingBytes"]),
    );
    let on = on.await.unwrap();
    assert_eq!(on["CurrentShardLevelMetrics"], json!([]));
    assert_eq!(
        on["DesiredShardLevelMetrics"],
        json!(["IncomingBytes", "OutgoingBytes"])
    );
    let all = stand
        .ask("EnableEnhancedMonitoring", body(&["ALL"]))
        .await
        .unwrap();
    assert_eq!(
        all["CurrentShardLevelMetrics"],
        json!(["IncomingBytes", "OutgoingBytes"])
    );
    assert_eq!(all["DesiredShardLevelMetrics"].as_array().unwrap().len(), 7);
    let told = summary(&stand, "s").await["EnhancedMonitoring"].clone();
    assert_eq!(told.as_array().unwrap().len(), 1);
    let off = stand
        .ask("DisableEnhancedMonitoring", body(&["ALL"]))
        .await
        .unwrap();
    assert_eq!(off["DesiredShardLevelMetrics"], json!([]));
    let unknown = kind(&stand, "EnableEnhancedMonitoring", body(&["Temperature"])).await;
    assert_eq!(unknown, FaultKind::ValidationException);
}

#[tokio::test]
async fn encryption_and_record_size_are_kept() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let key =
        |kind: &str, key: &str| json!({"StreamName": "s", "EncryptionType": kind, "KeyId": key});
    done(&stand, "StartStreamEncryption", key("KMS", "alias/a")).await;
    let told = summary(&stand, "s").await;
    assert_eq!(
        (&told["EncryptionType"], &told["KeyId"]),
        (&json!("KMS"), &json!("alias/a"))
    );
    let invalid = FaultKind::InvalidArgumentException;
    assert_eq!(
        kind(&stand, "StartStreamEncryption", key("NONE", "k")).await,
        invalid
    );
    assert_eq!(
        kind(&stand, "StopStreamEncryption", key("KMS", "alias/b")).await,
        invalid
    );
    done(&stand, "StopStreamEncryption", key("KMS", "alias/a")).await;
    assert_eq!(summary(&stand, "s").await["EncryptionType"], "NONE");

    let arn = stand.front.stream_arn("s");
    let size = |kib: i32| json!({"StreamARN": arn, "MaxRecordSizeInKiB": kib});
    done(&stand, "UpdateMaxRecordSize", size(10240)).await;
    assert_eq!(summary(&stand, "s").await["MaxRecordSizeInKiB"], 10240);
    for kib in [1023, 10241] {
        let told = kind(&stand, "UpdateMaxRecordSize", size(kib)).await;
        assert_eq!(told, FaultKind::ValidationException);
    }
}

#[tokio::test]
async fn warm_throughput_needs_mode_and_commitment() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let arn = stand.front.stream_arn("s");
    let warm = json!({"StreamARN": arn, "WarmThroughputMiBps": 20});
    let cold = FaultKind::ValidationException;
    assert_eq!(
        kind(&stand, "UpdateStreamWarmThroughput", warm.clone()).await,
        cold
    );
    let mode = |mode: &str| json!({"StreamARN": arn, "StreamModeDetails": {"StreamMode": mode}});
    done(&stand, "UpdateStreamMode", mode("ON_DEMAND")).await;
    assert_eq!(
        summary(&stand, "s").await["StreamModeDetails"]["StreamMode"],
        "ON_DEMAND"
    );
    assert_eq!(
        kind(&stand, "UpdateStreamWarmThroughput", warm.clone()).await,
        cold
    );

    let commit = |status: &str| json!({"MinimumThroughputBillingCommitment": {"Status": status}});
    let field = "MinimumThroughputBillingCommitment";
    let before = stand
        .ask("DescribeAccountSettings", json!({}))
        .await
        .unwrap();
    assert_eq!(before, json!({field: {"Status": "DISABLED"}}));
    let on = stand
        .ask("UpdateAccountSettings", commit("ENABLED"))
        .await
        .unwrap();
    assert_eq!(on[field]["Status"], "ENABLED");
    let started = on[field]["StartedAt"].as_f64().unwrap();
    let earliest = on[field]["EarliestAllowedEndAt"].as_f64().unwrap();
    assert_eq!((earliest - started).round(), 86_400.0);
    let told = stand.ask("UpdateStreamWarmThroughput", warm).await.unwrap();
    assert_eq!(
        told["WarmThroughput"],
        json!({"TargetMiBps": 20, "CurrentMiBps": 20})
    );
    assert_eq!(
        summary(&stand, "s").await["WarmThroughput"]["TargetMiBps"],
        20
    );

    // It lasts a day at least.
    let off = stand
        .ask("UpdateAccountSettings", commit("DISABLED"))
        .await
        .unwrap();
    assert_eq!(off[field]["Status"], "ENABLED_UNTIL_EARLIEST_ALLOWED_END");
    stand.clock.shift(24 * 3_600_000);
    let told = stand
        .ask("DescribeAccountSettings", json!({}))
        .await
        .unwrap();
    assert_eq!(told[field]["Status"], "DISABLED");
    assert!(summary(&stand, "s").await.get("WarmThroughput").is_none());
}

#[tokio::test]
async fn tags_and_policies_of_streams() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let arn = stand.front.stream_arn("s");
    let tags: serde_json::Map<_, _> = (10..40).map(|n| (format!("k{n}"), json!("v"))).collect();
    done(
        &stand,
        "AddTagsToStream",
        json!({"StreamName": "s", "Tags": tags}),
    )
    .await;
    done(
        &stand,
        "TagResource",
        json!({"ResourceARN": arn, "Tags": {"k10": "new"}}),
    )
    .await;
    let page = json!({"StreamName": "s", "Limit": 2, "ExclusiveStartTagKey": "k09"});
    let page = stand.ask("ListTagsForStream", page).await.unwrap();
    assert_eq!(page["Tags"][0], json!({"Key": "k10", "Value": "new"}));
    assert_eq!(
        (page["Tags"].as_array().unwrap().len(), &page["HasMoreTags"]),
        (2, &json!(true))
    );
    let more: serde_json::Map<_, _> = (40..61).map(|n| (format!("k{n}"), json!("v"))).collect();
    let over = json!({"StreamName": "s", "Tags": more});
    let over = kind(&stand, "AddTagsToStream", over).await;
    assert_eq!(over, FaultKind::InvalidArgumentException);
    let keys = json!({"StreamName": "s", "TagKeys": ["k10", "none"]});
    done(&stand, "RemoveTagsFromStream", keys).await;
    done(
        &stand,
        "UntagResource",
        json!({"ResourceARN": arn, "TagKeys": ["k11"]}),
    )
    .await;
    let left = stand
        .ask("ListTagsForResource", json!({"ResourceARN": arn}))
        .await;
    assert_eq!(left.unwrap()["Tags"].as_array().unwrap().len(), 28);

    let of = json!({"ResourceARN": arn});
    let none = kind(&stand, "GetResourcePolicy", of.clone()).await;
    assert_eq!(none, FaultKind::ResourceNotFoundException);
    let policy = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let put = |policy: &str| json!({"ResourceARN": arn, "Policy": policy});
    done(&stand, "PutResourcePolicy", put(policy)).await;
    let told = stand.ask("GetResourcePolicy", of.clone()).await.unwrap();
    assert_eq!(told["Policy"], policy);
    for wrong in ["no JSON", "[]", "7", "{} x"] {
        let told = kind(&stand, "PutResourcePolicy", put(wrong)).await;
        assert_eq!(told, FaultKind::InvalidArgumentException, "{wrong}");
    }
    done(&stand, "DeleteResourcePolicy", of.clone()).await;
    let none = kind(&stand, "DeleteResourcePolicy", of).await;
    assert_eq!(none, FaultKind::ResourceNotFoundException);
}

#[tokio::test]
async fn what_is_not_active_is_in_use() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let stream = stand.front.service.stream("s").unwrap();
    let creating = crate::catalog::StreamStatus::Creating;
    stand.front.service.set_status(&stream, creating).unwrap();
    let arn = stand.front.stream_arn("s");
    let named = |more: Value| {
        let mut body = json!({"StreamName": "s"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let by_arn = |more: Value| {
        let mut body = named(more);
        body["StreamARN"] = json!(arn);
        body
    };
    let shard = "shardId-000000000000";
    let in_use = [
        ("AddTagsToStream", named(json!({"Tags": {"k": "v"}}))),
        (
            "DecreaseStreamRetentionPeriod",
            named(json!({"RetentionPeriodHours": 24})),
        ),
        (
            "DisableEnhancedMonitoring",
            named(json!({"ShardLevelMetrics": ["ALL"]})),
        ),
        (
            "EnableEnhancedMonitoring",
            named(json!({"ShardLevelMetrics": ["ALL"]})),
        ),
        (
            "IncreaseStreamRetentionPeriod",
            named(json!({"RetentionPeriodHours": 24})),
        ),
        ("ListShards", named(json!({}))),
        (
            "MergeShards",
            named(json!({"ShardToMerge": shard, "AdjacentShardToMerge": shard})),
        ),
        (
            "RegisterStreamConsumer",
            by_arn(json!({"ConsumerName": "c"})),
        ),
        ("RemoveTagsFromStream", named(json!({"TagKeys": ["k"]}))),
        (
            "SplitShard",
            named(json!({"ShardToSplit": shard, "NewStartingHashKey": "5"})),
        ),
        (
            "StartStreamEncryption",
            named(json!({"EncryptionType": "KMS", "KeyId": "k"})),
        ),
        (
            "UpdateShardCount",
            named(json!({"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"})),
        ),
        (
            "UpdateMaxRecordSize",
            by_arn(json!({"MaxRecordSizeInKiB": 2048})),
        ),
        (
            "UpdateStreamMode",
            by_arn(json!({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}})),
        ),
        ("DeleteStream", named(json!({}))),
    ];
    for (operation, body) in in_use {
        let told = stand.refused(operation, body).await;
        let wanted = match operation {
            // Two that are one cannot be merged, whatever the state.
            "MergeShards" => FaultKind::InvalidArgumentException,
            _ => FaultKind::ResourceInUseException,
        };
        assert_eq!(told.0, wanted, "{operation}: {}", told.1);
    }
    // What only looks works, and data is not there yet.
    assert_eq!(summary(&stand, "s").await["StreamStatus"], "CREATING");
    let described = stand.ask("DescribeStream", named(json!({}))).await.unwrap();
    assert_eq!(described["StreamDescription"]["Shards"], json!([]));
    stand
        .ask("ListTagsForStream", named(json!({})))
        .await
        .unwrap();
    let put = named(json!({"PartitionKey": "k", "Data": ""}));
    let put = kind(&stand, "PutRecord", put).await;
    assert_eq!(put, FaultKind::ResourceNotFoundException);
}
