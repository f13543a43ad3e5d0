//! Results: rounds as JSON lines as they come, and at the end the figures, one a line, as a table
//! and as drawings.

mod table;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    error::BenchError,
    figure::{Curve, Figure, Outcome},
    machine,
    rounds::Bench,
};

/// All outcomes of a run.
#[derive(Debug)]
pub(crate) struct Report {
    directory: PathBuf,
    /// What was measured: the first word of the names of files.
    what: &'static str,
    raw: Lines,
    outcomes: Vec<Outcome>,
}

impl Report {
    pub(crate) fn new(
        bench: &Bench,
        directory: &Path,
        what: &'static str,
    ) -> Result<Report, BenchError> {
        fs::create_dir_all(directory).map_err(BenchError::io("make", directory))?;
        let mut raw = Lines::create(directory.join(format!("{what}-raw.jsonl")))?;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH);
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        raw.write(&json!({
            "kind": "run",
            "time": seconds.map_or(0, |since| since.as_secs()),
            "arguments": arguments,
            "seconds_per_window": bench.seconds.as_secs_f64(),
            "machine": machine::describe(bench.root()),
        }))?;
        Ok(Report {
            directory: directory.to_owned(),
            what,
            raw,
            outcomes: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, round: usize, outcome: Outcome) -> Result<(), BenchError> {
        self.raw.write(&outcome.line(round))?;
        self.outcomes.push(outcome);
        Ok(())
    }

    /// Writes and prints the figures, in the order in which they were first measured.
    pub(crate) fn finish(&self) -> Result<Vec<Figure>, BenchError> {
        let mut names: Vec<&str> = Vec::new();
        for outcome in &self.outcomes {
            if !names.contains(&outcome.figure.as_str()) {
                names.push(&outcome.figure);
            }
        }
        let figures: Vec<Figure> = names
            .into_iter()
            .filter_map(|name| {
                let outcomes = self.outcomes.iter();
                let of_figure: Vec<_> = outcomes.filter(|outcome| outcome.figure == name).collect();
                Figure::of(&of_figure)
            })
            .collect();
        let mut lines = Lines::create(self.directory.join(format!("{}.jsonl", self.what)))?;
        for figure in &figures {
            lines.write(&figure.line())?;
        }
        table::print(&figures);
        println!("\n{}\n{}", lines.path.display(), self.raw.path.display());
        Ok(figures)
    }

    /// The latencies of all rounds, by name.
    pub(crate) fn curves(&self) -> Result<Vec<Curve>, BenchError> {
        let mut curves: Vec<Curve> = Vec::new();
        for curve in self.outcomes.iter().flat_map(|outcome| &outcome.curves) {
            match curves.iter_mut().find(|known| known.name == curve.name) {
                Some(known) => known
                    .latencies
                    .add(&curve.latencies)
                    .map_err(|error| BenchError::wrong(format!("histogram: {error}")))?,
                None => curves.push(curve.clone()),
            }
        }
        Ok(curves)
    }
}

/// A file of JSON lines.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    fn create(path: PathBuf) -> Result<Lines, BenchError> {
        let file = File::create(&path).map_err(BenchError::io("make", &path))?;
        Ok(Lines { path, file })
    }

    fn write(&mut self, value: &Value) -> Result<(), BenchError> {
        writeln!(self.file, "{value}").map_err(BenchError::io("write", &self.path))
    }
}
