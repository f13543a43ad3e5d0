//! Latencies in a histogram.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::error::BenchError;

/// Latencies from a nanosecond to a minute, to three digits.
#[derive(Debug, Clone)]
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

    pub(crate) fn merge(&mut self, other: &Latencies) -> Result<(), BenchError> {
        let added = self.0.add(&other.0);
        added.map_err(|error| BenchError::wrong(format!("histogram: {error}")))
    }

    /// Microseconds at a quantile.
    pub(crate) fn us(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    pub(crate) fn max_us(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }

    pub(crate) fn samples(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}
