//! GetRecords from the oldest record on, with answers as large as they may be.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    ask,
    line::{self, Line, find},
    puts::{self, Form, Load},
};
use crate::{error::BenchError, network::STREAM, rounds::Bench};

const SHARD: &str = "shardId-000000000000";
/// Connections that read.
const READERS: usize = 2;

/// Bytes of answers a second.
pub(super) fn run(address: &str, bench: &Bench) -> Result<f64, BenchError> {
    puts::run(address, bench, Load::batches(Form::Json))?;
    let reader = || {
        let mut line = Line::connect(address)?;
        let wanted =
            json!({"StreamName": STREAM, "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"});
        let oldest = ask(&mut line, "GetShardIterator", &wanted)?;
        let oldest = oldest["ShardIterator"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let (mut iterator, mut bytes) = (oldest.clone(), 0u64);
        let start = Instant::now();
        while start.elapsed() < bench.seconds.max(Duration::from_millis(500)) {
            let body = format!("{{\"ShardIterator\":\"{iterator}\"}}");
            let request = line::request("GetRecords", Form::Json.content_type(), body.as_bytes());
            let (status, answer) = line.ask(&request)?;
            if status != 200 {
                let said = String::from_utf8_lossy(answer).into_owned();
                return Err(BenchError::wrong(format!("GetRecords: {status}: {said}")));
            }
            bytes += answer.len() as u64;
            // Near the end it begins anew: short answers are not what is measured.
            iterator = match next(answer).filter(|_| answer.len() > 10 << 20) {
                Some(next) => next,
                None => oldest.clone(),
            };
        }
        Ok(bytes as f64 / start.elapsed().as_secs_f64())
    };
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(reader)).collect();
        let mut rate = 0.0;
        for reader in readers {
            let ended = reader.join();
            rate += ended.map_err(|_| BenchError::wrong("a reader panicked"))??;
        }
        Ok(rate)
    })
}

/// The iterator that goes on behind an answer; it stands at one of its ends.
fn next(answer: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"NextShardIterator\":\"";
    let edge = answer.len().min(4096);
    for part in [&answer[..edge], &answer[answer.len() - edge..]] {
        if let Some(at) = find(part, NAME) {
            let rest = &part[at + NAME.len()..];
            let end = rest.iter().position(|byte| *byte == b'"')?;
            return String::from_utf8(rest[..end].to_vec()).ok();
        }
    }
    None
}
