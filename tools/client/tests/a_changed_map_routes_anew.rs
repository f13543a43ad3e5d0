//! The shards of a stream are replaced while a producer sends: what the old ones refused goes to
//! the new ones, once and in order, and its deliveries say where.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::time::Duration;

use millstream_client::{Client, ProducerOptions};
use support::{FakeServer, Fault, STREAM, assert_once_and_in_order, quick, shard_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_map_routes_anew() {
    let server = FakeServer::start(2, 1, Box::new(|_| Fault::None)).await;
    let client = Client::connect_with(&server.address.to_string(), quick())
        .await
        .unwrap();
    let options = ProducerOptions {
        batch_bytes: 300,
        linger: Duration::from_millis(1),
        ..ProducerOptions::default()
    };
    let producer = client.producer(STREAM, options).await.unwrap();
    let mut deliveries = Vec::new();
    for number in 0..400 {
        for key in ["a", "b", "c", "d", "e"] {
            let data = number.to_string();
            let delivery = producer.send(key, None, data.as_bytes()).await.unwrap();
            deliveries.push((key, delivery));
        }
        match number {
            100 => server.reshard(5),
            200 => server.reshard(1),
            300 => server.reshard(3),
            _ => {}
        }
        if number % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let stats = producer.close().await.unwrap();
    assert_eq!(stats.acknowledged, 2000, "{stats:?}");
    assert_eq!(assert_once_and_in_order(&server.records()), 2000);
    for (place, (key, delivery)) in deliveries.into_iter().enumerate() {
        let at = delivery.await.unwrap();
        if place > 1600 {
            assert_eq!(at.shard as usize, shard_of(key, 3));
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_gone_refuses() {
    let server = FakeServer::start(2, 1, Box::new(|_| Fault::None)).await;
    let client = Client::connect_with(&server.address.to_string(), quick())
        .await
        .unwrap();
    let producer = client
        .producer(STREAM, ProducerOptions::default())
        .await
        .unwrap();
    server.state().exists = false;
    producer.send_detached("key", b"0").await.unwrap();
    let stats = producer.close().await.unwrap();
    assert_eq!(
        (stats.acknowledged, stats.refused, stats.unknown),
        (0, 1, 0)
    );
}
