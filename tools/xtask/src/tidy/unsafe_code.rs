//! `unsafe` lives in one room, so that there is one room to audit.

use super::{Finding, Tree};

const ROOM: &str = "engine/src/io/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let outside = tree
        .sources
        .iter()
        .filter(|source| !source.path.starts_with(ROOM));
    let mut findings = Vec::new();
    for source in outside {
        findings.extend(source.lines_with("unsafe").map(|line| Finding {
            place: source.path.clone(),
            line: Some(line),
            what: format!("unsafe code belongs in {ROOM}, behind a safe interface"),
        }));
        for (index, line) in source.code.lines().enumerate() {
            let allowed = ["allow(unsafe_code", "expect(unsafe_code"];
            if allowed.iter().any(|attribute| line.contains(attribute)) {
                findings.push(Finding {
                    place: source.path.clone(),
                    line: Some(index + 1),
                    what: format!("unsafe code is allowed in {ROOM} only"),
                });
            }
        }
    }
    findings
}
