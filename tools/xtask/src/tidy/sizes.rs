//! Files stay short enough to be read in one go.

use super::{Finding, Tree};

/// Most lines of a source file.
const MOST_LINES: usize = 600;

/// Files that may be longer: path, most lines, why.
const LONGER: &[(&str, usize, &str)] = &[
    (
        "engine/format/src/batch.rs",
        650,
        "header, body and builder are one layout, and are read together",
    ),
    (
        "engine/src/store.rs",
        700,
        "the public face of the engine, most of it documentation",
    ),
    ("server/src/kinesis/model/choice.rs", 1100, GENERATED),
    ("server/src/kinesis/model/constraint.rs", 900, GENERATED),
    ("server/src/kinesis/model/input.rs", 800, GENERATED),
    ("server/src/kinesis/model/operation.rs", 900, GENERATED),
    ("server/src/kinesis/model/output.rs", 1200, GENERATED),
    ("server/src/kinesis/model/reading.rs", 1700, GENERATED),
    ("server/src/kinesis/model/validation.rs", 1500, GENERATED),
];

/// Why a page of a model is as long as the model makes it.
const GENERATED: &str =
    "written by `cargo xtask kinesis-model`, and read where a name is looked up";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        let longer = LONGER.iter().find(|(path, ..)| *path == source.path);
        let most = longer.map_or(MOST_LINES, |(_, most, _)| *most);
        if source.lines > most {
            findings.push(Finding {
                place: source.path.clone(),
                line: None,
                what: format!(
                    "{} lines, at most {most}: it holds more than one noun",
                    source.lines
                ),
            });
        }
    }
    findings.extend(LONGER.iter().filter_map(|(path, ..)| {
        let gone = !tree.files.iter().any(|file| file == path);
        gone.then(|| Finding {
            place: (*path).to_owned(),
            line: None,
            what: "it is listed as a long file, but is not there".to_owned(),
        })
    }));
    findings
}
