//! Documents that are promised are there, and so is what they point to.

use std::path::{Component, Path, PathBuf};

use super::{Finding, Tree};

const PROMISED: &[&str] = &[
    "LICENSE",
    "README.md",
    "docs/ARCHITECTURE.md",
    "docs/DURABILITY.md",
    "docs/FORMAT.md",
    "docs/HACKING.md",
    "docs/OPERATING.md",
    "docs/PERFORMANCE.md",
    "docs/PROTOCOL.md",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let there = |path: &str| {
        let inside = format!("{}/", path.trim_end_matches('/'));
        let mut files = tree.files.iter();
        files.any(|file| file == path || file.starts_with(&inside))
    };
    let mut findings = Vec::new();
    for path in PROMISED {
        if !there(path) {
            findings.push(Finding {
                place: (*path).to_owned(),
                line: None,
                what: "it is promised, but not there".to_owned(),
            });
        }
    }
    for (path, text) in &tree.documents {
        for (line, target) in links(text) {
            let target = target.split('#').next().unwrap_or_default();
            let elsewhere =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !resolve(path, target).is_some_and(|target| there(&target)) {
                findings.push(Finding {
                    place: path.clone(),
                    line: Some(line),
                    what: format!("its link to '{target}' leads nowhere"),
                });
            }
        }
    }
    findings
}

/// Targets of the inline links of a Markdown text, with their lines from 1; code blocks are not
/// looked into.
fn links(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut in_code) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for (at, start) in line.match_indices("](") {
            let rest = &line[at + start.len()..];
            if let Some(end) = rest.find(')') {
                found.push((index + 1, &rest[..end]));
            }
        }
    }
    found
}

/// The path from the root that `target` in the document `from` means; `None` outside the root.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut path = PathBuf::from(from);
    path.pop();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path.to_string_lossy().into_owned())
}
