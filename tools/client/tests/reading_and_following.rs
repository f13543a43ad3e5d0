//! What was put is read back by get, reader and follower; damage on the way is seen, a lost
//! connection is not, and no more is pushed than credit allows.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::time::Duration;

use millstream_client::{
    Client, Error, FollowOptions, GetOptions, Position, ProducerOptions, ReadBatch, Record,
};
use support::{FakeServer, Fault, STREAM, quick};

async fn filled(records: u32) -> (FakeServer, Client) {
    let server = FakeServer::start(1, 1, Box::new(|_| Fault::None)).await;
    let address = server.address.to_string();
    let client = Client::connect_with(&address, quick()).await.unwrap();
    fill(&client, 0..records).await;
    (server, client)
}

async fn fill(client: &Client, numbers: std::ops::Range<u32>) {
    let options = ProducerOptions {
        batch_records: 7,
        ..ProducerOptions::default()
    };
    let producer = client.producer(STREAM, options).await.unwrap();
    for number in numbers {
        let data = number.to_string();
        producer
            .send_detached("key", data.as_bytes())
            .await
            .unwrap();
    }
    producer.close().await.unwrap();
}

fn numbers(batch: &ReadBatch) -> Vec<u64> {
    let records = batch.records().map(|record| {
        let record = record.unwrap();
        let number: u64 = std::str::from_utf8(record.record.data)
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(number, record.sequence);
        number
    });
    let records: Vec<u64> = records.collect();
    assert_eq!(records.len() as u64, batch.count());
    records
}

#[tokio::test]
async fn a_get_begins_inside_a_batch() {
    let (_server, client) = filled(100).await;
    let options = GetOptions {
        max_bytes: 1,
        ..GetOptions::default()
    };
    let got = client
        .get(STREAM, 0, Position::After(11), options)
        .await
        .unwrap();
    assert_eq!((got.next, got.end), (14, 100));
    let all: Vec<u64> = got.batches.iter().flat_map(numbers).collect();
    assert_eq!(all, [12, 13]);
}

#[tokio::test]
async fn a_reader_reads_to_the_end_and_on() {
    let (_server, client) = filled(1000).await;
    let mut reader = client.reader(STREAM, 0, Position::At(5));
    let mut all = Vec::new();
    while let Some(batch) = reader.next_batch().await.unwrap() {
        all.extend(numbers(&batch));
    }
    assert_eq!(reader.position(), Position::At(1000));
    fill(&client, 1000..1020).await;
    while let Some(batch) = reader.next_batch().await.unwrap() {
        all.extend(numbers(&batch));
    }
    assert_eq!(all, (5..1020).collect::<Vec<u64>>());
}

#[tokio::test]
async fn damage_on_the_way_is_seen() {
    let (server, client) = filled(10).await;
    server.state().corrupt = true;
    let got = client
        .get(STREAM, 0, Position::Oldest, GetOptions::default())
        .await;
    assert!(matches!(got, Err(Error::Format(_))), "{got:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_outlives_its_connections_and_keeps_to_its_credit() {
    let (server, client) = filled(500).await;
    server.state().drop_follow_after = Some(3);
    let credit = FollowOptions { credit: 600 };
    let mut follower = client
        .follow(STREAM, 0, Position::Oldest, credit)
        .await
        .unwrap();
    let putting = tokio::spawn({
        let client = client.clone();
        async move {
            for part in 0..5 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                fill(&client, 500 + part * 20..520 + part * 20).await;
            }
        }
    });
    let mut all = Vec::new();
    while all.len() < 600 {
        let batch = follower.next_batch().await.unwrap().unwrap();
        all.extend(numbers(&batch));
    }
    putting.await.unwrap();
    assert_eq!(all, (0..600).collect::<Vec<u64>>());
    assert_eq!(follower.next_sequence(), 600);
    // A batch of seven records is less than 300 bytes: at most one goes over.
    assert!(server.state().max_unpaid < 300);
    follower.stop().await;
}

#[tokio::test]
async fn a_put_has_a_result_for_each_record() {
    let server = FakeServer::start(3, 1, Box::new(|_| Fault::None)).await;
    let address = server.address.to_string();
    let client = Client::connect_with(&address, quick()).await.unwrap();
    let keys = ["a", "b", "c", "d", "e", "f"];
    let records = keys.map(|key| Record::new(key, b"data"));
    let answer = client.put(STREAM, &records).await.unwrap();
    let mut ends = [0; 3];
    for (key, result) in keys.into_iter().zip(answer.results()) {
        let shard = support::shard_of(key, 3);
        assert_eq!(result.shard as usize, shard);
        assert_eq!(result.result, Ok(ends[shard]));
        ends[shard] += 1;
    }
    assert_eq!(answer.group_of.len(), 6);
}
