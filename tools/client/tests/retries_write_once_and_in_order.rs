//! Answers get lost, requests get lost, puts are refused for a while: each record is written once,
//! and those of a key in the order of sending.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::time::Duration;

use millstream_client::{Client, ErrorCode, ProducerOptions};
use support::{FakeServer, Fault, STREAM, assert_once_and_in_order, quick};

async fn run(seed: u64) {
    let plan = Box::new(|random: &mut support::Random| match random.next() % 12 {
        0 => Fault::LoseAnswer,
        1 => Fault::LoseRequest,
        2 => Fault::Refuse(ErrorCode::Overloaded),
        3 => Fault::Refuse(ErrorCode::NoSpace),
        4 => Fault::DoneBut(ErrorCode::ShardPoisoned),
        _ => Fault::None,
    });
    let server = FakeServer::start(3, seed, plan).await;
    let client = Client::connect_with(&server.address.to_string(), quick())
        .await
        .unwrap();
    let options = ProducerOptions {
        batch_bytes: 400,
        linger: Duration::from_millis(1),
        memory_bytes: 64 << 10,
        ..ProducerOptions::default()
    };
    let producer = client.producer(STREAM, options).await.unwrap();
    for number in 0..300 {
        for key in ["a", "b", "c", "d", "e", "f", "g"] {
            let data = number.to_string();
            producer.send_detached(key, data.as_bytes()).await.unwrap();
        }
    }
    let stats = producer.close().await.unwrap();
    assert_eq!(stats.acknowledged, 2100, "{stats:?}");
    assert_eq!((stats.refused, stats.unknown), (0, 0), "{stats:?}");
    assert!(stats.retried > 0);
    assert_eq!(assert_once_and_in_order(&server.records()), 2100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_write_once_and_in_order() {
    for seed in 1..=12 {
        run(seed * 0x9e37_79b9).await;
    }
}
