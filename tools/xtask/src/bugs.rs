//! Deliberate bugs: a table of changes of the source, planted one after the other in a copy of the
//! tree. What is to find bugs of their kind is let loose on each.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::{failure::Failure, workspace};

/// A change of the source.
#[derive(Debug)]
pub(crate) struct Bug {
    pub(crate) name: String,
    /// What has to find it, where the table says so.
    pub(crate) found_by: Option<String>,
    file: PathBuf,
    changes: Vec<(String, String)>,
}

impl Bug {
    /// The file with the bug in it.
    fn plant(&self, root: &Path) -> Result<String, Failure> {
        let path = root.join(&self.file);
        let mut text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
        for (find, replace) in &self.changes {
            if text.matches(find.as_str()).count() != 1 {
                return Err(Failure::Wrong(format!(
                    "the bug \"{}\" does not fit any more: what it looks for stands not once in {}:\n{find}",
                    self.name,
                    self.file.display()
                )));
            }
            text = text.replace(find, replace);
        }
        Ok(text)
    }
}

/// The bugs in a table.
fn read(table: &str) -> Result<Vec<Bug>, Failure> {
    let path = workspace::root().join(table);
    let text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
    let entries: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Failure::Wrong(format!("{table}: {error}")))?;
    let entries = entries.get("bug").and_then(toml::Value::as_array);
    let bug = |value: &toml::Value| {
        let change = |value: &toml::Value| {
            let part = |key| Some(value.get(key)?.as_str()?.to_owned());
            Some((part("find")?, part("replace")?))
        };
        let also = value.get("also").map(change);
        let found_by = value.get("found_by").and_then(toml::Value::as_str);
        Some(Bug {
            name: value.get("name")?.as_str()?.to_owned(),
            found_by: found_by.map(str::to_owned),
            file: value.get("file")?.as_str()?.into(),
            changes: [Some(change(value)), also]
                .into_iter()
                .flatten()
                .collect::<Option<_>>()?,
        })
    };
    let bugs: Option<Vec<Bug>> = entries.into_iter().flatten().map(bug).collect();
    bugs.ok_or_else(|| Failure::Wrong(format!("{table}: a bug needs name, file, find and replace")))
}

/// Plants each bug of a table (or those whose name has `only` in it) in `tree`, and fails unless
/// `look` finds all of them: it tells whether it has, and what it saw.
pub(crate) fn plant_each(
    table: &str,
    only: Option<&str>,
    tree: &Path,
    look: impl Fn(&Bug) -> Result<(bool, String), Failure>,
) -> Result<(), Failure> {
    let root = workspace::root();
    let bugs = read(table)?;
    let asked = |bug: &&Bug| only.is_none_or(|only| bug.name.contains(only));
    let (mut found, mut missed) = (0, Vec::new());
    for bug in bugs.iter().filter(asked) {
        let path = tree.join(&bug.file);
        let before = fs::read(&path).map_err(Failure::io("read", &path))?;
        fs::write(&path, bug.plant(&root)?).map_err(Failure::io("write", &path))?;
        let looked = look(bug);
        fs::write(&path, before).map_err(Failure::io("write", &path))?;
        let (is_found, told) = looked?;
        if is_found {
            found += 1;
            println!("found   {}\n        {told}", bug.name);
        } else {
            println!("MISSED  {}\n        {told}", bug.name);
            missed.push(bug.name.as_str());
        }
    }
    println!("{found} of {} bugs found", found + missed.len());
    match missed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Wrong(format!("not found: {}", missed.join("; ")))),
    }
}

/// Copies parts of the workspace to a tree in `directory` that can be built by itself, with
/// `members` as the packages of its workspace.
pub(crate) fn make_tree(
    directory: &Path,
    parts: &[&str],
    members: &[&str],
) -> Result<PathBuf, Failure> {
    let root = workspace::root();
    let tree = directory.join("tree");
    let _ = fs::remove_dir_all(&tree);
    for part in parts {
        copy(&root.join(part), &tree.join(part)).map_err(Failure::io("copy", &tree))?;
    }
    write_manifest(&root, &tree, members)?;
    Ok(tree)
}

/// The workspace's manifest, with the parts alone.
fn write_manifest(root: &Path, tree: &Path, members: &[&str]) -> Result<(), Failure> {
    let path = root.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
    let mut manifest: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Failure::Wrong(format!("Cargo.toml: {error}")))?;
    if let Some(workspace) = manifest
        .get_mut("workspace")
        .and_then(toml::Value::as_table_mut)
    {
        let members: Vec<toml::Value> = members.iter().copied().map(toml::Value::from).collect();
        workspace.insert("members".into(), members.into());
        workspace.remove("default-members");
        // What has a workspace of its own keeps it.
    }
    // Built often and run for seconds.
    let profile = "[release]\nopt-level = 2\nlto = \"off\"\ncodegen-units = 16\ndebug = false\n";
    let profile: Result<toml::Table, _> = profile.parse();
    if let Ok(profile) = profile {
        manifest.insert("profile".into(), profile.into());
    }
    let path = tree.join("Cargo.toml");
    fs::write(&path, manifest.to_string()).map_err(Failure::io("write", &path))?;
    let (from, to) = (root.join("Cargo.lock"), tree.join("Cargo.lock"));
    fs::copy(&from, &to).map_err(Failure::io("copy", &from))?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true if entry.file_name() == "target" => {}
            true => copy(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), &target)?),
        }
    }
    Ok(())
}

/// Runs a program to its end, `None` when it is not there within `patience`: a bug may make an
/// engine wait for ever.
pub(crate) fn output_in_time(
    command: &mut Command,
    patience: Duration,
) -> Result<Option<Output>, Failure> {
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::io("run", &program))?;
    let begun = Instant::now();
    let io = || Failure::io("wait for", &program);
    while child.try_wait().map_err(io())?.is_none() {
        if begun.elapsed() > patience {
            child.kill().map_err(io())?;
            child.wait().map_err(io())?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().map_err(io()).map(Some)
}

/// The first line with `word` in it, if it is not too long to be shown.
pub(crate) fn first_line(text: &str, word: &str) -> String {
    let line = text.lines().find(|line| line.contains(word));
    line.unwrap_or_default().chars().take(180).collect()
}

/// How many bugs a table has, each of which changes the file that it is of.
#[cfg(test)]
pub(crate) fn fit(table: &str) -> usize {
    let root = workspace::root();
    let bugs = read(table).unwrap();
    for bug in &bugs {
        let whole = fs::read_to_string(root.join(&bug.file)).unwrap();
        assert_ne!(bug.plant(&root).unwrap(), whole, "{}", bug.name);
    }
    bugs.len()
}
