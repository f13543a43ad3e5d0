//! Medians and spreads over rounds, and what was moved in a time.

use std::time::Duration;

/// The middle value; of the two middle ones their mean. `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// A median, and the lowest and the highest of what it is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Option<Spread> {
        Some(Spread {
            median: median(values)?,
            low: values.iter().copied().fold(f64::INFINITY, f64::min),
            high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// Bytes in a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Throughput {
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
}

impl Throughput {
    pub(crate) fn plus(self, other: Throughput) -> Throughput {
        Throughput {
            bytes: self.bytes + other.bytes,
            elapsed: self.elapsed + other.elapsed,
        }
    }

    /// Bytes a second.
    pub(crate) fn rate(self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64()
    }

    /// Millions of bytes a second.
    pub(crate) fn mb_per_second(self) -> f64 {
        self.rate() / 1e6
    }
}

#[cfg(test)]
mod tests;
