//! `cargo xtask simulate`: lives of a store on a simulated device, and the bugs that they have to
//! find.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    failure::{self, Failure},
    workspace,
};

const BUGS: &str = "tools/simulation/bugs.toml";
/// Parts of the tree that the simulation is built of.
const PARTS: [&str; 2] = ["engine", "tools/simulation"];
/// Most ends in which a bug has to be found.
const ENDS: &str = "400000";
/// Longest wait for one to be found: a bug may make an engine wait for ever.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs the simulation with `arguments`; with `--bugs` among them, a copy of it for each bug.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(at) = arguments.iter().position(|argument| argument == "--bugs") {
        return bugs(arguments.get(at + 1).map(String::as_str));
    }
    failure::run(
        workspace::cargo()
            .args(["run", "--quiet", "--release", "--package"])
            .args(["millstream-simulation", "--"])
            .args(arguments),
    )
}

/// A change of the source.
#[derive(Debug)]
pub(crate) struct Bug {
    pub(crate) name: String,
    file: PathBuf,
    changes: Vec<(String, String)>,
}

impl Bug {
    /// The file with the bug in it.
    pub(crate) fn plant(&self, root: &Path) -> Result<String, Failure> {
        let path = root.join(&self.file);
        let mut text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
        for (find, replace) in &self.changes {
            if text.matches(find.as_str()).count() != 1 {
                return Err(Failure::Wrong(format!(
                    "{BUGS}: the bug \"{}\" does not fit any more: what it looks for stands not once in {}:\n{find}",
                    self.name,
                    self.file.display()
                )));
            }
            text = text.replace(find, replace);
        }
        Ok(text)
    }
}

/// The bugs in the table.
pub(crate) fn read_bugs(root: &Path) -> Result<Vec<Bug>, Failure> {
    let path = root.join(BUGS);
    let text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Failure::Wrong(format!("{BUGS}: {error}")))?;
    let bugs = table.get("bug").and_then(toml::Value::as_array);
    let bug = |value: &toml::Value| {
        let change = |value: &toml::Value| {
            let part = |key| Some(value.get(key)?.as_str()?.to_owned());
            Some((part("find")?, part("replace")?))
        };
        let also = value.get("also").map(change);
        Some(Bug {
            name: value.get("name")?.as_str()?.to_owned(),
            file: value.get("file")?.as_str()?.into(),
            changes: [Some(change(value)), also]
                .into_iter()
                .flatten()
                .collect::<Option<_>>()?,
        })
    };
    let bugs: Option<Vec<Bug>> = bugs.into_iter().flatten().map(bug).collect();
    bugs.ok_or_else(|| Failure::Wrong(format!("{BUGS}: a bug needs name, file, find and replace")))
}

/// Plants each bug (or the one whose name has `only` in it), and lets the simulation look for it.
fn bugs(only: Option<&str>) -> Result<(), Failure> {
    let root = workspace::root();
    let directory = workspace::target_directory().join("simulation");
    let tree = directory.join("tree");
    let _ = fs::remove_dir_all(&tree);
    for part in PARTS {
        copy(&root.join(part), &tree.join(part)).map_err(Failure::io("copy", &tree))?;
    }
    write_manifest(&root, &tree)?;
    let bugs = read_bugs(&root)?;
    let asked = |bug: &&Bug| only.is_none_or(|only| bug.name.contains(only));
    let (mut found, mut missed) = (0, Vec::new());
    println!("without a bug: {}", look(&tree, &directory)?.1);
    for bug in bugs.iter().filter(asked) {
        let path = tree.join(&bug.file);
        let before = fs::read(&path).map_err(Failure::io("read", &path))?;
        fs::write(&path, bug.plant(&root)?).map_err(Failure::io("write", &path))?;
        let looked = look(&tree, &directory);
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

/// Builds the simulation in `tree` and runs it; whether it has found something, and what it said.
fn look(tree: &Path, directory: &Path) -> Result<(bool, String), Failure> {
    let target = directory.join("target");
    let mut build = Command::new("cargo");
    build
        .current_dir(tree)
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "millstream-simulation",
        ])
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "1")
        .env("RUSTFLAGS", "-Awarnings");
    failure::run(&mut build)?;
    let program = target.join("release/millstream-simulation");
    let mut run = Command::new(&program);
    run.args(["--crashes", ENDS])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = run.spawn().map_err(Failure::io("run", &program))?;
    let io = || Failure::io("wait for", &program);
    while child.try_wait().map_err(io())?.is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().map_err(io())?;
            child.wait().map_err(io())?;
            return Ok((false, "nothing was told in time".into()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().map_err(io())?;
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    let first = |text: &str, word: &str| {
        let line = text.lines().find(|line| line.contains(word));
        line.unwrap_or_default()
            .chars()
            .take(180)
            .collect::<String>()
    };
    let told = format!(
        "{}; {}",
        first(&error, "error:"),
        first(&out, "ends recovered")
    );
    Ok((output.status.code() == Some(1), told))
}

/// The workspace's manifest, with the parts alone.
fn write_manifest(root: &Path, tree: &Path) -> Result<(), Failure> {
    let path = root.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
    let mut manifest: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Failure::Wrong(format!("Cargo.toml: {error}")))?;
    if let Some(workspace) = manifest
        .get_mut("workspace")
        .and_then(toml::Value::as_table_mut)
    {
        let members = ["engine", "engine/format", "tools/simulation"];
        workspace.insert(
            "members".into(),
            members.map(toml::Value::from).to_vec().into(),
        );
        workspace.remove("default-members");
        workspace.remove("exclude");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_fits_the_source() {
        let root = workspace::root();
        let bugs = read_bugs(&root).unwrap();
        assert!(bugs.len() >= 15);
        for bug in bugs {
            let whole = fs::read_to_string(root.join(&bug.file)).unwrap();
            assert_ne!(bug.plant(&root).unwrap(), whole, "{}", bug.name);
        }
    }
}
