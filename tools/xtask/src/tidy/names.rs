//! A file is a noun that says what it holds.

use std::path::Path;

use super::{Finding, Tree};

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "common",
    "commons",
    "helper",
    "helpers",
    "impl",
    "impls",
    "misc",
    "shared",
    "stuff",
    "util",
    "utilities",
    "utils",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        let path = Path::new(&source.path);
        let mut parts = path.with_extension("");
        loop {
            let name = parts
                .file_name()
                .map(|name| name.to_string_lossy().to_lowercase());
            let Some(name) = name else { break };
            if EMPTY_NAMES.contains(&name.as_str()) {
                findings.push(Finding {
                    place: source.path.clone(),
                    line: None,
                    what: format!("'{name}' does not say what it holds"),
                });
            }
            parts.pop();
        }
    }
    findings
}
