//! The cases.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use aws_sdk_kinesis::{
    primitives::{Blob, DateTime},
    types::{
        EncryptionType, MetricsName, MinimumThroughputBillingCommitmentInput,
        MinimumThroughputBillingCommitmentInputStatus as Wanted, PutRecordsRequestEntry,
        ScalingType, ShardFilter, ShardFilterType, ShardIteratorType, StartingPosition, StreamMode,
        StreamModeDetails, SubscribeToShardEvent, SubscribeToShardEventStream,
    },
};

use crate::kit::{
    FIRST, Kit, Outcome, Trouble, equal, fails, holds, ok, setting, settings, shard, texts, there,
};

const HALF: &str = "170141183460469231731687303715884105728";

/// What a builder says is missing.
fn built<T, E: std::fmt::Debug>(value: Result<T, E>) -> Outcome<T> {
    value.map_err(|error| Trouble::Failed(format!("{error:?}")))
}

fn mode(mode: StreamMode) -> Outcome<StreamModeDetails> {
    built(StreamModeDetails::builder().stream_mode(mode).build())
}

fn near(time: DateTime) -> Outcome {
    let now = DateTime::from(SystemTime::now()).as_secs_f64();
    holds(
        (time.as_secs_f64() - now).abs() < 30.0,
        format_args!("{time} is not now"),
    )
}

pub async fn life_of_a_stream(k: &mut Kit) -> Outcome {
    let name = k.stream(2).await?;
    let arn = k.arn(&name);
    let c = k.client.clone();
    let told = ok(
        "DescribeStream",
        c.describe_stream().stream_name(&name).limit(1).send(),
    )
    .await?;
    let told = there(told.stream_description, "a description")?;
    equal(told.stream_arn(), arn.as_str(), "ARN")?;
    equal(told.has_more_shards, true, "more shards")?;
    near(told.stream_creation_timestamp)?;
    let call = c
        .increase_stream_retention_period()
        .stream_name(&name)
        .retention_period_hours(48);
    ok("IncreaseStreamRetentionPeriod", call.send()).await?;
    equal(k.wait(&name).await?.retention_period_hours, 48, "retention")?;
    let call = c
        .decrease_stream_retention_period()
        .stream_arn(&arn)
        .retention_period_hours(24);
    ok("DecreaseStreamRetentionPeriod", call.send()).await?;
    k.wait(&name).await?;
    let (kms, key) = (EncryptionType::Kms, "alias/aws/kinesis");
    let call = c
        .start_stream_encryption()
        .stream_name(&name)
        .encryption_type(kms.clone());
    ok("StartStreamEncryption", call.key_id(key).send()).await?;
    equal(
        k.wait(&name).await?.encryption_type,
        Some(kms.clone()),
        "encryption",
    )?;
    let call = c
        .stop_stream_encryption()
        .stream_name(&name)
        .encryption_type(kms)
        .key_id(key);
    ok("StopStreamEncryption", call.send()).await?;
    k.wait(&name).await?;
    let all = MetricsName::All;
    let call = c
        .enable_enhanced_monitoring()
        .stream_name(&name)
        .shard_level_metrics(all.clone());
    let on = ok("EnableEnhancedMonitoring", call.send()).await?;
    equal(on.desired_shard_level_metrics().len(), 7, "metrics")?;
    k.wait(&name).await?;
    let call = c
        .disable_enhanced_monitoring()
        .stream_name(&name)
        .shard_level_metrics(all);
    let off = ok("DisableEnhancedMonitoring", call.send()).await?;
    equal(off.desired_shard_level_metrics().len(), 0, "metrics")?;
    k.wait(&name).await?;
    let on_demand = mode(StreamMode::OnDemand)?;
    let call = c
        .update_stream_mode()
        .stream_arn(&arn)
        .stream_mode_details(on_demand);
    ok("UpdateStreamMode", call.send()).await?;
    k.wait(&name).await?;
    let limits = ok("DescribeLimits", c.describe_limits().send()).await?;
    holds(limits.shard_limit > 0, "limits")?;
    let mut pages = c.list_streams().into_paginator().page_size(2).send();
    let mut found = 0;
    while let Some(page) = pages.next().await {
        let page = ok("ListStreams", async { page }).await?;
        found += page
            .stream_names
            .iter()
            .filter(|listed| **listed == name)
            .count();
    }
    equal(found, 1, "times that it is listed")?;
    ok("DeleteStream", c.delete_stream().stream_name(&name).send()).await?;
    Ok(())
}

pub async fn records(k: &mut Kit) -> Outcome {
    let name = k.stream(2).await?;
    let every: Vec<u8> = (0..=255).collect();
    let put = |data: Vec<u8>| {
        let put = k
            .client
            .put_record()
            .stream_name(&name)
            .data(Blob::new(data));
        put.partition_key("ключ-🔑").explicit_hash_key("0")
    };
    let first = ok("PutRecord", put(every.clone()).send()).await?;
    equal(first.sequence_number.len(), 56, "digits")?;
    let second = put(Vec::new()).sequence_number_for_ordering(first.sequence_number);
    ok("PutRecord", second.send()).await?;
    let mut many = k.client.put_records().stream_name(&name);
    for n in 0..500 {
        let entry = PutRecordsRequestEntry::builder().data(Blob::new(format!("{n}")));
        let entry = entry.partition_key(format!("key-{n}"));
        many = many.records(built(entry.build())?);
    }
    let answer = ok("PutRecords", many.send()).await?;
    equal(answer.failed_record_count, Some(0), "failures")?;
    let found = k.read_all(&name, FIRST).await?;
    equal(
        found[0].data().as_ref(),
        &every[..],
        "every byte comes back",
    )?;
    equal(found[0].partition_key(), Some("ключ-🔑"), "key")?;
    equal(found[1].data().as_ref().len(), 0, "an empty record")?;
    near(there(found[0].approximate_arrival_timestamp, "a time")?)?;
    let rest = k.read_all(&name, &shard(1)).await?;
    equal(found.len() + rest.len(), 502, "records")
}

pub async fn iterators(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    let number = k.put(&name, "0").await?;
    k.put(&name, "1").await?;
    let latest = k.iterator(&name, FIRST, ShardIteratorType::Latest).await?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let now = DateTime::from(SystemTime::now());
    k.put(&name, "2").await?;
    let ask = k
        .client
        .get_shard_iterator()
        .stream_name(&name)
        .shard_id(FIRST);
    let expected: [(ShardIteratorType, &[&str]); 3] = [
        (ShardIteratorType::AtSequenceNumber, &["0", "1", "2"]),
        (ShardIteratorType::AfterSequenceNumber, &["1", "2"]),
        (ShardIteratorType::AtTimestamp, &["2"]),
    ];
    for (kind, expected) in expected {
        let ask = ask.clone().shard_iterator_type(kind.clone());
        let ask = match kind {
            ShardIteratorType::AtTimestamp => ask.timestamp(now),
            _ => ask.starting_sequence_number(&number),
        };
        let iterator = there(
            ok("GetShardIterator", ask.send()).await?.shard_iterator,
            "one",
        )?;
        let found = texts(&k.read(iterator, expected.len()).await?);
        equal(
            found,
            expected.iter().map(|&t| t.to_owned()).collect(),
            kind.as_str(),
        )?;
    }
    equal(
        texts(&k.read(latest.clone(), 1).await?),
        vec!["2".to_owned()],
        "LATEST",
    )?;
    let tampered = k.client.get_records().shard_iterator(&latest[4..]).send();
    fails("InvalidArgumentException", tampered).await?;
    let none = ask
        .clone()
        .shard_iterator_type(ShardIteratorType::AtTimestamp)
        .send();
    fails("InvalidArgumentException", none).await?;
    let none = ask
        .shard_id(shard(7))
        .shard_iterator_type(ShardIteratorType::Latest)
        .send();
    fails("ResourceNotFoundException", none).await?;
    Ok(())
}

pub async fn resharding(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    let c = k.client.clone();
    k.put(&name, "before").await?;
    let call = c.split_shard().stream_name(&name).shard_to_split(FIRST);
    ok("SplitShard", call.new_starting_hash_key(HALF).send()).await?;
    k.wait(&name).await?;
    let iterator = k
        .iterator(&name, FIRST, ShardIteratorType::TrimHorizon)
        .await?;
    let last = ok(
        "GetRecords",
        c.get_records().shard_iterator(iterator).send(),
    )
    .await?;
    equal(
        last.next_shard_iterator(),
        None,
        "where a closed shard goes on",
    )?;
    equal(last.child_shards().len(), 2, "children")?;
    let call = c.merge_shards().stream_name(&name).shard_to_merge(shard(1));
    ok("MergeShards", call.adjacent_shard_to_merge(shard(2)).send()).await?;
    k.wait(&name).await?;
    let shards = ok("ListShards", c.list_shards().stream_name(&name).send()).await?;
    let merged = there(shards.shards().get(3), "the merged shard")?;
    equal(
        merged.adjacent_parent_shard_id(),
        Some(shard(2).as_str()),
        "adjacent parent",
    )?;
    let filter = built(
        ShardFilter::builder()
            .r#type(ShardFilterType::AtLatest)
            .build(),
    )?;
    let open = c.list_shards().stream_name(&name).shard_filter(filter);
    equal(
        ok("ListShards", open.send()).await?.shards().len(),
        1,
        "open shards",
    )?;
    let call = c
        .update_shard_count()
        .stream_name(&name)
        .target_shard_count(2);
    let call = call.scaling_type(ScalingType::UniformScaling);
    let told = ok("UpdateShardCount", call.send()).await?;
    equal(told.current_shard_count, Some(1), "shards before")?;
    equal(k.wait(&name).await?.open_shard_count, 2, "shards after")
}

pub async fn large_records(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    let call = k.client.update_max_record_size().stream_arn(k.arn(&name));
    ok(
        "UpdateMaxRecordSize",
        call.max_record_size_in_kib(10_240).send(),
    )
    .await?;
    k.wait(&name).await?;
    let data: Vec<u8> = (0..10 * 1024 * 1024 - 1)
        .map(|n: u32| (n ^ (n >> 9)) as u8)
        .collect();
    let put = k.client.put_record().stream_name(&name).partition_key("a");
    ok("PutRecord", put.data(Blob::new(data.clone())).send()).await?;
    let found = k.read_all(&name, FIRST).await?;
    holds(
        found.len() == 1 && found[0].data().as_ref() == data,
        "10 MiB come as they were",
    )
}

pub async fn dry_runs(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    let put = k
        .client
        .put_record()
        .stream_name(&name)
        .partition_key("a")
        .dry_run(true);
    fails("DryRunOperationException", put.data(Blob::new("x")).send()).await?;
    equal(k.read_all(&name, FIRST).await?.len(), 0, "records")
}

type Events = aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;

async fn subscribe(
    k: &Kit,
    consumer: &str,
    kind: ShardIteratorType,
    number: Option<String>,
) -> Outcome<Events> {
    let from = StartingPosition::builder()
        .r#type(kind)
        .set_sequence_number(number);
    let call = k
        .client
        .subscribe_to_shard()
        .consumer_arn(consumer)
        .shard_id(FIRST);
    ok(
        "SubscribeToShard",
        call.starting_position(built(from.build())?).send(),
    )
    .await
}

/// The next event; `None` when the subscription is over.
async fn next(events: &mut Events) -> Outcome<Option<SubscribeToShardEvent>> {
    let event = tokio::time::timeout(Duration::from_secs(15), events.event_stream.recv()).await;
    match built(built(event)?)? {
        None => Ok(None),
        Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)) => Ok(Some(event)),
        Some(other) => Err(Trouble::Failed(format!("another event: {other:?}"))),
    }
}

async fn read_events(events: &mut Events, count: usize) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    while found.len() < count {
        let event = there(next(events).await?, "an event")?;
        found.extend(texts(&event.records));
    }
    Ok(found)
}

pub async fn fan_out(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    k.put(&name, "0").await?;
    let number = k.put(&name, "1").await?;
    let (a, b) = (k.consumer(&name, "a").await?, k.consumer(&name, "b").await?);
    let mut all = subscribe(k, &a, ShardIteratorType::TrimHorizon, None).await?;
    let kind = ShardIteratorType::AfterSequenceNumber;
    let mut after = subscribe(k, &b, kind.clone(), Some(number)).await?;
    k.put(&name, "2").await?;
    equal(
        read_events(&mut all, 3).await?.join(" "),
        "0 1 2".to_owned(),
        "from the horizon",
    )?;
    equal(
        read_events(&mut after, 1).await?.join(" "),
        "2".to_owned(),
        "after a number",
    )?;
    let mut beat = there(next(&mut after).await?, "an event of an idle shard")?;
    while !beat.records.is_empty() {
        beat = there(next(&mut after).await?, "an event of an idle shard")?;
    }
    drop(after);
    k.put(&name, "3").await?;
    let number = Some(beat.continuation_sequence_number);
    let again = k.consumer(&name, "c").await?;
    let mut again = subscribe(k, &again, kind, number).await?;
    equal(
        read_events(&mut again, 1).await?.join(" "),
        "3".to_owned(),
        "after the continuation",
    )
}

pub async fn fan_out_ends_with_children(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    k.put(&name, "x").await?;
    let consumer = k.consumer(&name, "one").await?;
    let mut events = subscribe(k, &consumer, ShardIteratorType::TrimHorizon, None).await?;
    equal(read_events(&mut events, 1).await?.len(), 1, "records")?;
    let from = StartingPosition::builder().r#type(ShardIteratorType::Latest);
    let twice = k
        .client
        .subscribe_to_shard()
        .consumer_arn(&consumer)
        .shard_id(FIRST);
    let twice = twice.starting_position(built(from.build())?).send();
    fails("ResourceInUseException", twice).await?;
    let call = k
        .client
        .split_shard()
        .stream_name(&name)
        .shard_to_split(FIRST);
    ok("SplitShard", call.new_starting_hash_key(HALF).send()).await?;
    let mut last = None;
    while let Some(event) = next(&mut events).await? {
        last = Some(event);
    }
    let last = there(last, "a last event")?;
    equal(
        last.continuation_sequence_number(),
        "",
        "where a closed shard goes on",
    )?;
    equal(last.child_shards().len(), 2, "children")
}

pub async fn tags_and_policies(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    let (arn, c) = (k.arn(&name), k.client.clone());
    let call = c
        .add_tags_to_stream()
        .stream_name(&name)
        .tags("a", "1")
        .tags("b", "2");
    ok("AddTagsToStream", call.send()).await?;
    let call = c.remove_tags_from_stream().stream_name(&name).tag_keys("a");
    ok("RemoveTagsFromStream", call.send()).await?;
    let told = ok(
        "ListTagsForStream",
        c.list_tags_for_stream().stream_name(&name).send(),
    )
    .await?;
    equal(told.tags().len(), 1, "tags")?;
    let tags = HashMap::from([("c".to_owned(), String::new())]);
    let call = c.tag_resource().resource_arn(&arn).set_tags(Some(tags));
    ok("TagResource", call.send()).await?;
    ok(
        "UntagResource",
        c.untag_resource().resource_arn(&arn).tag_keys("b").send(),
    )
    .await?;
    let told = c.list_tags_for_resource().resource_arn(&arn);
    let told = ok("ListTagsForResource", told.send()).await?;
    equal(
        told.tags().iter().map(|tag| tag.key()).collect(),
        vec!["c"],
        "tags",
    )?;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"111111111111"}},"Action":"kinesis:GetRecords","Resource":"{arn}"}}]}}"#
    );
    let call = c.put_resource_policy().resource_arn(&arn).policy(&policy);
    ok("PutResourcePolicy", call.send()).await?;
    let told = ok(
        "GetResourcePolicy",
        c.get_resource_policy().resource_arn(&arn).send(),
    )
    .await?;
    equal(told.policy, policy, "policy")?;
    ok(
        "DeleteResourcePolicy",
        c.delete_resource_policy().resource_arn(&arn).send(),
    )
    .await?;
    Ok(())
}

pub async fn consumers(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    let (arn, c) = (k.arn(&name), k.client.clone());
    let one = k.consumer(&name, "one").await?;
    k.consumer(&name, "two").await?;
    let page = c.list_stream_consumers().stream_arn(&arn).max_results(1);
    let page = ok("ListStreamConsumers", page.send()).await?;
    equal(page.consumers().len(), 1, "consumers of a page")?;
    let rest = c
        .list_stream_consumers()
        .stream_arn(&arn)
        .set_next_token(page.next_token);
    equal(
        ok("ListStreamConsumers", rest.send())
            .await?
            .consumers()
            .len(),
        1,
        "of the next",
    )?;
    let twice = c
        .register_stream_consumer()
        .stream_arn(&arn)
        .consumer_name("one");
    fails("ResourceInUseException", twice.send()).await?;
    let call = c.deregister_stream_consumer().consumer_arn(one);
    ok("DeregisterStreamConsumer", call.send()).await?;
    Ok(())
}

pub async fn account_settings(k: &mut Kit) -> Outcome {
    let c = k.client.clone();
    let wanted = MinimumThroughputBillingCommitmentInput::builder().status(Wanted::Enabled);
    let call = c.update_account_settings();
    let call = call.minimum_throughput_billing_commitment(built(wanted.build())?);
    ok("UpdateAccountSettings", call.send()).await?;
    let told = ok(
        "DescribeAccountSettings",
        c.describe_account_settings().send(),
    )
    .await?;
    let told = there(told.minimum_throughput_billing_commitment, "a commitment")?;
    equal(told.status.as_str(), "ENABLED", "commitment")?;
    let name = k.new_name();
    let on_demand = mode(StreamMode::OnDemand)?;
    let call = c
        .create_stream()
        .stream_name(&name)
        .stream_mode_details(on_demand);
    ok("CreateStream", call.send()).await?;
    equal(k.wait(&name).await?.open_shard_count, 4, "shards on demand")?;
    let call = c
        .update_stream_warm_throughput()
        .stream_name(&name)
        .warm_throughput_mibps(30);
    let told = ok("UpdateStreamWarmThroughput", call.send()).await?;
    let warm = there(told.warm_throughput, "warm throughput")?;
    equal(warm.target_mibps, Some(30), "warm throughput")
}

pub async fn errors(k: &mut Kit) -> Outcome {
    let name = k.stream(1).await?;
    let c = k.client.clone();
    let twice = c.create_stream().stream_name(&name).shard_count(1).send();
    fails("ResourceInUseException", twice).await?;
    fails("InvalidArgumentException", c.describe_stream().send()).await?;
    let none = c.describe_stream().stream_name("nobody-made-this").send();
    fails("ResourceNotFoundException", none).await?;
    let put = c.put_record().stream_name("a b").data(Blob::new("x"));
    let put = put.partition_key("k".repeat(300)).explicit_hash_key("07");
    let message = fails("ValidationException", put.send()).await?;
    holds(
        message.starts_with("3 validation errors detected: "),
        message,
    )
}

pub async fn wrong_credentials(_: &mut Kit) -> Outcome {
    if setting("KINESIS_CHECKS_SIGNATURES", "0") != "1" {
        return Err(Trouble::Skipped("this server takes any signature"));
    }
    let wrong = Kit::as_other(&setting("AWS_ACCESS_KEY_ID", "")).await;
    fails("InvalidSignatureException", wrong.list_streams().send()).await?;
    let unknown = Kit::as_other("AKIAUNKNOWNUNKNOWN00").await;
    fails("UnrecognizedClientException", unknown.list_streams().send()).await?;
    Ok(())
}

pub async fn caller_identity(_: &mut Kit) -> Outcome {
    let client = aws_sdk_sts::Client::new(&settings().await);
    let told = built(client.get_caller_identity().send().await)?;
    let account = setting("AWS_ACCOUNT_ID", "000000000000");
    equal(told.account(), Some(account.as_str()), "account")
}
