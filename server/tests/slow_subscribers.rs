//! Subscribers over HTTP/2 that read nothing for long: the others get everything meanwhile, and so
//! do they when they read again.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod fixture;

use std::{net::SocketAddr, pin::Pin, time::Duration};

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use bytes::{Bytes, BytesMut};
use fixture::{PATIENCE, TestServer};
use http_body::Body;
use hyper::{Request, Response, body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

const SHARDS: usize = 2;
/// Records of each shard, and bytes of each: many times what a stream may be sent ahead.
const RECORDS: usize = 96;
const SIZE: usize = 40_000;
/// What HTTP/2 lets a stream be sent ahead where nothing else is said.
const WINDOW: u32 = (1 << 16) - 1;

/// A client with one connection.
struct Client(http2::SendRequest<Whole>);

impl Client {
    async fn connect(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).await.unwrap();
        let shaken = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(1 << 24)
            .handshake(TokioIo::new(socket))
            .await;
        let (sender, connection) = shaken.unwrap();
        tokio::spawn(connection);
        Client(sender)
    }

    async fn send(&mut self, operation: &str, body: Value) -> Response<Incoming> {
        let request = Request::post("http://localhost/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .body(Whole(Some(body.to_string().into())))
            .unwrap();
        self.0.ready().await.unwrap();
        self.0.send_request(request).await.unwrap()
    }

    async fn ask(&mut self, operation: &str, body: Value) -> Value {
        let answer = self.send(operation, body).await;
        let status = answer.status();
        let mut body = answer.into_body();
        let mut whole = Vec::new();
        while let Some(part) = part(&mut body).await {
            whole.extend_from_slice(&part);
        }
        assert!(status == 200, "{}", String::from_utf8_lossy(&whole));
        serde_json::from_slice(&whole).unwrap_or_default()
    }

    /// Asks until the answer is as it is wanted.
    async fn ask_until(&mut self, operation: &str, body: Value, is_wanted: fn(&Value) -> bool) {
        while !is_wanted(&self.ask(operation, body.clone()).await) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn subscribe(&mut self, consumer: &str, shard: usize) -> Events {
        let body = json!({
            "ConsumerARN": consumer,
            "ShardId": format!("shardId-{shard:012}"),
            "StartingPosition": {"Type": "TRIM_HORIZON"},
        });
        let answer = self.send("SubscribeToShard", body).await;
        assert_eq!(answer.status(), 200);
        Events {
            shard,
            body: answer.into_body(),
            received: BytesMut::new(),
            decoder: MessageFrameDecoder::new(),
            next: 0,
        }
    }

    /// Registers a consumer: its ARN.
    async fn register(&mut self, stream: &Value, name: &str) -> String {
        let wanted = json!({"StreamARN": stream, "ConsumerName": name});
        let made = self.ask("RegisterStreamConsumer", wanted).await;
        let arn = made["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
        let named = json!({"ConsumerARN": arn});
        self.ask_until("DescribeStreamConsumer", named, |told| {
            told["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE"
        })
        .await;
        arn
    }
}

/// A subscription.
struct Events {
    shard: usize,
    body: Incoming,
    received: BytesMut,
    decoder: MessageFrameDecoder,
    /// The number of the next record.
    next: usize,
}

impl Events {
    /// Reads until there were so many records at least, each in its turn.
    async fn read_to(&mut self, count: usize) {
        while self.next < count {
            match self.decoder.decode_frame(&mut self.received).unwrap() {
                DecodedFrame::Complete(message) => {
                    let event: Value = serde_json::from_slice(message.payload()).unwrap();
                    for record in event["Records"].as_array().into_iter().flatten() {
                        let data = record["Data"].as_str().unwrap();
                        let data = base64_simd::STANDARD.decode_to_vec(data).unwrap();
                        assert!(data == self::data(self.shard, self.next), "{}", self.next);
                        self.next += 1;
                    }
                }
                DecodedFrame::Incomplete => {
                    let more = timeout(PATIENCE, part(&mut self.body)).await.unwrap();
                    self.received.extend_from_slice(&more.unwrap());
                }
            }
        }
    }
}

fn data(shard: usize, number: usize) -> Vec<u8> {
    let mut data = format!("{shard}: {number} ").into_bytes();
    data.resize(SIZE, b'a' + (number % 26) as u8);
    data
}

/// A body of one piece.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.get_mut().0.take().map(http_body::Frame::data).map(Ok))
    }
}

/// The next bytes of an answer.
async fn part(body: &mut Incoming) -> Option<Bytes> {
    loop {
        let frame = std::future::poll_fn(|cx| Body::poll_frame(Pin::new(&mut *body), cx)).await?;
        if let Ok(bytes) = frame.unwrap().into_data() {
            return Some(bytes);
        }
    }
}

#[test]
fn who_reads_nothing_for_long_holds_nobody_up_and_misses_nothing() {
    let server = TestServer::start();
    let address = server.server().kinesis_addr().unwrap();
    fixture::runtime().block_on(async {
        let mut producer = Client::connect(address).await;
        let named = json!({"StreamName": "s"});
        let wanted = json!({"StreamName": "s", "ShardCount": SHARDS});
        producer.ask("CreateStream", wanted).await;
        let is_active = |told: &Value| told["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE";
        producer
            .ask_until("DescribeStreamSummary", named.clone(), is_active)
            .await;
        let told = producer.ask("DescribeStreamSummary", named.clone()).await;
        let stream = told["StreamDescriptionSummary"]["StreamARN"].clone();
        let told = producer.ask("ListShards", named).await;
        let keys = [0, 1]
            .map(|shard: usize| told["Shards"][shard]["HashKeyRange"]["StartingHashKey"].clone());

        // Two consumers on one connection, of which one is slow, and a third of its own.
        let mut both = Client::connect(address).await;
        let mut own = Client::connect(address).await;
        let slow = producer.register(&stream, "slow").await;
        let quick = producer.register(&stream, "quick").await;
        let other = producer.register(&stream, "other").await;
        let (mut stalled, mut reading) = (Vec::new(), Vec::new());
        for shard in 0..SHARDS {
            stalled.push(both.subscribe(&slow, shard).await);
            reading.push(both.subscribe(&quick, shard).await);
            reading.push(own.subscribe(&other, shard).await);
        }

        for half in [0..RECORDS / 2, RECORDS / 2..RECORDS] {
            for number in half.clone() {
                let records: Vec<Value> = keys
                    .iter()
                    .enumerate()
                    .map(|(shard, key)| {
                        let data = base64_simd::STANDARD.encode_to_string(data(shard, number));
                        json!({"Data": data, "PartitionKey": "k", "ExplicitHashKey": key})
                    })
                    .collect();
                let body = json!({"StreamName": "s", "Records": records});
                let told = producer.ask("PutRecords", body).await;
                assert_eq!(told["FailedRecordCount"], 0);
            }
            for events in &mut reading {
                events.read_to(half.end).await;
            }
        }
        // A little of it, all of the first half, and the rest.
        for count in [1, RECORDS / 2, RECORDS] {
            for events in &mut stalled {
                events.read_to(count).await;
            }
        }
        assert!(stalled.iter().all(|events| events.next == RECORDS));
    });
}
