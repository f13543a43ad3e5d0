//! Beside embedded peers: each row of theirs with what is alike of ours. Like theirs, our stores
//! are empty when a run begins; ours hashes keys and routes on top.

use super::{
    ingest::{Ingest, Until},
    single_records::{self, Called},
    write_path,
};
use crate::{
    error::BenchError,
    figure::{Bar, Outcome},
    peers::Peers,
    rounds::{Bench, Family},
};

pub(super) fn families(peers: Peers) -> Vec<Family> {
    let ingest = |figure: &'static str, row: &'static str, ingest: Ingest, times: f64| {
        let peers = peers.clone();
        Family::new(&[figure], move |bench| {
            let outcome = from_empty(bench, figure, &ingest)?.bar(Bar::Times(times));
            let beside = peers.measure(bench, row)?;
            Ok(vec![Outcome {
                peers: beside,
                ..outcome
            }])
        })
    };
    let single = |figure: &'static str, row: &'static str, threads: u64, times: f64| {
        let peers = peers.clone();
        Family::new(&[figure], move |bench| {
            let called = single_records::callers(bench, 1, threads)?;
            let outcome = of_callers(figure, &called).bar(Bar::Times(times));
            let beside = peers.measure(bench, row)?;
            Ok(vec![Outcome {
                peers: beside,
                ..outcome
            }])
        })
    };
    vec![
        ingest("peers-ingest-1k", "ingest-1k", Ingest::new(1024, 500), 1.5),
        ingest(
            "peers-ingest-100b-500",
            "ingest-100b-500",
            Ingest::new(100, 500),
            1.0,
        ),
        ingest(
            "peers-ingest-100b-5000",
            "ingest-100b-5000",
            Ingest::new(100, 5000),
            1.0,
        ),
        single("peers-one-by-one", "one-by-one", 1, 1.0),
        single(
            "peers-threads-64",
            "threads-64",
            single_records::THREADS,
            2.0,
        ),
    ]
}

fn from_empty(bench: &Bench, figure: &str, ingest: &Ingest) -> Result<Outcome, BenchError> {
    let (prepared, limit) =
        bench.beside_overwrite(|limit| write_path::prepared(bench, ingest, limit))?;
    let dir = bench.fresh_dir("ingest")?;
    let measured = ingest.store(&dir.path().join("store"))?;
    let ran = ingest.run(bench, &measured, Until::Passed(bench.seconds))?;
    measured.check_and_close(ran.acknowledged)?;
    Ok(Outcome::new(figure, "rec/s", ran.rate())
        .limit(limit / ingest.size as f64)
        .durable()
        .details(&[
            ("mb_per_s", ran.mb_per_second()),
            ("prepared_records_per_s", prepared.ingested.rate()),
        ])
        .device(ran.device))
}

fn of_callers(figure: &str, called: &Called) -> Outcome {
    Outcome::new(figure, "rec/s", called.rate)
        .durable()
        .details(&[
            ("p50_us", called.latencies.us(0.5)),
            ("p99_us", called.latencies.us(0.99)),
        ])
}
