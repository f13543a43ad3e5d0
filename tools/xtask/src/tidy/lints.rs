//! Every package takes the workspace's lints, or sets its own as strictly.

use super::{Finding, Tree};

/// The packages whose `unsafe_code` is not forbidden, because `forbid` cannot be lifted for one
/// module: they deny it.
const DENY_UNSAFE: &[&str] = &["millstream-engine", "millstream-format"];

/// What a package with lints of its own has to deny at least.
const CLIPPY: &[&str] = &[
    "unwrap_used",
    "expect_used",
    "panic",
    "todo",
    "unimplemented",
    "dbg_macro",
    "print_stdout",
    "print_stderr",
    "undocumented_unsafe_blocks",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        let mut wrong = |what: String| {
            findings.push(Finding {
                place: package.directory.join("Cargo.toml").display().to_string(),
                line: None,
                what,
            });
        };
        let lints = package.manifest.get("lints");
        let inherited = lints.and_then(|lints| lints.get("workspace"));
        if inherited.and_then(toml::Value::as_bool) == Some(true) {
            continue;
        }
        let Some(lints) = lints.filter(|_| DENY_UNSAFE.contains(&package.name.as_str())) else {
            wrong("it needs `[lints] workspace = true`".to_owned());
            continue;
        };
        let level = |tool: &str, lint: &str| lints.get(tool)?.get(lint)?.as_str();
        if level("rust", "unsafe_code") != Some("deny") {
            wrong("its lints must deny unsafe_code".to_owned());
        }
        for lint in CLIPPY {
            if level("clippy", lint) != Some("deny") {
                wrong(format!("its lints must deny clippy's {lint}"));
            }
        }
    }
    findings
}
