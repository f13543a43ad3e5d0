//! `cargo xtask simulate`: lives of a store on a simulated device, and the bugs that they have to
//! find.

use std::{path::Path, process::Command, time::Duration};

use crate::{
    bugs::{self, first_line},
    failure::{self, Failure},
    workspace,
};

const BUGS: &str = "tools/simulation/bugs.toml";
/// Parts of the tree that the simulation is built of.
const PARTS: [&str; 2] = ["engine", "tools/simulation"];
/// Packages among them.
const MEMBERS: [&str; 3] = ["engine", "engine/format", "tools/simulation"];
/// Most ends in which a bug has to be found.
const ENDS: &str = "400000";
/// Longest wait for one to be found: a bug may make an engine wait for ever.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs the simulation with `arguments`; with `--bugs` among them, a copy of it for each bug.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(at) = arguments.iter().position(|argument| argument == "--bugs") {
        return look_for_bugs(arguments.get(at + 1).map(String::as_str));
    }
    failure::run(
        workspace::cargo()
            .args(["run", "--quiet", "--release", "--package"])
            .args(["millstream-simulation", "--"])
            .args(arguments),
    )
}

/// Plants each bug (or the one whose name has `only` in it), and lets the simulation look for it.
fn look_for_bugs(only: Option<&str>) -> Result<(), Failure> {
    let directory = workspace::target_directory().join("simulation");
    let tree = bugs::make_tree(&directory, &PARTS, &MEMBERS)?;
    println!("without a bug: {}", look(&tree, &directory)?.1);
    bugs::plant_each(BUGS, only, &tree, |_| look(&tree, &directory))
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
    run.args(["--crashes", ENDS]);
    let Some(output) = bugs::output_in_time(&mut run, PATIENCE)? else {
        return Ok((false, "nothing was told in time".into()));
    };
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    let told = format!(
        "{}; {}",
        first_line(&error, "error:"),
        first_line(&out, "ends recovered")
    );
    Ok((output.status.code() == Some(1), told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_fits_the_source() {
        assert!(bugs::fit(BUGS) >= 15);
    }
}
