//! The table of faults in `docs/DURABILITY.md` names tests that exist.
#![allow(clippy::unwrap_used)] // a test may

use std::path::Path;

/// Names of the functions in all Rust files below `dir`.
fn functions(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|after| {
                let (name, _) = after.split_once('(')?;
                Some(name.to_owned())
            });
            found.extend(names);
        }
    }
}

#[test]
fn the_table_of_faults_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut known = Vec::new();
    for part in ["engine", "server", "tools"] {
        functions(&root.join(part), &mut known);
    }
    let document = std::fs::read_to_string(root.join("docs/DURABILITY.md")).unwrap();
    let (_, table) = document.split_once("| shown by |").unwrap();
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            assert!(known.iter().any(|known| known == name), "no test {name}");
            named += 1;
        }
    }
    assert!(named >= 30, "{named} names: the table was not understood");
}
