//! What the suites said, in one table.

use std::{
    collections::BTreeSet,
    process::Command,
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::operations::OPERATIONS;
use crate::failure::Failure;

/// The last line of a suite.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) cases: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
    /// Operations that were answered with success.
    pub(super) operations: BTreeSet<String>,
}

impl Outcome {
    /// Of a suite that could not be run to its end.
    pub(super) fn broken() -> Outcome {
        Outcome {
            cases: 1,
            failed: 1,
            ..Outcome::default()
        }
    }

    /// Reads `compat: cases=N failed=N skipped=N operations=A,B`; `None` for any other line.
    pub(super) fn parse(line: &str) -> Option<Outcome> {
        let mut outcome = Outcome::default();
        for field in line.strip_prefix("compat: ")?.split(' ') {
            let (name, value) = field.split_once('=')?;
            match name {
                "cases" => outcome.cases = value.parse().ok()?,
                "failed" => outcome.failed = value.parse().ok()?,
                "skipped" => outcome.skipped = value.parse().ok()?,
                "operations" => {
                    let names = value.split(',').filter(|name| !name.is_empty());
                    outcome.operations = names.map(str::to_owned).collect();
                }
                _ => return None,
            }
        }
        Some(outcome)
    }
}

/// A client, and how its suite went.
#[derive(Debug)]
pub(super) struct Row {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

impl Row {
    pub(super) fn new(name: &'static str, outcome: Outcome, took: Duration) -> Row {
        Row {
            name,
            outcome,
            took,
        }
    }
}

/// Prints the table; an error when a case failed, or, where `whole`, an operation was not touched.
pub(super) fn judge(rows: &[Row], whole: bool) -> Result<(), Failure> {
    let mut touched = BTreeSet::new();
    let (mut cases, mut failed, mut skipped) = (0, 0, 0);
    println!();
    println!("client       cases  failed  skipped  operations  seconds");
    for Row {
        name,
        outcome,
        took,
    } in rows
    {
        let classic = outcome.operations.iter().filter(|name| is_classic(name));
        println!(
            "{name:<11} {:>6}  {:>6}  {:>7}  {:>10}  {:>7.0}",
            outcome.cases,
            outcome.failed,
            outcome.skipped,
            classic.count(),
            took.as_secs_f64()
        );
        cases += outcome.cases;
        failed += outcome.failed;
        skipped += outcome.skipped;
        touched.extend(outcome.operations.iter().map(String::as_str));
    }
    for Row { name, outcome, .. } in rows {
        let names: Vec<&str> = outcome.operations.iter().map(String::as_str).collect();
        println!("\n{name} touched {}", names.join(" "));
    }
    let missing: Vec<&str> = OPERATIONS
        .iter()
        .copied()
        .filter(|name| !touched.contains(name))
        .collect();
    let found = OPERATIONS.len() - missing.len();
    println!("\ntogether: {found} of {} operations", OPERATIONS.len());
    if !missing.is_empty() {
        println!("not touched: {}", missing.join(" "));
    }
    println!(
        "{} passed, {failed} failed, {skipped} skipped",
        cases - failed - skipped
    );
    if failed > 0 {
        let named: Vec<&str> = rows
            .iter()
            .filter(|row| row.outcome.failed > 0)
            .map(|row| row.name)
            .collect();
        return Err(Failure::Wrong(format!(
            "{failed} cases failed, of {}; one case alone: cargo xtask compat --only NAME:CASE",
            named.join(", ")
        )));
    }
    if whole && !missing.is_empty() {
        return Err(Failure::Wrong(format!(
            "no suite touched {}",
            missing.join(", ")
        )));
    }
    Ok(())
}

fn is_classic(name: &str) -> bool {
    OPERATIONS.contains(&name)
}

/// Ends a program that takes too long.
#[derive(Debug)]
pub(super) struct Watch {
    ended: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Watch {
    pub(super) fn over(id: u32, patience: Duration) -> Watch {
        let (ended, end) = mpsc::channel();
        let thread = thread::spawn(move || {
            let ran_out = end.recv_timeout(patience).is_err();
            if ran_out {
                // Where it has just ended, there is nothing to kill.
                let _ = Command::new("kill")
                    .args(["-KILL", &id.to_string()])
                    .status();
            }
            ran_out
        });
        Watch { ended, thread }
    }

    /// The program has ended; whether that was because it took too long.
    pub(super) fn end(self) -> bool {
        let _ = self.ended.send(());
        self.thread.join().unwrap_or(false)
    }
}
