//! `cargo xtask tidy`: the rules of the house that a compiler does not know. Each rule is a
//! function from the tree to what is wrong in it; the tests run them over this very tree.

mod documents;
mod doors;
mod lints;
mod names;
mod seams;
mod sizes;
mod source;
mod unsafe_code;

use std::{fmt, fs, path::Path};

use crate::{
    failure::Failure,
    workspace::{self, Package},
};
use source::Source;

/// What the rules look at.
#[derive(Debug)]
struct Tree {
    packages: Vec<Package>,
    sources: Vec<Source>,
    /// Markdown files of the project: path relative to the root, text.
    documents: Vec<(String, String)>,
    /// Every file, relative to the root.
    files: Vec<String>,
}

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// File or package.
    place: String,
    /// Line from 1, where one is to blame.
    line: Option<usize>,
    /// What is wrong, and what would do.
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.what),
            None => write!(f, "{}: {}", self.place, self.what),
        }
    }
}

const RULES: &[fn(&Tree) -> Vec<Finding>] = &[
    doors::check,
    seams::check,
    unsafe_code::check,
    lints::check,
    sizes::check,
    names::check,
    documents::check,
];

/// Checks the workspace; an error lists what breaks a rule.
pub(crate) fn run() -> Result<(), Failure> {
    let tree = Tree::read(&workspace::root())?;
    let findings: Vec<String> = RULES
        .iter()
        .flat_map(|rule| rule(&tree))
        .map(|finding| finding.to_string())
        .collect();
    if findings.is_empty() {
        println!("tidy: {} source files", tree.sources.len());
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "not tidy:\n{}",
        findings.join("\n")
    )))
}

impl Tree {
    fn read(root: &Path) -> Result<Tree, Failure> {
        let mut files = Vec::new();
        walk(root, root, &mut files)?;
        files.sort();
        let read = |file: &String| {
            let path = root.join(file);
            let text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
            Ok((file.clone(), text))
        };
        let ending = |end: &'static str| files.iter().filter(move |file| file.ends_with(end));
        let sources = ending(".rs")
            .map(|file| read(file).map(|(path, text)| Source::new(path, &text)))
            .collect::<Result<_, Failure>>()?;
        let documents = ending(".md").map(read).collect::<Result<_, Failure>>()?;
        Ok(Tree {
            packages: workspace::packages(root)?,
            sources,
            documents,
            files,
        })
    }
}

/// What the project's own files are not in: build output, stores, what the fuzzer found.
const NOT_OURS: &[&str] = &[
    "target",
    "millstream-data",
    "corpus",
    "artifacts",
    "node_modules",
];

fn walk(root: &Path, directory: &Path, files: &mut Vec<String>) -> Result<(), Failure> {
    let failed = |source| Failure::io("list", directory)(source);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            if !NOT_OURS.contains(&name) && !name.starts_with('.') {
                walk(root, &entry.path(), files)?;
            }
        } else if kind.is_file()
            && let Ok(relative) = entry.path().strip_prefix(root)
        {
            files.push(relative.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
