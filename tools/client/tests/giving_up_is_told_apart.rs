//! A producer that gives up tells what was refused from what may be written.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::time::Duration;

use millstream_client::{
    Client, ClientOptions, DeliveryError, Error, ErrorCode, HashKey, ProducerOptions,
};
use support::{FakeServer, Fault, STREAM, quick};

fn options() -> ProducerOptions {
    ProducerOptions {
        linger: Duration::from_millis(1),
        retry_for: Some(Duration::from_millis(60)),
        ..ProducerOptions::default()
    }
}

async fn connect(server: &FakeServer) -> Client {
    let address = server.address.to_string();
    Client::connect_with(&address, quick()).await.unwrap()
}

#[tokio::test]
async fn a_refusal_that_does_not_pass_is_refused() {
    let refuse = Box::new(|_: &mut _| Fault::Refuse(ErrorCode::NoSpace));
    let server = FakeServer::start(1, 1, refuse).await;
    let producer = connect(&server)
        .await
        .producer(STREAM, options())
        .await
        .unwrap();
    let delivery = producer.send("key", None, b"data").await.unwrap();
    let Err(DeliveryError::Refused(error)) = delivery.await else {
        panic!("not refused");
    };
    assert_eq!(error.code, ErrorCode::NoSpace);
    let stats = producer.close().await.unwrap();
    assert_eq!((stats.refused, stats.unknown), (1, 0));
    assert!(server.records().is_empty());
}

#[tokio::test]
async fn answers_that_never_come_are_unknown() {
    let lose = Box::new(|_: &mut _| Fault::LoseAnswer);
    let server = FakeServer::start(1, 1, lose).await;
    let producer = connect(&server)
        .await
        .producer(STREAM, options())
        .await
        .unwrap();
    let delivery = producer.send("key", None, b"data").await.unwrap();
    assert!(matches!(delivery.await, Err(DeliveryError::Unknown { .. })));
    let stats = producer.close().await.unwrap();
    assert_eq!((stats.refused, stats.unknown), (0, 1));
    assert_eq!(server.records().len(), 1);
}

#[tokio::test]
async fn a_connection_that_is_closed_in_the_handshake_sent_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let error = Client::connect_with(&address, quick()).await.unwrap_err();
    // Of a kind that is tried again, and of which nothing may have been done.
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let mut puts = 0;
    let silent_once = Box::new(move |_: &mut _| {
        puts += 1;
        if puts == 1 {
            Fault::Silence
        } else {
            Fault::None
        }
    });
    let server = FakeServer::start(1, 1, silent_once).await;
    let impatient = ClientOptions {
        answer_timeout: Duration::from_millis(50),
        ..quick()
    };
    let address = server.address.to_string();
    let client = Client::connect_with(&address, impatient).await.unwrap();
    let options = ProducerOptions {
        retry_for: None,
        ..options()
    };
    let producer = client.producer(STREAM, options).await.unwrap();
    producer.send_detached("key", b"data").await.unwrap();
    assert_eq!(producer.flush().await.unwrap().acknowledged, 1);
    assert_eq!(server.records().len(), 1);
}

#[tokio::test]
async fn without_a_server_nothing_was_sent() {
    let server = FakeServer::start(1, 1, Box::new(|_| Fault::None)).await;
    let client = connect(&server).await;
    let producer = client.producer(STREAM, options()).await.unwrap();
    drop(server);
    // The connections of a dropped server end with it; give the client time to see that.
    while client.ping().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let delivery = producer.send("key", None, b"data").await.unwrap();
    let error = delivery.await.unwrap_err();
    assert!(matches!(error, DeliveryError::NotSent { .. }), "{error}");
}

#[tokio::test]
async fn what_follows_a_refused_batch_is_written() {
    let mut puts = 0;
    let refuse_one = Box::new(move |_: &mut _| {
        puts += 1;
        if puts == 3 {
            Fault::Refuse(ErrorCode::BatchInvalid)
        } else {
            Fault::None
        }
    });
    let server = FakeServer::start(1, 1, refuse_one).await;
    let options = ProducerOptions {
        batch_records: 10,
        ..options()
    };
    let producer = connect(&server)
        .await
        .producer(STREAM, options)
        .await
        .unwrap();
    for number in 0..200 {
        let data = number.to_string();
        producer
            .send_detached("key", data.as_bytes())
            .await
            .unwrap();
    }
    let stats = producer.close().await.unwrap();
    assert_eq!((stats.acknowledged, stats.refused), (190, 10));
    let written: Vec<u32> = server
        .records()
        .iter()
        .map(|(_, data)| std::str::from_utf8(data).unwrap().parse().unwrap())
        .collect();
    let expected: Vec<u32> = (0..20).chain(30..200).collect();
    assert_eq!(written, expected);
}

#[tokio::test]
async fn records_over_a_limit_are_refused_at_once() {
    let server = FakeServer::start(4, 1, Box::new(|_| Fault::None)).await;
    let producer = connect(&server)
        .await
        .producer(STREAM, options())
        .await
        .unwrap();
    let empty = producer.send_detached("", b"data").await;
    assert!(matches!(empty, Err(Error::Record { .. })));
    let long = producer.send_detached(&"é".repeat(257), b"data").await;
    assert!(matches!(long, Err(Error::Record { .. })));
    producer
        .send_detached(&"é".repeat(256), b"data")
        .await
        .unwrap();
    let large = producer.send_detached("key", &vec![0; 1 << 20]).await;
    assert!(matches!(large, Err(Error::Format(_))));
    // Longer than a batch, but not too long; and where an explicit hash says.
    let place = Some(HashKey(u128::MAX));
    let delivery = producer
        .send("key", place, &vec![0; (1 << 20) - 3])
        .await
        .unwrap();
    assert_eq!(delivery.await.unwrap().shard, 3);
    producer.close().await.unwrap();
    let closed = producer.send_detached("key", b"data").await;
    assert!(matches!(closed, Err(Error::Closed)));
    assert_eq!(server.records().len(), 2);
}
