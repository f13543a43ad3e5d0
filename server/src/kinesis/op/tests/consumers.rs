//! Consumers registered, described, listed and deregistered.

use super::*;

async fn register(stand: &Stand, name: &str) -> Value {
    let arn = stand.front.stream_arn("s");
    let body = json!({"StreamARN": arn, "ConsumerName": name, "Tags": {"of": name}});
    let answer = stand.ask("RegisterStreamConsumer", body).await.unwrap();
    answer["Consumer"].clone()
}

async fn active(stand: &Stand, name: &str) {
    for _ in 0..1000 {
        let stream = stand.front.service.stream("s").unwrap();
        if stream.active_consumer(name).is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{name} is never active");
}

#[tokio::test]
async fn a_consumer_from_its_registration_to_its_end() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let made = register(&stand, "c").await;
    assert_eq!(
        (&made["ConsumerName"], &made["ConsumerStatus"]),
        (&json!("c"), &json!("CREATING"))
    );
    let arn = made["ConsumerARN"].clone();
    let seconds = made["ConsumerCreationTimestamp"].as_f64().unwrap();
    let end = format!("/consumer/c:{seconds}");
    assert!(arn.as_str().unwrap().ends_with(&end), "{arn} {end}");
    active(&stand, "c").await;
    let body = json!({"ConsumerARN": arn});
    let told = stand
        .ask("DescribeStreamConsumer", body.clone())
        .await
        .unwrap();
    let told = &told["ConsumerDescription"];
    assert_eq!(told["ConsumerStatus"], "ACTIVE");
    assert_eq!(told["StreamARN"], stand.front.stream_arn("s"));
    assert_eq!(summary(&stand, "s").await["ConsumerCount"], 1);
    let tags = stand
        .ask("ListTagsForResource", json!({"ResourceARN": arn}))
        .await;
    assert_eq!(tags.unwrap()["Tags"], json!([{"Key": "of", "Value": "c"}]));

    let twice = json!({"StreamARN": stand.front.stream_arn("s"), "ConsumerName": "c"});
    let twice = kind(&stand, "RegisterStreamConsumer", twice).await;
    assert_eq!(twice, FaultKind::ResourceInUseException);
    let kept = kind(&stand, "DeleteStream", json!({"StreamName": "s"})).await;
    assert_eq!(kept, FaultKind::ResourceInUseException);

    done(&stand, "DeregisterStreamConsumer", body.clone()).await;
    for _ in 0..1000 {
        if stand
            .front
            .service
            .stream("s")
            .unwrap()
            .consumers
            .is_empty()
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let gone = kind(&stand, "DescribeStreamConsumer", body).await;
    assert_eq!(gone, FaultKind::ResourceNotFoundException);
    let again = register(&stand, "c").await;
    assert_ne!(again["ConsumerARN"], arn);
    active(&stand, "c").await;
    let all = json!({"StreamName": "s", "EnforceConsumerDeletion": true});
    done(&stand, "DeleteStream", all).await;
}

#[tokio::test]
async fn consumers_are_listed_in_pages() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    for name in ["a", "b", "c"] {
        register(&stand, name).await;
        active(&stand, name).await;
    }
    let arn = stand.front.stream_arn("s");
    let first = json!({"StreamARN": arn, "MaxResults": 2});
    let first = stand.ask("ListStreamConsumers", first).await.unwrap();
    let names = |answer: &Value| -> Vec<String> {
        let consumers = answer["Consumers"].as_array().unwrap().iter();
        let name = |c: &Value| c["ConsumerName"].as_str().unwrap().to_owned();
        consumers.map(name).collect()
    };
    assert_eq!(names(&first), ["a", "b"]);
    let token = first["NextToken"].clone();
    let rest = json!({"StreamARN": arn, "NextToken": token});
    let rest = stand.ask("ListStreamConsumers", rest).await.unwrap();
    assert_eq!(names(&rest), ["c"]);
    assert!(rest.get("NextToken").is_none());
    let both = json!({"StreamARN": arn, "NextToken": token, "StreamCreationTimestamp": 5});
    let both = kind(&stand, "ListStreamConsumers", both).await;
    assert_eq!(both, FaultKind::InvalidArgumentException);
    stand.stream("t", 1).await;
    let other = json!({"StreamARN": stand.front.stream_arn("t"), "NextToken": token});
    let other = kind(&stand, "ListStreamConsumers", other).await;
    assert_eq!(other, FaultKind::InvalidArgumentException);
}

#[tokio::test]
async fn twenty_consumers_where_they_are_limited() {
    let stand = Stand::with("aws");
    stand.stream("s", 1).await;
    for n in 0..20 {
        stand.clock.shift(1000);
        let name = format!("c{n}");
        register(&stand, &name).await;
        active(&stand, &name).await;
    }
    stand.clock.shift(1000);
    let body = json!({"StreamARN": stand.front.stream_arn("s"), "ConsumerName": "more"});
    let full = kind(&stand, "RegisterStreamConsumer", body).await;
    assert_eq!(full, FaultKind::LimitExceededException);
}
