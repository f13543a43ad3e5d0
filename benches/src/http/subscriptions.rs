//! Two thousand subscriptions over HTTP/2, all of them held: what they cost the server at rest, under
//! a steady load, and while some of their clients read nothing.
//!
//! Each consumer has a connection of its own, with a subscription to each shard. A record holds its
//! number in the stream, which says in which shard it is; so each subscription knows what it is to be
//! given next, and fails the figures when anything else comes.

mod subscriber;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    arn_of, ask, ensure_stream,
    line::{self, Line, find},
    puts::Form,
    register, text,
};
use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    latency::Latencies,
    network::MeasuredServer,
    noise::Noise,
    resident::{self, Resident},
    rounds::Bench,
};
use subscriber::Subscriber;

const STREAM: &str = "subscribed";
const SHARDS: u64 = 100;
const CONSUMERS: usize = 20;
const SUBSCRIPTIONS: u64 = SHARDS * CONSUMERS as u64;
/// Bytes of data of a record.
const SIZE: usize = 1024;
/// Digits of the number that a record begins with, and characters of base64 that hold them.
const DIGITS: usize = 12;
const CHARACTERS: usize = DIGITS / 3 * 4;
/// The steady load: records of a put, and the time between two.
const BATCH: u64 = 10;
const PAUSE: Duration = Duration::from_millis(10);
/// Longer than any subscription goes without a sign of life.
const REST: Duration = Duration::from_secs(5);
/// Longest wait for what was put to be everywhere.
const PATIENCE: Duration = Duration::from_secs(50);
/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(20);
/// Records of a put while some read nothing; all of them go to one shard.
const LARGE_BATCH: u64 = 500;

/// Consumers that read nothing for a time.
const FEW_SLOW: usize = 2;
const MOST_SLOW: usize = 19;
/// The most memory: what events may take, and as much again for all else.
const MOST_MIB: f64 = 512.0;

/// What the threads share.
struct Shared {
    start: Instant,
    stop: AtomicBool,
    /// So many consumers are to read nothing, the first ones.
    slow: AtomicUsize,
    /// The puts of the steady load.
    puts: Vec<Put>,
    /// For each consumer: subscriptions that have had a first event.
    held: Vec<AtomicU64>,
    /// For each consumer: records that came.
    received: Vec<AtomicU64>,
}

/// When a put was sent and answered, in nanoseconds from the start.
struct Put {
    sent: AtomicU64,
    answered: AtomicU64,
}

/// How long records took to come.
struct Propagation {
    since_sent: Latencies,
    since_answered: Latencies,
}

impl Propagation {
    fn new() -> Result<Propagation, BenchError> {
        Ok(Propagation {
            since_sent: Latencies::new()?,
            since_answered: Latencies::new()?,
        })
    }

    fn add(&mut self, put: &Put, now: u64) {
        let since = |then: &AtomicU64| {
            // It may be there before the answer to its put.
            let nanoseconds = now.saturating_sub(then.load(Ordering::Relaxed));
            Duration::from_nanos(nanoseconds.max(1))
        };
        self.since_sent.add(since(&put.sent));
        self.since_answered.add(since(&put.answered));
    }

    fn merge(&mut self, other: &Propagation) -> Result<(), BenchError> {
        self.since_sent.merge(&other.since_sent)?;
        self.since_answered.merge(&other.since_answered)
    }
}

impl Shared {
    fn since(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn sum(counts: &[AtomicU64]) -> u64 {
        counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

pub(super) fn run(bench: &Bench, server: &MeasuredServer) -> Result<Vec<Outcome>, BenchError> {
    let mut line = Line::connect(&server.http)?;
    ensure_stream(&mut line, STREAM, SHARDS as u32)?;
    let arn = arn_of(&mut line, STREAM)?;
    let consumers: Vec<String> = (0..CONSUMERS)
        .map(|number| register(&mut line, &arn, &format!("consumer-{number}")))
        .collect::<Result<_, _>>()?;
    let hash_keys = hash_keys(&mut line)?;
    let puts = (bench.latency_seconds().as_millis() / PAUSE.as_millis()) as usize;
    let put = || Put {
        sent: AtomicU64::new(u64::MAX),
        answered: AtomicU64::new(u64::MAX),
    };
    let none = || (0..CONSUMERS).map(|_| AtomicU64::new(0)).collect();
    let shared = Shared {
        start: Instant::now(),
        stop: AtomicBool::new(false),
        slow: AtomicUsize::new(0),
        puts: (0..puts).map(|_| put()).collect(),
        held: none(),
        received: none(),
    };
    let before = resident::of(server.process())?;
    thread::scope(|scope| {
        let shared = &shared;
        let threads: Vec<_> = consumers
            .iter()
            .enumerate()
            .map(|(number, arn)| {
                let http = &server.http;
                scope.spawn(move || Subscriber::new(http, number, arn, shared)?.run())
            })
            .collect();
        let mut run = Run {
            server,
            shared,
            producer: Producer::new(line, hash_keys),
            is_ended: &|| threads.iter().any(|thread| thread.is_finished()),
            before,
        };
        let measured = run.measure(bench);
        shared.stop.store(true, Ordering::Relaxed);
        let mut came = Propagation::new()?;
        for thread in threads {
            let ended = thread.join();
            came.merge(&ended.map_err(|_| BenchError::wrong("a subscriber panicked"))??)?;
        }
        let [idle, load, slow, most] = measured?;
        let load = load
            .detail("p50", came.since_answered.us(0.5))
            .detail("from_put_p50", came.since_sent.us(0.5))
            .detail("from_put_p99", came.since_sent.us(0.99))
            .detail("samples", came.since_answered.samples() as f64);
        let load = Outcome {
            ours: came.since_answered.us(0.99),
            ..load
        };
        Ok(vec![idle, load, slow, most])
    })
}

struct Run<'a> {
    server: &'a MeasuredServer,
    shared: &'a Shared,
    producer: Producer,
    /// Whether a subscriber has ended, which none of them should.
    is_ended: &'a dyn Fn() -> bool,
    before: Resident,
}

impl Run<'_> {
    fn measure(&mut self, bench: &Bench) -> Result<[Outcome; 4], BenchError> {
        let opening = Instant::now();
        self.wait(&|shared: &Shared| Shared::sum(&shared.held) == SUBSCRIPTIONS)?;
        let opened = opening.elapsed();
        thread::sleep(REST);
        let idle = self.look()?;
        let before = self.before.anonymous;
        let each = |now: Resident| (now.anonymous - before) * 1024.0 / SUBSCRIPTIONS as f64;
        let outcome = Outcome::new("http-subscriptions-idle", "KiB", each(idle));
        let of_idle = outcome
            .bar(Bar::AtMost(64.0))
            .detail("held", Shared::sum(&self.shared.held) as f64)
            .detail("open_ms", opened.as_secs_f64() * 1e3)
            .detail("before_mib", before)
            .detail("idle_mib", idle.anonymous)
            .detail("idle_rss_mib", idle.all);

        let begun = Instant::now();
        let peak = self.steady()?;
        let records = self.producer.next;
        let seconds = begun.elapsed().as_secs_f64();
        let outcome = Outcome::new("http-subscriptions-p99", "µs", 0.0);
        let of_load = outcome
            .durable()
            .detail("put_per_s", records as f64 / seconds)
            .detail(
                "delivered_per_s",
                (records * CONSUMERS as u64) as f64 / seconds,
            )
            .detail("peak_mib", peak.anonymous)
            .detail("peak_kib_each", each(peak))
            .detail("peak_rss_mib", peak.all);

        let rounds = if bench.quick { 2 } else { 4 };
        let all_read = self.flood(rounds)?;
        let all_read = all_read.max(self.wait(&self.until_all(0))?).anonymous;
        let slow = self.slow("http-subscriptions-slow", FEW_SLOW, rounds)?;
        let most = self.slow("http-subscriptions-most-slow", MOST_SLOW, rounds)?;
        let slow = slow.detail("all_read_mib", all_read);
        Ok([of_idle, of_load, slow, most])
    }

    /// Puts at a steady pace, until all that was put is everywhere: the most memory.
    fn steady(&mut self) -> Result<Resident, BenchError> {
        let begun = self.shared.since();
        let mut peak = self.look()?;
        for (number, put) in self.shared.puts.iter().enumerate() {
            put.sent.store(self.shared.since(), Ordering::Relaxed);
            let first = self.producer.next;
            self.producer.put(first..first + BATCH)?;
            put.answered.store(self.shared.since(), Ordering::Relaxed);
            let due = begun + (number as u64 + 1) * PAUSE.as_nanos() as u64;
            if number % 10 == 0 {
                peak = peak.max(self.look()?);
            }
            let now = self.shared.since();
            thread::sleep(Duration::from_nanos(due.saturating_sub(now)));
        }
        Ok(peak.max(self.wait(&self.until_all(0))?))
    }

    /// Puts much more than windows hold while the first consumers read nothing, and lets them read
    /// then.
    fn slow(
        &mut self,
        figure: &'static str,
        slow: usize,
        rounds: u64,
    ) -> Result<Outcome, BenchError> {
        self.shared.slow.store(slow, Ordering::Relaxed);
        // Nobody waits for more than that in a read.
        thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        let peak = self.flood(rounds)?;
        let put_s = begun.elapsed().as_secs_f64();
        let peak = peak.max(self.wait(&self.until_all(slow))?);
        let all_s = begun.elapsed().as_secs_f64();
        let counts = self.shared.received.iter().take(slow);
        let behind = counts.map(|count| self.producer.next - count.load(Ordering::Relaxed));
        let behind: u64 = behind.sum();
        if behind == 0 {
            return Err(BenchError::wrong("nobody was slow"));
        }
        let stalled = self.look()?;
        self.shared.slow.store(0, Ordering::Relaxed);
        let catch_up = self.wait(&self.until_all(0))?;
        let records = rounds * LARGE_BATCH * SHARDS;
        let delivered = records * (CONSUMERS - slow) as u64;
        Ok(Outcome::new(figure, "MiB", peak.anonymous)
            .bar(Bar::AtMost(MOST_MIB))
            .detail("slow", (slow as u64 * SHARDS) as f64)
            .detail("stalled_mib", stalled.anonymous)
            .detail("catch_up_mib", catch_up.anonymous)
            .detail("peak_rss_mib", peak.all.max(catch_up.all))
            .detail("put_mib", ((records * SIZE as u64) >> 20) as f64)
            .detail("put_per_s", records as f64 / put_s)
            .detail("delivered_per_s", delivered as f64 / all_s)
            .detail("records_behind", behind as f64))
    }

    /// Whether all consumers but the first ones were given everything.
    fn until_all(&self, but: usize) -> impl Fn(&Shared) -> bool + use<> {
        let wanted = self.producer.next;
        move |shared| {
            let mut counts = shared.received.iter().skip(but);
            counts.all(|count| count.load(Ordering::Relaxed) == wanted)
        }
    }

    /// Puts to all shards, one after the other, as fast as it goes: the most memory.
    fn flood(&mut self, rounds: u64) -> Result<Resident, BenchError> {
        let mut peak = self.look()?;
        for _ in 0..rounds {
            let first = self.producer.next;
            for shard in 0..SHARDS {
                let number = |at| first + shard + at * SHARDS;
                self.producer.put((0..LARGE_BATCH).map(number))?;
                peak = peak.max(self.look()?);
            }
        }
        Ok(peak)
    }

    /// Waits, and looks at the server's memory meanwhile: the most of it.
    fn wait(&self, is_done: &dyn Fn(&Shared) -> bool) -> Result<Resident, BenchError> {
        let begun = Instant::now();
        let mut peak = self.look()?;
        while !is_done(self.shared) {
            if (self.is_ended)() {
                return Err(BenchError::wrong("a subscriber has ended"));
            }
            if begun.elapsed() > PATIENCE {
                let count = |counts: &[AtomicU64]| -> Vec<u64> {
                    counts.iter().map(|c| c.load(Ordering::Relaxed)).collect()
                };
                return Err(BenchError::wrong(format!(
                    "of {} records each consumer was given {:?}; subscriptions that stand: {:?}",
                    self.producer.next,
                    count(&self.shared.received),
                    count(&self.shared.held),
                )));
            }
            thread::sleep(LOOK);
            peak = peak.max(self.look()?);
        }
        Ok(peak)
    }

    fn look(&self) -> Result<Resident, BenchError> {
        resident::of(self.server.process())
    }
}

/// Puts records.
struct Producer {
    line: Line,
    /// One of each shard.
    hash_keys: Vec<String>,
    /// Base64 of what comes behind the numbers.
    rest: String,
    /// How many were put, and so the number of the next one where they are put in turn.
    next: u64,
}

impl Producer {
    fn new(line: Line, hash_keys: Vec<String>) -> Producer {
        let mut rest = [0; SIZE - DIGITS];
        Noise::new(1).fill(&mut rest);
        Producer {
            line,
            hash_keys,
            rest: STANDARD.encode(rest),
            next: 0,
        }
    }

    /// Puts the records of these numbers.
    fn put(&mut self, numbers: impl Iterator<Item = u64>) -> Result<(), BenchError> {
        let mut body = format!("{{\"StreamName\":\"{STREAM}\",\"Records\":[");
        for (at, number) in numbers.enumerate() {
            if at > 0 {
                body.push(',');
            }
            self.next += 1;
            let digits = STANDARD.encode(format!("{number:0DIGITS$}"));
            let (rest, key) = (&self.rest, &self.hash_keys[(number % SHARDS) as usize]);
            body.push_str("{\"Data\":\"");
            body.push_str(&digits);
            body.push_str(rest);
            body.push_str("\",\"PartitionKey\":\"k\",\"ExplicitHashKey\":\"");
            body.push_str(key);
            body.push_str("\"}");
        }
        body.push_str("]}");
        let request = line::request("PutRecords", Form::Json.content_type(), body.as_bytes());
        let (status, answer) = self.line.ask(&request)?;
        if status != 200 || find(answer, b"\"FailedRecordCount\":0").is_none() {
            let said = String::from_utf8_lossy(&answer[..answer.len().min(500)]);
            return Err(BenchError::wrong(format!("a put: {status}: {said}")));
        }
        Ok(())
    }
}

/// A hash key of each shard.
fn hash_keys(line: &mut Line) -> Result<Vec<String>, BenchError> {
    let told = ask(line, "ListShards", &json!({"StreamName": STREAM}))?;
    let shards = told["Shards"].as_array().map_or(&[][..], Vec::as_slice);
    let keys: Result<Vec<String>, _> = shards
        .iter()
        .map(|shard| text(&shard["HashKeyRange"]["StartingHashKey"]))
        .collect();
    keys.and_then(|keys| match keys.len() as u64 {
        SHARDS => Ok(keys),
        other => Err(BenchError::wrong(format!("a stream of {other} shards"))),
    })
}
