use std::time::Duration;

use aws_smithy_eventstream::frame::read_message_from;
use millstream_engine::format::HashKey;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::catalog::ConsumerStatus;
use crate::kinesis::{
    fixture::{Stand, damage},
    sequence::Number,
};

/// What a client sees of a subscription.
struct Events(Frames);

impl Events {
    /// The next frame: its kind and its payload.
    async fn frame(&mut self) -> Option<(String, Value)> {
        let bytes = self.0.next().await?;
        let message = read_message_from(&mut &bytes[..]).unwrap();
        let header = |name: &str| {
            let found = message
                .headers()
                .iter()
                .find(|header| header.name().as_str() == name);
            found.map(|header| header.value().as_string().unwrap().as_str().to_owned())
        };
        assert_eq!(
            header(":content-type").unwrap(),
            "application/x-amz-json-1.1"
        );
        let kind = match header(":message-type").unwrap().as_str() {
            "event" => header(":event-type"),
            "exception" => header(":exception-type"),
            other => panic!("{other}"),
        };
        Some((
            kind.unwrap(),
            serde_json::from_slice(message.payload()).unwrap(),
        ))
    }

    /// The next event.
    async fn event(&mut self) -> Value {
        let (kind, event) = self.frame().await.expect("an event");
        assert_eq!(kind, EVENT, "{event}");
        let goes_on = event["ContinuationSequenceNumber"].is_string();
        let ends = event["ChildShards"]
            .as_array()
            .is_some_and(|c| !c.is_empty());
        assert!(goes_on != ends, "{event}");
        event
    }

    /// Data of events until there are so many records, and the last event.
    async fn data(&mut self, count: usize) -> (Vec<String>, Value) {
        let mut data = Vec::new();
        loop {
            let event = self.event().await;
            data.extend(event["Records"].as_array().unwrap().iter().map(|record| {
                let bytes = base64_simd::STANDARD.decode_to_vec(record["Data"].as_str().unwrap());
                String::from_utf8(bytes.unwrap()).unwrap()
            }));
            if data.len() >= count {
                return (data, event);
            }
        }
    }
}

async fn stand() -> (Stand, String) {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let arn = register(&stand, "c").await;
    (stand, arn)
}

async fn register(stand: &Stand, name: &str) -> String {
    let service = &stand.front.service;
    let row = service
        .register_consumer("s", name, Vec::new())
        .await
        .unwrap();
    let is_active = || {
        let stream = service.stream("s").unwrap();
        stream.consumer(name).unwrap().status == ConsumerStatus::Active
    };
    while !is_active() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    format!(
        "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/{name}:{}",
        row.created_s
    )
}

fn body(arn: &str, position: Value) -> Value {
    json!({"ConsumerARN": arn, "ShardId": "shardId-000000000000", "StartingPosition": position})
}

async fn try_subscribe(stand: &Stand, body: Value) -> Result<Events, Fault> {
    let body = serde_json::to_vec(&body).unwrap();
    match stand
        .answer("SubscribeToShard", Encoding::Json11, body)
        .await?
    {
        Answer::Stream(frames) => Ok(Events(frames)),
        Answer::Whole(bytes) => panic!("{bytes:?}"),
    }
}

async fn subscribe(stand: &Stand, arn: &str, position: Value) -> Events {
    let mut events = try_subscribe(stand, body(arn, position)).await.unwrap();
    assert_eq!(events.frame().await, Some((INITIAL.to_owned(), json!({}))));
    events
}

async fn refused(stand: &Stand, body: Value) -> (FaultKind, String) {
    match try_subscribe(stand, body).await {
        Ok(_) => panic!("a subscription"),
        Err(fault) => (fault.kind(), fault.message().to_owned()),
    }
}

async fn put(stand: &Stand, data: &str) -> Number {
    let body = json!({
        "StreamName": "s", "PartitionKey": "k",
        "Data": base64_simd::STANDARD.encode_to_string(data),
    });
    let answer = stand.ask("PutRecord", body).await.unwrap();
    answer["SequenceNumber"].as_str().unwrap().parse().unwrap()
}

fn continuation(event: &Value) -> &str {
    event["ContinuationSequenceNumber"].as_str().unwrap()
}

#[tokio::test]
async fn records_are_pushed_as_they_become_durable() {
    let (stand, arn) = stand().await;
    put(&stand, "before").await;
    let mut latest = subscribe(&stand, &arn, json!({"Type": "LATEST"})).await;
    let first = latest.event().await;
    assert_eq!(
        (&first["Records"], &first["MillisBehindLatest"]),
        (&json!([]), &json!(0))
    );
    for n in 0..20 {
        let number = put(&stand, &n.to_string()).await;
        let (data, event) = latest.data(1).await;
        assert_eq!(data, [n.to_string()]);
        assert_eq!(event["Records"][0]["SequenceNumber"], number.to_string());
        assert_eq!(event["Records"][0]["PartitionKey"], "k");
        assert!(event["Records"][0]["ApproximateArrivalTimestamp"].is_f64());
        let next: Number = continuation(&event).parse().unwrap();
        assert!(next > number);
    }
}

#[tokio::test]
async fn all_places_to_begin_at() {
    let (stand, _) = stand().await;
    let one = put(&stand, "one").await;
    stand.clock.shift(10_000);
    let between = stand.clock_ms() as f64 / 1000.0;
    stand.clock.shift(10_000);
    put(&stand, "two").await;
    let number = one.to_string();
    for (at, (position, expected)) in [
        (json!({"Type": "TRIM_HORIZON"}), &["one", "two"][..]),
        (
            json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number}),
            &["one", "two"],
        ),
        (
            json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}),
            &["two"],
        ),
        (
            json!({"Type": "AT_TIMESTAMP", "Timestamp": between}),
            &["two"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let arn = register(&stand, &format!("c{at}")).await;
        let mut events = subscribe(&stand, &arn, position).await;
        assert_eq!(events.data(expected.len()).await.0, expected);
    }
}

#[tokio::test]
async fn a_continuation_skips_nothing_and_repeats_nothing() {
    let (stand, arn) = stand().await;
    let mut idle = subscribe(&stand, &arn, json!({"Type": "TRIM_HORIZON"})).await;
    let empty = idle.event().await;
    put(&stand, "one").await;
    put(&stand, "two").await;
    let (_, after_two) = idle.data(2).await;
    put(&stand, "three").await;
    for (at, (event, expected)) in [
        (&empty, &["one", "two", "three"][..]),
        (&after_two, &["three"]),
    ]
    .into_iter()
    .enumerate()
    {
        for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
            let arn = register(&stand, &format!("c{at}{kind}")).await;
            let position = json!({"Type": kind, "SequenceNumber": continuation(event)});
            let mut events = subscribe(&stand, &arn, position).await;
            assert_eq!(events.data(expected.len()).await.0, expected);
        }
    }
}

#[tokio::test]
async fn what_is_large_comes_in_several_events() {
    let (stand, arn) = stand().await;
    let large = "x".repeat(600_000);
    for _ in 0..5 {
        put(&stand, &large).await;
    }
    put(&stand, &"y".repeat(5 << 20)).await;
    let mut events = subscribe(&stand, &arn, json!({"Type": "TRIM_HORIZON"})).await;
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 6 {
        let event = events.event().await;
        sizes.push(event["Records"].as_array().unwrap().len());
    }
    assert!(sizes.len() >= 6, "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 6);
}

#[tokio::test]
async fn an_idle_subscription_gives_signs_of_life_and_ends_after_five_minutes() {
    let (stand, arn) = stand().await;
    let number = put(&stand, "one").await;
    let mut events = subscribe(&stand, &arn, json!({"Type": "TRIM_HORIZON"})).await;
    assert_eq!(events.data(1).await.0, ["one"]);
    tokio::time::pause();
    let begun = Instant::now();
    let mut last = begun;
    let mut signs = 0;
    while let Some((kind, event)) = events.frame().await {
        assert_eq!((kind.as_str(), &event["Records"]), (EVENT, &json!([])));
        let next: Number = continuation(&event).parse().unwrap();
        assert!(next > number);
        assert!(last.elapsed() <= Duration::from_secs(5));
        last = Instant::now();
        signs += 1;
    }
    let lasted = begun.elapsed().as_secs();
    assert!((295..=300).contains(&lasted), "{lasted}");
    assert!(signs >= 60, "{signs}");
}

#[tokio::test]
async fn a_later_subscription_takes_over() {
    let (stand, arn) = stand().await;
    let oldest = json!({"Type": "TRIM_HORIZON"});
    let mut first = subscribe(&stand, &arn, oldest.clone()).await;
    let (kind, message) = refused(&stand, body(&arn, oldest.clone())).await;
    assert_eq!(kind, FaultKind::ResourceInUseException, "{message}");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    let mut second = subscribe(&stand, &arn, oldest.clone()).await;
    let last = loop {
        match first.frame().await {
            Some((kind, event)) if kind == EVENT => assert_eq!(event["Records"], json!([])),
            other => break other,
        }
    };
    let (kind, told) = last.expect("an exception");
    assert_eq!(kind, "ResourceInUseException");
    assert!(
        told["message"].as_str().unwrap().contains("taken over"),
        "{told}"
    );
    assert!(first.frame().await.is_none(), "it has ended");
    put(&stand, "one").await;
    assert_eq!(second.data(1).await.0, ["one"]);
}

#[tokio::test]
async fn a_closed_shard_ends_with_its_children() {
    let (stand, arn) = stand().await;
    put(&stand, "one").await;
    let mut events = subscribe(&stand, &arn, json!({"Type": "TRIM_HORIZON"})).await;
    assert_eq!(events.data(1).await.0, ["one"]);
    let service = &stand.front.service;
    service
        .split_shard("s", 0, HashKey(1 << 127))
        .await
        .unwrap();
    let last = loop {
        let event = events.event().await;
        if event["ContinuationSequenceNumber"].is_null() {
            break event;
        }
    };
    let children = last["ChildShards"].as_array().unwrap();
    assert_eq!(children.len(), 2);
    assert_eq!(children[1]["ParentShards"], json!(["shardId-000000000000"]));
    assert_eq!(
        children[1]["HashKeyRange"]["StartingHashKey"],
        (1u128 << 127).to_string()
    );
    assert!(events.frame().await.is_none());
    // Whoever begins at the end of it learns the same.
    let other = register(&stand, "other").await;
    let mut events = subscribe(&stand, &other, json!({"Type": "LATEST"})).await;
    assert_eq!(events.event().await["ChildShards"], last["ChildShards"]);
    assert!(events.frame().await.is_none());
}

#[tokio::test]
async fn it_ends_with_its_consumer_its_stream_and_the_server() {
    let (stand, arn) = stand().await;
    let other = register(&stand, "other").await;
    let third = register(&stand, "third").await;
    let latest = json!({"Type": "LATEST"});
    let mut of_consumer = subscribe(&stand, &arn, latest.clone()).await;
    let mut of_server = subscribe(&stand, &third, latest.clone()).await;
    of_consumer.event().await;
    of_server.event().await;
    let service = &stand.front.service;
    service.deregister_consumer("s", "c").await.unwrap();
    let (kind, _) = of_consumer.frame().await.unwrap();
    assert_eq!(kind, "ResourceNotFoundException");
    assert!(of_consumer.frame().await.is_none());
    stand.trigger.stop();
    assert!(of_server.frame().await.is_none());
    let gone = refused(&stand, body(&arn, latest.clone())).await;
    assert!(
        matches!(
            gone.0,
            FaultKind::ResourceNotFoundException | FaultKind::ResourceInUseException
        ),
        "{gone:?}"
    );
    drop(other);
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_nothing_behind() {
    let (stand, arn) = stand().await;
    let events = subscribe(&stand, &arn, json!({"Type": "LATEST"})).await;
    let service = Arc::downgrade(&stand.front.service);
    let held = Arc::strong_count(&stand.front.service);
    drop(events);
    let deadline = Instant::now() + Duration::from_secs(20);
    while service.strong_count() >= held && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(service.strong_count() < held);
}

#[tokio::test]
async fn what_is_refused() {
    let (stand, arn) = stand().await;
    let number = put(&stand, "one").await.to_string();
    let oldest = json!({"Type": "TRIM_HORIZON"});
    let unknown = arn.replace("/c:", "/d:");
    let earlier = format!("{}:1", arn.rsplit_once(':').unwrap().0);
    let mut other_shard = body(&arn, oldest.clone());
    other_shard["ShardId"] = "shardId-000000000009".into();
    let mut dry = body(&arn, oldest.clone());
    dry["DryRun"] = true.into();
    let cases = [
        (
            body(&unknown, oldest.clone()),
            FaultKind::ResourceNotFoundException,
        ),
        (
            body(&earlier, oldest.clone()),
            FaultKind::ResourceNotFoundException,
        ),
        (
            body("nonsense", oldest.clone()),
            FaultKind::ValidationException,
        ),
        (other_shard, FaultKind::ResourceNotFoundException),
        (
            body(&arn, json!({"Type": "AT_SEQUENCE_NUMBER"})),
            FaultKind::InvalidArgumentException,
        ),
        (
            body(&arn, json!({"Type": "LATEST", "SequenceNumber": number})),
            FaultKind::InvalidArgumentException,
        ),
        (
            body(&arn, json!({"Type": "AT_TIMESTAMP"})),
            FaultKind::InvalidArgumentException,
        ),
        (
            body(&arn, json!({"Type": "SOMEWHERE"})),
            FaultKind::ValidationException,
        ),
        (body(&arn, json!({})), FaultKind::ValidationException),
        (dry, FaultKind::DryRunOperationException),
    ];
    for (body, kind) in cases {
        let told = refused(&stand, body.clone()).await;
        assert_eq!(told.0, kind, "{body}: {}", told.1);
    }
    // None of them took the seat.
    subscribe(&stand, &arn, oldest).await;
}

#[tokio::test]
async fn an_answer_in_cbor_is_events_in_cbor() {
    let (stand, arn) = stand().await;
    let mut request = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut request);
    encoder
        .map(3)
        .unwrap()
        .str("ConsumerARN")
        .unwrap()
        .str(&arn)
        .unwrap();
    encoder
        .str("ShardId")
        .unwrap()
        .str("shardId-000000000000")
        .unwrap();
    encoder.str("StartingPosition").unwrap().map(1).unwrap();
    encoder.str("Type").unwrap().str("TRIM_HORIZON").unwrap();
    let answer = stand
        .answer("SubscribeToShard", Encoding::Cbor11, request)
        .await
        .unwrap();
    let Answer::Stream(mut frames) = answer else {
        panic!("no stream");
    };
    let mut payloads = Vec::new();
    for _ in 0..2 {
        let frame = frames.next().await.unwrap();
        let message = read_message_from(&mut &frame[..]).unwrap();
        payloads.push(minicbor::display(message.payload()).to_string());
    }
    assert_eq!(payloads[0], "{}");
    assert!(
        payloads[1].starts_with("{\"Records\": [], \"MillisBehindLatest\": 0"),
        "{payloads:?}"
    );
}

#[tokio::test]
async fn damage_ends_it_with_an_exception_that_names_it() {
    let (stand, arn) = stand().await;
    for letter in ["a", "b"] {
        put(&stand, &letter.repeat(100_000)).await;
    }
    let stand = stand.restarted_after(|data| damage(data, b'b'));
    let mut events = subscribe(&stand, &arn, json!({"Type": "TRIM_HORIZON"})).await;
    assert_eq!(events.data(1).await.0, ["a".repeat(100_000)]);
    let (kind, told) = events.frame().await.unwrap();
    assert_eq!(kind, "InternalFailureException");
    assert!(
        told["message"].as_str().unwrap().contains("damaged"),
        "{told}"
    );
    assert!(events.frame().await.is_none());
}

#[tokio::test]
async fn two_thousand_at_a_time() {
    const SHARDS: u32 = 100;
    const CONSUMERS: u32 = 20;
    let stand = Stand::new();
    stand.stream("s", SHARDS).await;
    let mut all = Vec::new();
    for consumer in 0..CONSUMERS {
        let arn = register(&stand, &format!("c{consumer}")).await;
        for shard in 0..SHARDS {
            let mut body = body(&arn, json!({"Type": "TRIM_HORIZON"}));
            body["ShardId"] = format!("shardId-{shard:012}").into();
            let mut events = try_subscribe(&stand, body).await.unwrap();
            events.frame().await.unwrap();
            events.event().await;
            all.push(events);
        }
    }
    let stream = stand.front.service.stream("s").unwrap();
    let records: Vec<Value> = stream
        .map
        .open()
        .map(|shard| {
            json!({"PartitionKey": "k", "Data": "QQ==", "ExplicitHashKey": shard.range.start.0.to_string()})
        })
        .collect();
    let put = json!({"StreamName": "s", "Records": records});
    assert_eq!(
        stand.ask("PutRecords", put).await.unwrap()["FailedRecordCount"],
        0
    );
    for events in &mut all {
        assert_eq!(events.data(1).await.0, ["A"]);
    }
}
