//! Peers, measured by a program of their own: one peer and one row at a time, so that they take
//! turns with ours.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{error::BenchError, figure::PeerValue, rounds::Bench};

/// The program and what it can measure.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    program: PathBuf,
    /// Peer and row.
    pairs: Vec<(String, String)>,
}

impl Peers {
    pub(crate) fn new(program: &Path) -> Result<Peers, BenchError> {
        let mut peers = Peers {
            program: program.to_owned(),
            pairs: Vec::new(),
        };
        let said = peers.run(&["--list"])?;
        peers.pairs = said.lines().map(pair).collect::<Result<Vec<_>, _>>()?;
        // It also lists what it cannot run, and why.
        peers.pairs.retain(|(peer, _)| !peer.is_empty());
        Ok(peers)
    }

    /// Every peer that has the row, one after the other.
    pub(crate) fn measure(&self, bench: &Bench, row: &str) -> Result<Vec<PeerValue>, BenchError> {
        let of_row = self.pairs.iter().filter(|(_, other)| other == row);
        of_row
            .map(|(peer, _)| self.measure_one(bench, peer, row))
            .collect()
    }

    fn measure_one(&self, bench: &Bench, peer: &str, row: &str) -> Result<PeerValue, BenchError> {
        let dir = bench.fresh_dir("peer")?;
        let seconds = seconds(bench.seconds);
        let path = dir.path().to_string_lossy();
        let arguments = [
            "--peer",
            peer,
            "--row",
            row,
            "--seconds",
            &seconds,
            "--dir",
            &path,
        ];
        let said = self.run(&arguments)?;
        let line: Value = parse(&said)?;
        let Some(value) = line.get("value").and_then(Value::as_f64) else {
            return Err(BenchError::wrong(format!(
                "{peer}, {row}: no value: {said}"
            )));
        };
        let unit = line.get("unit").and_then(Value::as_str);
        if unit != Some("rec/s") {
            return Err(BenchError::wrong(format!(
                "{peer}, {row}: {unit:?}: {said}"
            )));
        }
        if line.get("verified") != Some(&Value::Bool(true)) {
            return Err(BenchError::wrong(format!(
                "{peer}, {row}: it did not read back what it wrote: {said}"
            )));
        }
        Ok(PeerValue {
            name: peer.to_owned(),
            value,
            line,
        })
    }

    /// What the program says.
    fn run(&self, arguments: &[&str]) -> Result<String, BenchError> {
        let output = Command::new(&self.program)
            .args(arguments)
            .output()
            .map_err(BenchError::io("start", &self.program))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(BenchError::wrong(format!(
            "{} {}: {}: {said}",
            self.program.display(),
            arguments.join(" "),
            output.status,
        )))
    }
}

/// Peer and row of a line of the list; the peer is empty where it cannot run.
fn pair(line: &str) -> Result<(String, String), BenchError> {
    let line: Value = parse(line)?;
    let text = |key| line.get(key).and_then(Value::as_str).unwrap_or_default();
    let runs = line.get("runs") != Some(&Value::Bool(false));
    let peer = if runs { text("peer") } else { "" };
    Ok((peer.to_owned(), text("row").to_owned()))
}

fn parse(text: &str) -> Result<Value, BenchError> {
    serde_json::from_str(text)
        .map_err(|error| BenchError::wrong(format!("the peers' program said '{text}': {error}")))
}

fn seconds(time: Duration) -> String {
    time.as_secs_f64().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_cannot_run_have_no_peer() {
        let runs = pair(r#"{"peer":"redb","row":"ingest-1k","runs":true}"#).unwrap();
        assert_eq!(runs, ("redb".to_owned(), "ingest-1k".to_owned()));
        let cannot = pair(r#"{"peer":"redb","row":"x","runs":false,"reason":"why"}"#).unwrap();
        assert_eq!(cannot.0, "");
        assert!(pair("no JSON").is_err());
    }
}
