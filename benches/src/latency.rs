//! Latencies in a histogram: p50, p99, p99.9, max.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::{error::BenchError, rounds::Outcome};

/// Latencies from a nanosecond to a minute, to three digits.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

const LONGEST_NS: u64 = 60_000_000_000;

impl Latencies {
    pub(crate) fn new() -> Result<Latencies, BenchError> {
        Histogram::new_with_bounds(1, LONGEST_NS, 3)
            .map(Latencies)
            .map_err(|error| BenchError::wrong(format!("histogram: {error}")))
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(LONGEST_NS);
        self.0.saturating_record(nanoseconds);
    }

    /// Two outcomes, p50 and p99, the first with all there is as details.
    pub(crate) fn outcomes(&self, row: &str, durability: &'static str) -> [Outcome; 2] {
        let us = |quantile: f64| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        let mut p50 = Outcome::new(format!("{row}, p50"), "µs", us(0.5), durability);
        p50.details = vec![
            ("p99", us(0.99)),
            ("p99.9", us(0.999)),
            ("max", self.0.max() as f64 / 1000.0),
            ("samples", self.0.len() as f64),
        ];
        let p99 = Outcome::new(format!("{row}, p99"), "µs", us(0.99), durability);
        [p50, p99]
    }
}
