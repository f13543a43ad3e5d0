//! Results: JSON lines as they come, and at the end a table of medians, spreads and ratios.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::{
    error::BenchError,
    machine,
    rounds::{Bench, Outcome},
};

/// All outcomes of a run.
#[derive(Debug)]
pub(crate) struct Report {
    path: PathBuf,
    file: File,
    outcomes: Vec<(usize, Outcome)>,
}

impl Report {
    pub(crate) fn new(bench: &Bench, path: Option<&Path>) -> Result<Report, BenchError> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = seconds.map_or(0, |since| since.as_secs());
        let path = match path {
            Some(path) => path.to_owned(),
            None => PathBuf::from(format!("target/bench/{seconds}.jsonl")),
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(BenchError::io("make", parent))?;
        }
        let file = File::create(&path).map_err(BenchError::io("make", &path))?;
        let mut report = Report {
            path,
            file,
            outcomes: Vec::new(),
        };
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        report.line(&json!({
            "kind": "run",
            "time": seconds,
            "arguments": arguments,
            "seconds_per_row": bench.seconds.as_secs_f64(),
            "machine": machine::describe(bench.root()),
        }))?;
        Ok(report)
    }

    pub(crate) fn add(&mut self, round: usize, outcome: Outcome) -> Result<(), BenchError> {
        let details: Map<String, Value> = outcome
            .details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let device = outcome.device.map(|counts| {
            json!({"writes": counts.writes, "bytes": counts.bytes, "flushes": counts.flushes})
        });
        self.line(&json!({
            "kind": "outcome",
            "round": round,
            "row": outcome.row,
            "value": outcome.value,
            "unit": outcome.unit,
            "durability": outcome.durability,
            "limit": outcome.limit,
            "details": details,
            "device": device,
        }))?;
        self.outcomes.push((round, outcome));
        Ok(())
    }

    fn line(&mut self, value: &Value) -> Result<(), BenchError> {
        writeln!(self.file, "{value}").map_err(BenchError::io("write", &self.path))
    }

    /// The table: for each row median, lowest and highest over the rounds, and the median of its
    /// ratio to its limit in the same round.
    pub(crate) fn print(&self) {
        println!(
            "{:<44} {:>12} {:>25}  {:<7} {:<9} {:>11}  device, median of a round",
            "row", "median", "lowest – highest", "unit", "durable", "of limit"
        );
        let mut rows: Vec<&str> = Vec::new();
        for (_, outcome) in &self.outcomes {
            if !rows.contains(&outcome.row.as_str()) {
                rows.push(&outcome.row);
            }
        }
        for row in rows {
            let all: Vec<&(usize, Outcome)> = self
                .outcomes
                .iter()
                .filter(|(_, outcome)| outcome.row == row)
                .collect();
            let Some((_, first)) = all.first() else {
                continue;
            };
            let values: Vec<f64> = all.iter().map(|(_, outcome)| outcome.value).collect();
            let ratios: Vec<f64> = all
                .iter()
                .filter_map(|(round, outcome)| self.ratio(*round, outcome))
                .collect();
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| {
                (low.min(*v), high.max(*v))
            });
            let ratio = match ratios.is_empty() {
                true => String::new(),
                false => format!("{:.2}", median(&ratios)),
            };
            println!(
                "{:<44} {:>12} {:>25}  {:<7} {:<9} {:>11}  {}",
                row,
                figure(median(&values)),
                format!("{} – {}", figure(low), figure(high)),
                first.unit,
                first.durability,
                ratio,
                device(&all),
            );
        }
        println!("\nresults: {}", self.path.display());
    }

    /// What part of its limit an outcome is; for latencies, how many times its limit.
    fn ratio(&self, round: usize, outcome: &Outcome) -> Option<f64> {
        let limit = outcome.limit?;
        let mut outcomes = self.outcomes.iter();
        let (_, limit) = outcomes.find(|(at, other)| *at == round && other.row == limit)?;
        match (outcome.bytes_per_second, limit.bytes_per_second) {
            (Some(ours), Some(most)) => Some(ours / most),
            _ => Some(outcome.value / limit.value),
        }
    }
}

fn device(all: &[&(usize, Outcome)]) -> String {
    let counts: Vec<_> = all
        .iter()
        .filter_map(|(_, outcome)| outcome.device)
        .collect();
    if counts.is_empty() {
        return String::new();
    }
    let of = |field: fn(&crate::device_counts::DeviceCounts) -> u64| {
        median(
            &counts
                .iter()
                .map(|counts| field(counts) as f64)
                .collect::<Vec<_>>(),
        )
    };
    format!(
        "{:.0} writes, {:.0} MB, {:.0} flushes",
        of(|counts| counts.writes),
        of(|counts| counts.bytes) / 1e6,
        of(|counts| counts.flushes)
    )
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Four digits, or all before the point with spaces between thousands.
fn figure(value: f64) -> String {
    if value.abs() < 1000.0 {
        let digits = if value.abs() < 10.0 { 2 } else { 1 };
        return format!("{value:.digits$}");
    }
    let whole = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn figures_are_grouped_by_thousands() {
        assert_eq!(figure(1_234_567.4), "1 234 567");
        assert_eq!(figure(999.94), "999.9");
        assert_eq!(figure(0.5), "0.50");
    }
}
