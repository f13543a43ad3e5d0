//! A shard forgets its producers: what is known not to be written goes on under a new id, what may
//! be written is told as unknown, and nothing is written twice.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::{collections::HashMap, time::Duration};

use millstream_client::{Client, DeliveryError, ErrorCode, ProducerOptions};
use support::{FakeServer, Fault, STREAM, quick};

async fn run(seed: u64, plan: support::Plan) -> HashMap<&'static str, usize> {
    let server = FakeServer::start(1, seed, plan).await;
    let client = Client::connect_with(&server.address.to_string(), quick())
        .await
        .unwrap();
    let options = ProducerOptions {
        batch_bytes: 200,
        linger: Duration::from_millis(1),
        ..ProducerOptions::default()
    };
    let producer = client.producer(STREAM, options).await.unwrap();
    let mut deliveries = Vec::new();
    for number in 0..600u32 {
        let data = number.to_string();
        let delivery = producer.send("key", None, data.as_bytes()).await.unwrap();
        deliveries.push((number, delivery));
    }
    producer.close().await.unwrap();
    let written: Vec<u32> = server
        .records()
        .iter()
        .map(|(_, data)| std::str::from_utf8(data).unwrap().parse().unwrap())
        .collect();
    assert!(written.is_sorted_by(|a, b| a < b), "{written:?}");
    let mut outcomes = HashMap::new();
    for (number, delivery) in deliveries {
        let place = written.iter().position(|n| *n == number);
        let outcome = match delivery.await {
            Ok(at) => {
                assert_eq!(Some(at.sequence as usize), place);
                "written"
            }
            Err(DeliveryError::Unknown { .. }) => "unknown",
            Err(error) => panic!("{error}"),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lost_answers_nothing_is_unknown() {
    for seed in 1..=6 {
        let plan = Box::new(|random: &mut support::Random| match random.next() % 8 {
            0 => Fault::Forget,
            1 => Fault::Refuse(ErrorCode::Overloaded),
            _ => Fault::None,
        });
        let outcomes = run(seed * 7919, plan).await;
        assert_eq!(outcomes, HashMap::from([("written", 600)]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_written_is_told_as_unknown() {
    let mut unknown = 0;
    for seed in 1..=6 {
        // No answer is lost soon after the beginning or a forgetting: a shard that forgets a first
        // put of an id whose answer is lost takes it again, which no client can see.
        let mut puts = 0;
        let mut began = 0;
        let plan = Box::new(move |random: &mut support::Random| {
            puts += 1;
            match random.next() % 8 {
                0 if puts > 20 && puts % 2 == 0 => {
                    began = puts;
                    Fault::Forget
                }
                1 if puts > began + 12 && puts % 2 == 1 => Fault::LoseAnswer,
                _ => Fault::None,
            }
        });
        unknown += run(seed * 104_729, plan)
            .await
            .get("unknown")
            .copied()
            .unwrap_or(0);
    }
    assert!(unknown > 0);
}
