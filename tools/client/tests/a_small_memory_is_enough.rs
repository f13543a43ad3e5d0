//! Many shards, many tasks and little memory: everything is sent, and lingering batches give way.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::time::Duration;

use millstream_client::{Client, ProducerOptions, Record};
use support::{FakeServer, Fault, STREAM, assert_once_and_in_order, quick};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_memory_is_enough() {
    let server = FakeServer::start(50, 1, Box::new(|_| Fault::None)).await;
    let client = Client::connect_with(&server.address.to_string(), quick())
        .await
        .unwrap();
    // Room for some four open batches; they would linger for an hour.
    let options = ProducerOptions {
        linger: Duration::from_secs(3600),
        memory_bytes: 68 << 10,
        ..ProducerOptions::default()
    };
    let producer = client.producer(STREAM, options).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let producer = producer.clone();
        tasks.spawn(async move {
            for number in 0..50 {
                for key in 0..20 {
                    let (key, data) = (format!("{task}/{key}"), number.to_string());
                    producer.send_detached(&key, data.as_bytes()).await.unwrap();
                }
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
    let stats = producer.flush().await.unwrap();
    assert_eq!(stats.acknowledged, 8000);
    assert_eq!(assert_once_and_in_order(&server.records()), 8000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_records_at_a_time_are_taken_all_or_none() {
    let server = FakeServer::start(50, 1, Box::new(|_| Fault::None)).await;
    let client = Client::connect_with(&server.address.to_string(), quick())
        .await
        .unwrap();
    let options = ProducerOptions {
        linger: Duration::from_secs(3600),
        memory_bytes: 68 << 10,
        batch_records: 7,
        ..ProducerOptions::default()
    };
    let producer = client.producer(STREAM, options).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let producer = producer.clone();
        tasks.spawn(async move {
            for round in 0..10 {
                let named: Vec<_> = (0..100)
                    .map(|at| {
                        (
                            format!("{task}/{}", at % 20),
                            (round * 5 + at / 20).to_string(),
                        )
                    })
                    .collect();
                let records: Vec<_> = named
                    .iter()
                    .map(|(key, data)| Record::new(key, data.as_bytes()))
                    .collect();
                producer.send_all_detached(&records).await.unwrap();
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
    let wrong = [Record::new("key", b"1"), Record::new("", b"2")];
    assert!(producer.send_all_detached(&wrong).await.is_err());
    let stats = producer.flush().await.unwrap();
    assert_eq!(stats.acknowledged, 8000);
    assert_eq!(assert_once_and_in_order(&server.records()), 8000);
}
