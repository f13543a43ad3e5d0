//! A subscriber, and a producer of a thousand records a second: from the answer to the put until the
//! event is there.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    arn_of, ask,
    line::{self, Line, find},
    puts::Form,
    register,
};
use crate::{error::BenchError, latency::Latencies, network::STREAM, rounds::Bench};

const SHARD: &str = "shardId-000000000000";
/// Between two records.
const PAUSE: Duration = Duration::from_millis(1);
/// Digits of the number that a record holds.
const DIGITS: usize = 9;
const DATA: &[u8] = b"\"Data\":\"";

pub(super) fn run(address: &str, bench: &Bench) -> Result<Latencies, BenchError> {
    let mut line = Line::connect(address)?;
    let stream = arn_of(&mut line, STREAM)?;
    let consumer = register(&mut line, &stream, "bench")?;
    let wanted =
        json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "LATEST"}});
    let mut events = Line::connect(address)?;
    let body = wanted.to_string();
    events.send(&line::request(
        "SubscribeToShard",
        Form::Json.content_type(),
        body.as_bytes(),
    ))?;
    let total = (bench.latency_seconds().as_millis() as usize).max(1000);
    // When each put was answered, in nanoseconds from the start.
    let answered: Vec<AtomicU64> = (0..total).map(|_| AtomicU64::new(u64::MAX)).collect();
    let start = Instant::now();
    let since = || start.elapsed().as_nanos() as u64;
    let seen = thread::scope(|scope| {
        let (answered, since) = (&answered, &since);
        let subscriber = scope.spawn(move || {
            let mut seen = vec![0; total];
            let (mut count, mut keep) = (0, 0);
            while count < total {
                let bytes = events.more(keep)?;
                let now = since();
                let mut rest = bytes;
                while let Some(at) = find(rest, DATA) {
                    let from = at + DATA.len();
                    let Some(text) = rest.get(from..from + DIGITS.div_ceil(3) * 4) else {
                        break;
                    };
                    let number = STANDARD.decode(text).ok();
                    let number = number.and_then(|n| String::from_utf8(n).ok()?.parse().ok());
                    let number: usize = number
                        .ok_or_else(|| BenchError::wrong("an event with a strange record"))?;
                    seen[number] = now;
                    count += 1;
                    rest = &rest[from..];
                }
                keep = rest.len().min(DATA.len() + DIGITS.div_ceil(3) * 4);
            }
            Ok::<_, BenchError>(seen)
        });
        // The subscription stands, in all likelihood, before the first record.
        thread::sleep(Duration::from_millis(300));
        let begun = since();
        for (number, answered) in answered.iter().enumerate() {
            let data = STANDARD.encode(format!("{number:0DIGITS$}"));
            let record = json!({"StreamName": STREAM, "PartitionKey": "k", "ExplicitHashKey": "0", "Data": data});
            ask(&mut line, "PutRecord", &record)?;
            answered.store(since(), Ordering::Relaxed);
            let due = begun + (number as u64 + 1) * PAUSE.as_nanos() as u64;
            thread::sleep(Duration::from_nanos(due.saturating_sub(since())));
        }
        let ended = subscriber.join();
        ended.map_err(|_| BenchError::wrong("the subscriber panicked"))?
    })?;
    let mut latencies = Latencies::new()?;
    for (seen, answered) in seen.iter().zip(&answered) {
        // An event may be there before the answer.
        let nanoseconds = seen.saturating_sub(answered.load(Ordering::Relaxed));
        latencies.add(Duration::from_nanos(nanoseconds.max(1)));
    }
    Ok(latencies)
}
