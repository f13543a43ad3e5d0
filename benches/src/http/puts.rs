//! Puts over several connections that each wait for their answers; the requests are made before.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    ensure_stream,
    line::{self, Line, find},
};
use crate::{
    error::BenchError,
    network::STREAM,
    noise::{self, Tally},
    rounds::Bench,
};

/// How bodies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Cbor,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/x-amz-json-1.1",
            Form::Cbor => "application/x-amz-cbor-1.1",
        }
    }
}

/// What is put.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) stream: &'static str,
    pub(super) shards: u32,
    connections: u64,
    /// Records of a request; 0 for PutRecord.
    batch: usize,
    size: usize,
    form: Form,
}

impl Load {
    pub(super) fn batches(form: Form) -> Load {
        Load {
            stream: STREAM,
            shards: 4,
            connections: 8,
            batch: 500,
            size: 1024,
            form,
        }
    }

    pub(super) fn single() -> Load {
        Load {
            stream: "single",
            shards: 1,
            connections: 16,
            batch: 0,
            size: 100,
            form: Form::Json,
        }
    }
}

/// What a run gave.
pub(super) struct Ran {
    /// Records a second.
    pub(super) rate: f64,
    pub(super) acknowledged: Tally,
}

/// Requests that a connection takes turns at.
const REQUESTS: usize = 16;

struct Request {
    bytes: Vec<u8>,
    tally: Tally,
}

pub(super) fn run(address: &str, bench: &Bench, load: Load) -> Result<Ran, BenchError> {
    ensure_stream(&mut Line::connect(address)?, load.stream, load.shards)?;
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let connection = |seed: u64| {
        let mut records = noise::Load::small(seed + 1, load.size);
        let requests: Vec<Request> = (0..REQUESTS).map(|_| make(&mut records, load)).collect();
        let mut line = Line::connect(address)?;
        let mut tally = Tally::default();
        for request in requests.iter().cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let (status, answer) = line.ask(&request.bytes)?;
            if status != 200 || !all_taken(answer, load) {
                let said = String::from_utf8_lossy(&answer[..answer.len().min(500)]);
                return Err(BenchError::wrong(format!("a put: {status}: {said}")));
            }
            tally.merge(request.tally);
            count.fetch_add(request.tally.records, Ordering::Relaxed);
        }
        Ok(tally)
    };
    thread::scope(|scope| {
        let connection = &connection;
        let threads: Vec<_> = (0..load.connections)
            .map(|seed| scope.spawn(move || connection(seed)))
            .collect();
        thread::sleep(bench.warm_up());
        let (start, first) = (Instant::now(), count.load(Ordering::Relaxed));
        thread::sleep(bench.seconds);
        let records = count.load(Ordering::Relaxed) - first;
        let rate = records as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Tally::default();
        for thread in threads {
            let ended = thread.join();
            let tally = ended.map_err(|_| BenchError::wrong("a connection's thread panicked"))?;
            acknowledged.merge(tally?);
        }
        Ok(Ran { rate, acknowledged })
    })
}

/// Whether every record of a put was taken.
fn all_taken(answer: &[u8], load: Load) -> bool {
    const FAILED: &[u8] = b"FailedRecordCount";
    if load.batch == 0 {
        return true;
    }
    // It is the first member, or the last but one.
    let near = |bytes: &[u8]| find(bytes, FAILED).map(|at| at + FAILED.len());
    let edge = answer.len().min(100);
    let tail = answer.len() - edge;
    let at = near(&answer[..edge]).or_else(|| near(&answer[tail..]).map(|at| at + tail));
    at.is_some_and(|at| match load.form {
        Form::Json => answer[at..].starts_with(b"\":0"),
        Form::Cbor => answer.get(at) == Some(&0),
    })
}

fn make(records: &mut noise::Load, load: Load) -> Request {
    let stream = load.stream;
    let mut tally = Tally::default();
    let mut record = |out: &mut Vec<u8>| {
        let (key, data) = records.next();
        tally.add(key, data);
        match load.form {
            Form::Json => {
                let data = STANDARD.encode(data);
                let text = format!("\"Data\":\"{data}\",\"PartitionKey\":\"{key}\"");
                out.extend_from_slice(text.as_bytes());
            }
            Form::Cbor => {
                text(out, "Data");
                head(out, 2, data.len());
                out.extend_from_slice(data);
                text(out, "PartitionKey");
                text(out, key);
            }
        }
    };
    let mut body = Vec::new();
    match (load.batch, load.form) {
        (0, _) => {
            body.extend_from_slice(format!("{{\"StreamName\":\"{stream}\",").as_bytes());
            record(&mut body);
            body.push(b'}');
        }
        (batch, Form::Json) => {
            body.extend_from_slice(
                format!("{{\"StreamName\":\"{stream}\",\"Records\":[").as_bytes(),
            );
            for at in 0..batch {
                body.extend_from_slice(if at == 0 { b"{" } else { b",{" });
                record(&mut body);
                body.push(b'}');
            }
            body.extend_from_slice(b"]}");
        }
        (batch, Form::Cbor) => {
            head(&mut body, 5, 2);
            text(&mut body, "StreamName");
            text(&mut body, stream);
            text(&mut body, "Records");
            head(&mut body, 4, batch);
            for _ in 0..batch {
                head(&mut body, 5, 2);
                record(&mut body);
            }
        }
    }
    let operation = if load.batch == 0 {
        "PutRecord"
    } else {
        "PutRecords"
    };
    Request {
        bytes: line::request(operation, load.form.content_type(), &body),
        tally,
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, 3, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// The head of an item of CBOR.
fn head(out: &mut Vec<u8>, major: u8, value: usize) {
    match value {
        0..24 => out.push(major << 5 | value as u8),
        24..256 => out.extend_from_slice(&[major << 5 | 24, value as u8]),
        _ => {
            out.push(major << 5 | 25);
            out.extend_from_slice(&(value as u16).to_be_bytes());
        }
    }
}
