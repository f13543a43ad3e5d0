//! What a fuzzer says of itself, as figures.

use std::{fmt::Write as _, path::PathBuf};

/// What came of fuzzing a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) target: String,
    /// With the time that building took.
    pub(super) seconds: u64,
    pub(super) executions: u64,
    /// Executions in a second, as the fuzzer counts them.
    pub(super) rate: u64,
    /// Edges reached, and features: edges by how often they were passed.
    pub(super) edges: u64,
    pub(super) features: u64,
    /// Inputs that reach something of their own.
    pub(super) corpus: u64,
    pub(super) findings: Vec<PathBuf>,
    pub(super) failed: bool,
}

impl Figures {
    pub(super) fn of(target: &str) -> Figures {
        Figures {
            target: target.to_owned(),
            ..Figures::default()
        }
    }

    /// The figures of several fuzzers that shared a corpus.
    pub(super) fn together(target: &str, each: &[Figures]) -> Figures {
        let most = |of: fn(&Figures) -> u64| each.iter().map(of).max().unwrap_or(0);
        Figures {
            seconds: most(|f| f.seconds),
            executions: each.iter().map(|f| f.executions).sum(),
            rate: each.iter().map(|f| f.rate).sum(),
            edges: most(|f| f.edges),
            features: most(|f| f.features),
            corpus: most(|f| f.corpus),
            failed: each.iter().any(|f| f.failed),
            ..Figures::of(target)
        }
    }

    /// Takes what is in a line of libFuzzer's.
    pub(super) fn hear(&mut self, line: &str) {
        let number = |text: &str| {
            let digits = text.split(|letter: char| !letter.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok())
        };
        let after = |name: &str| {
            let (_, rest) = line.split_once(name)?;
            number(rest.trim_start())
        };
        if let Some(rest) = line.strip_prefix('#') {
            self.executions = number(rest).unwrap_or(self.executions);
            self.rate = after("exec/s:").unwrap_or(self.rate);
            self.edges = after("cov:").unwrap_or(self.edges);
            self.features = after("ft:").unwrap_or(self.features);
            self.corpus = after("corp:").unwrap_or(self.corpus);
        }
        if line.starts_with("stat::") {
            self.executions = after("number_of_executed_units:").unwrap_or(self.executions);
            self.rate = after("average_exec_per_sec:").unwrap_or(self.rate);
        }
    }
}

/// A line for each target, and for each finding.
pub(super) fn table(all: &[Figures]) -> String {
    let mut table = format!(
        "{:<18} {:>7} {:>11} {:>8} {:>7} {:>8} {:>7}  {}",
        "target", "seconds", "executions", "exec/s", "cov", "ft", "corpus", "findings"
    );
    for figures in all {
        let findings = match (figures.failed, figures.findings.len()) {
            (true, 0) => "failed".to_owned(),
            (_, count) => count.to_string(),
        };
        let _ = write!(
            table,
            "\n{:<18} {:>7} {:>11} {:>8} {:>7} {:>8} {:>7}  {findings}",
            figures.target,
            figures.seconds,
            figures.executions,
            figures.rate,
            figures.edges,
            figures.features,
            figures.corpus,
        );
    }
    for finding in all.iter().flat_map(|figures| &figures.findings) {
        let _ = write!(table, "\nfound: {}", finding.display());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fuzzer_is_understood_alone_and_beside_another() {
        let mut alone = Figures::of("t");
        alone
            .hear("#524\tNEW    cov: 77 ft: 285 corp: 40/4Kb lim: 15 exec/s: 105 rss: 51Mb L: 1/2");
        alone.hear("Done 900 runs in 4 second(s)");
        alone.hear("stat::number_of_executed_units: 900");
        alone.hear("stat::average_exec_per_sec:     225");
        let (edges, features) = (77, 285);
        let expected = Figures {
            executions: 900,
            rate: 225,
            edges,
            features,
            corpus: 40,
            ..Figures::of("t")
        };
        assert_eq!(alone, expected);
        let other = Figures {
            executions: 100,
            rate: 25,
            edges: 80,
            failed: true,
            ..Figures::of("t")
        };
        let together = Figures {
            executions: 1000,
            rate: 250,
            edges: 80,
            failed: true,
            ..expected.clone()
        };
        assert_eq!(Figures::together("t", &[alone, other]), together);
    }
}
