use super::*;
use crate::kinesis::fixture::Stand;

fn of<'a>(name: Option<&'a str>, arn: Option<&'a str>) -> Named<'a> {
    Named { name, arn }
}

#[tokio::test]
async fn a_stream_is_named_by_name_or_arn_and_both_agree() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let front = &stand.front;
    let arn = front.stream_arn("s");
    assert!(arn.ends_with(":stream/s"), "{arn}");
    for named in [
        of(Some("s"), None),
        of(None, Some(&arn)),
        of(Some("s"), Some(&arn)),
    ] {
        assert_eq!(front.stream(named).unwrap().name(), "s");
    }
    let kind = |named: Named<'_>| front.stream(named).err().unwrap().kind();
    assert_eq!(kind(of(None, None)), FaultKind::InvalidArgumentException);
    assert_eq!(
        kind(of(Some("t"), Some(&arn))),
        FaultKind::InvalidArgumentException
    );
    assert_eq!(
        kind(of(Some("t"), None)),
        FaultKind::ResourceNotFoundException
    );
    let elsewhere = [
        arn.replace(&front.region, "mars-north-1"),
        arn.replace(&front.account, "999999999999"),
        front.stream_arn("t"),
    ];
    for arn in elsewhere {
        let kind = kind(of(None, Some(&arn)));
        assert_eq!(kind, FaultKind::ResourceNotFoundException, "{arn}");
    }
    for arn in ["arn", "arn:aws:s3:::stream/s", "arn:aws:kinesis:r:a:s"] {
        let kind = kind(of(None, Some(arn)));
        assert_eq!(kind, FaultKind::InvalidArgumentException, "{arn}");
    }
}

#[tokio::test]
async fn a_consumer_is_named_by_its_own_arn_or_by_two_names() {
    let stand = Stand::new();
    stand.stream("s", 1).await;
    let front = &stand.front;
    let registered = front.service.register_consumer("s", "c", Vec::new());
    let consumer = registered.await.unwrap();
    let stream_arn = front.stream_arn("s");
    let arn = front.consumer_arn("s", &consumer);
    let named = |stream_arn, name, arn| NamedConsumer {
        stream_arn,
        name,
        arn,
    };
    for named in [
        named(Some(&*stream_arn), Some("c"), None),
        named(None, None, Some(&*arn)),
        named(Some(&*stream_arn), Some("c"), Some(&*arn)),
    ] {
        let (stream, found) = front.consumer(named).unwrap();
        assert_eq!((stream.name(), found.name.as_str()), ("s", "c"));
    }
    let kind = |named| front.consumer(named).err().unwrap().kind();
    let other_stream = front.stream_arn("t");
    for conflict in [
        named(Some(&*other_stream), None, Some(&*arn)),
        named(None, Some("d"), Some(&*arn)),
        named(None, Some("c"), None),
        named(Some(&*stream_arn), None, None),
        named(None, None, None),
        named(None, None, Some(&*stream_arn)),
    ] {
        assert_eq!(kind(conflict), FaultKind::InvalidArgumentException);
    }
    let another = arn.replace(&format!(":{}", consumer.created_s), ":1");
    for missing in [
        named(None, None, Some(&*another)),
        named(Some(&*stream_arn), Some("d"), None),
        named(Some(&*other_stream), Some("c"), None),
    ] {
        assert_eq!(kind(missing), FaultKind::ResourceNotFoundException);
    }
    assert_eq!(
        front.resource(Some(&arn)).unwrap().consumer_name(),
        Some("c")
    );
    assert_eq!(
        front.resource(Some(&stream_arn)).unwrap().consumer_name(),
        None
    );
    let queue = stream_arn.replace("stream/s", "queue/q");
    let kind = front.resource(Some(&queue)).err().unwrap().kind();
    assert_eq!(kind, FaultKind::ResourceNotFoundException);
}

#[test]
fn shards_have_numbers() {
    assert_eq!(shard_number("shardId-000000000012").unwrap(), 12);
    for wrong in ["", "shardId-", "shard-1", "shardId-99999999999999"] {
        assert!(shard_number(wrong).is_err(), "{wrong}");
    }
}
