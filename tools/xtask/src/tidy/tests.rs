use std::path::PathBuf;

use super::*;

/// A tree that breaks no rule but the one under test.
fn tree(files: &[(&str, &str)]) -> Tree {
    Tree {
        packages: Vec::new(),
        sources: files
            .iter()
            .filter(|(path, _)| path.ends_with(".rs"))
            .map(|(path, text)| Source::new((*path).to_owned(), text))
            .collect(),
        documents: files
            .iter()
            .filter(|(path, _)| path.ends_with(".md"))
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect(),
        files: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
    }
}

fn package(name: &str, manifest: &str) -> Package {
    Package {
        name: name.to_owned(),
        directory: PathBuf::from("here"),
        manifest: manifest.parse().unwrap(),
    }
}

fn packages(all: Vec<Package>) -> Tree {
    Tree {
        packages: all,
        ..tree(&[])
    }
}

fn said(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn this_workspace_is_tidy() {
    let tree = Tree::read(&workspace::root()).unwrap();
    assert!(tree.sources.len() > 20, "the tree was not found");
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    assert!(findings.is_empty(), "not tidy:\n{}", said(&findings));
}

#[test]
fn a_dependency_the_wrong_way_is_found() {
    let engine = |manifest| {
        packages(vec![
            package("millstream-engine", manifest),
            package("millstream-format", ""),
            package("millstream-server", ""),
        ])
    };
    let right = engine(
        "[dependencies]\nmillstream-format.workspace = true\n[dev-dependencies]\nproptest = '1'",
    );
    assert_eq!(doors::check(&right), []);
    for wrong in [
        "[dependencies]\nmillstream-server.workspace = true",
        "[build-dependencies]\nmillstream-server = '1'",
        "[dev-dependencies]\nmillstream-server = '1'",
        "[target.'cfg(unix)'.dependencies]\nmillstream-server = '1'",
        "[dependencies]\nserver = { package = 'millstream-server', path = '../server' }",
        "[dependencies]\ntokio = '1'",
        "[target.'cfg(unix)'.dev-dependencies]\ntokio.workspace = true",
    ] {
        let findings = doors::check(&engine(wrong));
        assert_eq!(findings.len(), 1, "{wrong}");
        assert_eq!(findings[0].place, "millstream-engine");
    }
}

#[test]
fn a_package_without_a_door_is_found() {
    let findings = doors::check(&packages(vec![package("millstream-cellar", "")]));
    assert!(said(&findings).contains("has no door"), "{findings:?}");
}

#[test]
fn the_clock_and_the_files_are_called_in_one_place() {
    let text = "fn f() { let t = std::time::Instant::now(); std::fs::read(p) }";
    let found = |path| seams::check(&tree(&[(path, text)])).len();
    assert_eq!(found("engine/src/shard/mod.rs"), 2);
    assert_eq!(found("engine/src/clock.rs"), 1);
    assert_eq!(found("engine/src/io/portable.rs"), 0);
    assert_eq!(found("engine/src/shard/tests.rs"), 0);
    assert_eq!(found("engine/tests/crash.rs"), 0);
    assert_eq!(found("server/src/main.rs"), 0);
}

#[test]
fn unsafe_code_outside_its_places_is_found() {
    let text = "fn f() {\n    unsafe { g() }\n}";
    for path in [
        "engine/src/io/uring.rs",
        "engine/format/src/hash_key/lanes.rs",
    ] {
        assert_eq!(unsafe_code::check(&tree(&[(path, text)])), []);
    }
    for path in [
        "engine/src/shard/mod.rs",
        "engine/src/io.rs",
        "engine/format/src/hash_key.rs",
        "engine/format/src/hash_key/lanes.rs.rs",
        "engine/format/src/hash_key/lanes/avx512.rs",
        "engine/tests/a.rs",
        "benches/src/main.rs",
    ] {
        let findings = unsafe_code::check(&tree(&[(path, text)]));
        assert_eq!(findings.len(), 1, "{path}");
        assert_eq!(findings[0].line, Some(2));
    }
    let allowed = "#![allow(unsafe_code)]";
    assert_eq!(
        unsafe_code::check(&tree(&[("server/src/lib.rs", allowed)])).len(),
        1
    );
    let words = "// unsafe\nlet s = \"unsafe\";\n#![forbid(unsafe_code)]";
    assert_eq!(
        unsafe_code::check(&tree(&[("server/src/lib.rs", words)])),
        []
    );
}

#[test]
fn a_package_without_lints_is_found() {
    let found = |name, manifest| lints::check(&packages(vec![package(name, manifest)])).len();
    assert_eq!(found("millstream-server", "[lints]\nworkspace = true"), 0);
    assert_eq!(found("millstream-server", ""), 1);
    assert_eq!(found("millstream-server", "[lints]\nworkspace = false"), 1);
    assert_eq!(
        found("millstream-server", "[lints.rust]\nunsafe_code = 'deny'"),
        1
    );
    // The engine and the format may have their own, but they have to be as strict.
    for name in ["millstream-engine", "millstream-format"] {
        assert_eq!(found(name, "[lints.rust]\nunsafe_code = 'deny'"), 9);
        assert_eq!(found(name, ""), 1);
    }
}

#[test]
fn a_long_file_is_found() {
    let found = |path, count| {
        let findings = sizes::check(&tree(&[(path, &"x\n".repeat(count))]));
        findings
            .iter()
            .filter(|finding| finding.place == path)
            .count()
    };
    assert_eq!(found("server/src/put.rs", 600), 0);
    assert_eq!(found("server/src/put.rs", 601), 1);
    // A listed file has a limit of its own.
    assert_eq!(found("engine/src/store.rs", 601), 0);
    assert_eq!(found("engine/src/store.rs", 701), 1);
}

#[test]
fn a_name_that_says_nothing_is_found() {
    for path in [
        "server/src/utils.rs",
        "tools/cli/src/Helpers.rs",
        "server/src/common/mod.rs",
    ] {
        assert_eq!(names::check(&tree(&[(path, "")])).len(), 1, "{path}");
    }
    assert_eq!(
        names::check(&tree(&[("server/src/commonplace.rs", "")])),
        []
    );
}

#[test]
fn a_missing_document_and_a_dead_link_are_found() {
    let missing = documents::check(&tree(&[]));
    assert!(
        said(&missing).contains("docs/FORMAT.md: it is promised"),
        "{missing:?}"
    );
    let text = "[a](FORMAT.md#x) [b](../README.md) [c](https://x.y) [d](#here)\n\
                [e](GONE.md) [f](../../out.md) [g](../engine/src)\n\
                ```\n[h](GONE.md)\n```\n";
    let tree = tree(&[
        ("docs/HACKING.md", text),
        ("docs/FORMAT.md", ""),
        ("README.md", ""),
        ("engine/src/lib.rs", ""),
    ]);
    let dead: Vec<String> = documents::check(&tree)
        .iter()
        .filter(|finding| finding.line.is_some())
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        dead,
        [
            "docs/HACKING.md:2: its link to 'GONE.md' leads nowhere",
            "docs/HACKING.md:2: its link to '../../out.md' leads nowhere",
        ]
    );
}
