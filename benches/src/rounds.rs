//! Rounds: every row in turn, again and again, so that the machine's moods meet all of them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    device_counts::{DeviceCounter, DeviceCounts},
    error::BenchError,
    report::Report,
};

/// What a scenario finds when it runs.
#[derive(Debug)]
pub(crate) struct Bench {
    /// A directory on the device to be measured; scenarios make their own in it.
    root: PathBuf,
    /// How long a throughput is measured.
    pub(crate) seconds: Duration,
    /// The server program.
    pub(crate) server_bin: PathBuf,
    /// Counters of the device under `root`.
    pub(crate) counter: DeviceCounter,
}

impl Bench {
    pub(crate) fn new(
        root: &Path,
        seconds: Duration,
        server_bin: &Path,
    ) -> Result<Bench, BenchError> {
        fs::create_dir_all(root).map_err(BenchError::io("make", root))?;
        Ok(Bench {
            root: root.to_owned(),
            seconds,
            server_bin: server_bin.to_owned(),
            counter: DeviceCounter::of(root)?,
        })
    }

    /// How long a throughput runs before it is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        self.seconds / 5
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// An empty directory that is gone when it is dropped.
    pub(crate) fn fresh_dir(&self, name: &str) -> Result<FreshDir, BenchError> {
        let path = self.root.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(BenchError::io("remove", &path)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&path).map_err(BenchError::io("make", &path))?;
        Ok(FreshDir { path })
    }
}

/// A directory that is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct FreshDir {
    path: PathBuf,
}

impl FreshDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for FreshDir {
    fn drop(&mut self) {
        // What is left lies where the next run removes it.
        let _ = fs::remove_dir_all(&self.path);
        // Discards and journal of the removal belong to this row, not to the next.
        rustix::fs::sync();
    }
}

/// One figure.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Its row.
    pub(crate) row: String,
    /// Unit of `value`.
    pub(crate) unit: &'static str,
    /// The figure.
    pub(crate) value: f64,
    /// What an acknowledgement meant.
    pub(crate) durability: &'static str,
    /// Bytes of record data a second, where the row has a limit in bytes.
    pub(crate) bytes_per_second: Option<f64>,
    /// The row that bounds it.
    pub(crate) limit: Option<&'static str>,
    /// More of it.
    pub(crate) details: Vec<(&'static str, f64)>,
    /// What the device did meanwhile.
    pub(crate) device: Option<DeviceCounts>,
}

impl Outcome {
    pub(crate) fn new(
        row: impl Into<String>,
        unit: &'static str,
        value: f64,
        durability: &'static str,
    ) -> Outcome {
        Outcome {
            row: row.into(),
            unit,
            value,
            durability,
            bytes_per_second: None,
            limit: None,
            details: Vec::new(),
            device: None,
        }
    }

    /// Bytes in a time, in MB/s.
    pub(crate) fn throughput(
        row: impl Into<String>,
        bytes: u64,
        elapsed: Duration,
        durability: &'static str,
    ) -> Outcome {
        let rate = bytes as f64 / elapsed.as_secs_f64();
        let mut outcome = Outcome::new(row, "MB/s", rate / 1e6, durability);
        outcome.bytes_per_second = Some(rate);
        outcome
    }

    pub(crate) fn limited_by(mut self, row: &'static str) -> Outcome {
        self.limit = Some(row);
        self
    }

    pub(crate) fn with_device(mut self, counts: DeviceCounts) -> Outcome {
        self.device = Some(counts);
        self
    }
}

/// Something to be measured once a round.
pub(crate) trait Scenario {
    /// For `--only`.
    fn name(&self) -> &'static str;
    /// A limit is measured whatever `--only` says.
    fn is_limit(&self) -> bool {
        false
    }
    /// Measures once, and checks what it measured.
    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError>;
}

/// Runs the scenarios in turn, a round at a time.
pub(crate) fn run(
    bench: &Bench,
    rounds: usize,
    only: &str,
    mut scenarios: Vec<Box<dyn Scenario>>,
    report: &mut Report,
) -> Result<(), BenchError> {
    let mut names = Vec::new();
    scenarios.retain(|scenario| {
        let name = scenario.name();
        let first = !names.contains(&name);
        names.push(name);
        first && (scenario.is_limit() || name.contains(only))
    });
    for round in 0..rounds {
        for scenario in &mut scenarios {
            eprintln!("round {} of {rounds}: {}", round + 1, scenario.name());
            for outcome in scenario.run(bench)? {
                report.add(round, outcome)?;
            }
        }
    }
    Ok(())
}
