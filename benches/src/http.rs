//! The AWS API over HTTP, in a process of its own on the same cores: what clients that speak it get.

mod events;
mod gets;
mod line;
mod mux;
mod puts;
mod subscriptions;

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    limits::loopback,
    network::MeasuredServer,
    rounds::{Bench, Family},
};
use line::Line;
use puts::{Form, Load};

/// Beside the limits.
pub(crate) fn families() -> Vec<Family> {
    vec![
        Family::new(
            &["http-put-records-1k", "http-put-records-1k-cbor"],
            put_records,
        ),
        Family::new(&["http-put-record-100b"], |bench| {
            let dir = bench.fresh_dir("http-puts")?;
            let server = MeasuredServer::start(bench, dir.path())?;
            let ran = puts_to(&server, bench, Load::single())?;
            let outcome = Outcome::new("http-put-record-100b", "rec/s", ran.rate);
            Ok(vec![outcome.durable()])
        }),
        Family::new(&["http-get-records"], |bench| {
            let dir = bench.fresh_dir("http-gets")?;
            let server = MeasuredServer::start(bench, dir.path())?;
            let rate = gets::run(&server.http, bench)?;
            let limit = loopback(bench.seconds)?.mb_per_second();
            let outcome = Outcome::new("http-get-records", "MB/s", rate / 1e6);
            Ok(vec![outcome.limit(limit).bar(Bar::Times(0.5))])
        }),
        Family::new(&["http-event-p99"], |bench| {
            let dir = bench.fresh_dir("http-events")?;
            let server = MeasuredServer::start(bench, dir.path())?;
            let latencies = events::run(&server.http, bench)?;
            let outcome = Outcome::new("http-event-p99", "µs", latencies.us(0.99))
                .bar(Bar::AtMost(5000.0))
                .detail("p50", latencies.us(0.5))
                .detail("samples", latencies.samples() as f64);
            Ok(vec![outcome.durable()])
        }),
        Family::new(
            &[
                "http-subscriptions-idle",
                "http-subscriptions-p99",
                "http-subscriptions-slow",
                "http-subscriptions-most-slow",
            ],
            |bench| {
                let dir = bench.fresh_dir("http-subscriptions")?;
                let server = MeasuredServer::start(bench, dir.path())?;
                subscriptions::run(bench, &server)
            },
        ),
    ]
}

/// The puts alone, to a server of whatever make that listens already.
pub(crate) fn families_of(address: &str) -> Vec<Family> {
    let family = |figure: &'static str, load: fn() -> Load| {
        let address = address.to_owned();
        Family::new(&[figure], move |bench| {
            let ran = puts::run(&address, bench, load())?;
            Ok(vec![Outcome::new(figure, "rec/s", ran.rate)])
        })
    };
    vec![
        family("http-put-records-1k", || Load::batches(Form::Json)),
        family("http-put-record-100b", Load::single),
    ]
}

fn put_records(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (figure, form) in [
        ("http-put-records-1k", Form::Json),
        ("http-put-records-1k-cbor", Form::Cbor),
    ] {
        let (ran, limit) = bench.beside_overwrite(|limit| {
            let dir = bench.fresh_dir("http-puts")?;
            // More than half of the limit is not to be expected.
            let bytes = bench.bytes_to_prepare(limit) / 2;
            let server = MeasuredServer::prepared(bench, dir.path(), bytes)?;
            puts_to(&server, bench, Load::batches(form))
        })?;
        let outcome = Outcome::new(figure, "MB/s", ran.rate * 1024.0 / 1e6)
            .durable()
            .limit(limit / 1e6)
            .bar(Bar::Times(0.5))
            .detail("records_per_s", ran.rate);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Puts to one of our servers, and checks that all that was acknowledged is there.
fn puts_to(server: &MeasuredServer, bench: &Bench, load: Load) -> Result<puts::Ran, BenchError> {
    let ran = puts::run(&server.http, bench, load)?;
    server.block_on(server.check_of(load.stream, load.shards, ran.acknowledged))?;
    Ok(ran)
}

/// Asks for something small, whose answer is JSON.
fn ask(line: &mut Line, operation: &str, body: &Value) -> Result<Value, BenchError> {
    let request = line::request(
        operation,
        Form::Json.content_type(),
        body.to_string().as_bytes(),
    );
    let (status, answer) = line.ask(&request)?;
    if status != 200 {
        let said = String::from_utf8_lossy(answer);
        return Err(BenchError::wrong(format!("{operation}: {status}: {said}")));
    }
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(answer)
        .map_err(|error| BenchError::wrong(format!("{operation}: {error}")))
}

/// Makes the stream where it is not there, and waits for it.
fn ensure_stream(line: &mut Line, stream: &str, shards: u32) -> Result<(), BenchError> {
    let named = json!({"StreamName": stream});
    if ask(line, "DescribeStreamSummary", &named).is_err() {
        let wanted = json!({"StreamName": stream, "ShardCount": shards});
        ask(line, "CreateStream", &wanted)?;
    }
    loop {
        let told = ask(line, "DescribeStreamSummary", &named)?;
        if told["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The ARN of a stream.
fn arn_of(line: &mut Line, stream: &str) -> Result<String, BenchError> {
    let told = ask(
        line,
        "DescribeStreamSummary",
        &json!({"StreamName": stream}),
    )?;
    text(&told["StreamDescriptionSummary"]["StreamARN"])
}

/// Registers a consumer of a stream, and waits for it: its ARN.
fn register(line: &mut Line, stream_arn: &str, name: &str) -> Result<String, BenchError> {
    let wanted = json!({"StreamARN": stream_arn, "ConsumerName": name});
    let made = ask(line, "RegisterStreamConsumer", &wanted)?;
    let arn = text(&made["Consumer"]["ConsumerARN"])?;
    let named = json!({"ConsumerARN": arn});
    loop {
        let told = ask(line, "DescribeStreamConsumer", &named)?;
        if told["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE" {
            return Ok(arn);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn text(value: &Value) -> Result<String, BenchError> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| BenchError::wrong(format!("{value} where a text was expected")))
}

/// An error of the connection.
fn broken(doing: &'static str) -> impl FnOnce(std::io::Error) -> BenchError {
    BenchError::io(doing, Path::new("the connection"))
}
