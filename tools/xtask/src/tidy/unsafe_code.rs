//! `unsafe` lives in few places, so that there is little to audit.

use super::{Finding, Tree};

/// The room that talks to the kernel, and the three files of vector code: only a call can say that the
/// processor has what the code was compiled for.
const PLACES: &[&str] = &[
    "engine/src/io/",
    "engine/format/src/base64.rs",
    "engine/format/src/checksum/folding.rs",
    "engine/format/src/hash_key/lanes.rs",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let is_outside = |path: &str| {
        let is_in =
            |place: &&str| path == *place || place.ends_with('/') && path.starts_with(*place);
        !PLACES.iter().any(is_in)
    };
    let places = PLACES.join(" or ");
    let outside = tree
        .sources
        .iter()
        .filter(|source| is_outside(&source.path));
    let mut findings = Vec::new();
    for source in outside {
        findings.extend(source.lines_with("unsafe").map(|line| Finding {
            place: source.path.clone(),
            line: Some(line),
            what: format!("unsafe code belongs in {places}, behind a safe interface"),
        }));
        for (index, line) in source.code.lines().enumerate() {
            let allowed = ["allow(unsafe_code", "expect(unsafe_code"];
            if allowed.iter().any(|attribute| line.contains(attribute)) {
                findings.push(Finding {
                    place: source.path.clone(),
                    line: Some(index + 1),
                    what: format!("unsafe code is allowed in {places} only"),
                });
            }
        }
    }
    findings
}
