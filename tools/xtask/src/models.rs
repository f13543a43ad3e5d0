//! `cargo xtask models`: the engine under every interleaving of its threads that a scheduler comes
//! to. `engine/models` is a workspace of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use crate::{
    bugs,
    failure::{self, Failure},
    workspace,
};

const MANIFEST: &str = "engine/models/Cargo.toml";
/// What the package of the models takes its orders from.
const RUNS: &str = "MILLSTREAM_MODEL_RUNS";
const SEED: &str = "MILLSTREAM_MODEL_SEED";
const SCHEDULE: &str = "MILLSTREAM_MODEL_SCHEDULE";
/// How shuttle begins the line that says where the schedule of a run that failed is.
const PERSISTED: &str = "failing schedule persisted to file: ";
/// What stands in the line that says which run it was.
const FAILED: &str = "that failed";
const BUGS: &str = "engine/models/bugs.toml";
/// Runs in which a bug has to be found.
const BUG_RUNS: usize = 20_000;
/// Longest wait for one to be found.
const PATIENCE: Duration = Duration::from_secs(180);
/// Longest schedule that is shown, in bytes; one that is longer is in its file only.
const SHOWN: usize = 4000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask models                                      every model, for seconds
  cargo xtask models --iterations 200000 endings          those with `endings` in their name, for long
  cargo xtask models NAME --replay target/models/FILE     the run that failed, again")]
pub(crate) struct Arguments {
    /// Models with this in their name; without it all
    name: Option<String>,
    /// Runs of each model, half of them under each of two schedulers
    #[arg(long, default_value_t = 500)]
    iterations: usize,
    /// Chooses the schedules; the same seed gives the same runs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run the schedule in FILE again, with the traces of every thread, and no other
    #[arg(long, value_name = "FILE", requires = "name")]
    replay: Option<PathBuf>,
    /// Name the models, and run none
    #[arg(long)]
    list: bool,
    /// Plant deliberate bugs in a copy of the engine (those with NAME in their name), and fail
    /// unless the models find all of them
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["name", "replay", "list"])]
    bugs: Option<Option<String>>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(only) = &arguments.bugs {
        return look_for_bugs(only.as_deref(), arguments);
    }
    failure::run(test(&[]).arg("--no-run"))?;
    let all = names()?;
    let asked = |name: &&String| {
        let part = arguments.name.as_deref();
        part.is_none_or(|part| name.contains(part))
    };
    let chosen: Vec<&String> = all.iter().filter(asked).collect();
    if chosen.is_empty() || arguments.list {
        println!("{}", all.join("\n"));
        return match chosen.is_empty() {
            true => Err(Failure::Wrong(
                "no such model; there are those above".into(),
            )),
            false => Ok(()),
        };
    }
    if let Some(schedule) = &arguments.replay {
        return replay(&chosen, schedule);
    }
    let begun = Instant::now();
    let mut failed = Vec::new();
    for name in &chosen {
        if !search(name, arguments)? {
            failed.push(name.as_str());
        }
    }
    let runs = arguments.iterations;
    println!(
        "{} models, {runs} runs of each, {:.1} s",
        chosen.len(),
        begun.elapsed().as_secs_f64()
    );
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Wrong(format!("it fails: {}", failed.join(", ")))),
    }
}

/// The tests that the models are, with `arguments` for their harness.
fn test(arguments: &[&str]) -> Command {
    test_in(&workspace::root(), &target(), arguments)
}

fn test_in(root: &Path, target: &Path, arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command
        .args(["test", "--quiet", "--locked", "--manifest-path"])
        .arg(root.join(MANIFEST))
        .args(["--test", "models", "--target-dir"])
        .arg(target);
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    command
}

fn target() -> PathBuf {
    workspace::target_directory().join("models")
}

fn output(command: &mut Command) -> Result<Output, Failure> {
    let program = command.get_program().to_owned();
    command.output().map_err(Failure::io("start", program))
}

/// The models, by the names of their tests.
fn names() -> Result<Vec<String>, Failure> {
    let listed = output(&mut test(&["--list"]))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

/// Runs a model again and again; whether nothing was found.
fn search(name: &str, arguments: &Arguments) -> Result<bool, Failure> {
    let begun = Instant::now();
    // Alone in its process, and shown as it is: what a run has said last is why it failed.
    let mut command = test(&["--exact", name, "--nocapture"]);
    command
        .env(RUNS, arguments.iterations.to_string())
        .env(SEED, arguments.seed.to_string())
        .env("RUST_BACKTRACE", "0");
    let output = output(&mut command)?;
    let seconds = begun.elapsed().as_secs_f64();
    if output.status.success() {
        println!("held    {seconds:6.1} s  {name}");
        return Ok(true);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("FAILED  {seconds:6.1} s  {name}\n{}", said.trim_end());
    if let Some(schedule) = said.lines().find_map(|line| line.strip_prefix(PERSISTED)) {
        tell(name, Path::new(schedule))?;
    }
    Ok(false)
}

/// Shows the schedule of a run that failed, and how to run it again.
fn tell(name: &str, persisted: &Path) -> Result<(), Failure> {
    let schedule = fs::read_to_string(persisted).map_err(Failure::io("read", persisted))?;
    // Numbered files say nothing; the next failure of the model takes this one's place.
    let kept = target().join(format!("{}.schedule", name.replace("::", "-")));
    fs::rename(persisted, &kept).map_err(Failure::io("keep", &kept))?;
    if schedule.len() <= SHOWN {
        println!("schedule: {}", schedule.trim());
    }
    println!(
        "again:    cargo xtask models {name} --replay {}",
        kept.display()
    );
    Ok(())
}

fn replay(chosen: &[&String], schedule: &Path) -> Result<(), Failure> {
    let [name] = chosen else {
        return Err(Failure::Wrong(
            "a schedule is one of one model: say the whole of its name".into(),
        ));
    };
    let here = env::current_dir().map_err(Failure::io("find", schedule))?;
    let schedule = here.join(schedule);
    let mut command = test(&["--exact", name, "--nocapture"]);
    command
        .env(SCHEDULE, schedule)
        .env("RUST_BACKTRACE", "1")
        .env("SHUTTLE_CAPTURE_BACKTRACE", "1");
    failure::run(&mut command)
}

/// Plants each bug (or the one whose name has `only` in it), and lets its model look for it.
fn look_for_bugs(only: Option<&str>, arguments: &Arguments) -> Result<(), Failure> {
    let directory = target().join("bugs");
    let tree = bugs::make_tree(&directory, &["engine"], &["engine", "engine/format"])?;
    bugs::plant_each(BUGS, only, &tree, |bug| {
        let model = bug.found_by.as_deref().unwrap_or_default();
        let test = |arguments: &[&str]| {
            let mut command = test_in(&tree, &directory.join("target"), arguments);
            command
                .env("RUSTFLAGS", "-Awarnings")
                .env("CARGO_INCREMENTAL", "1");
            command
        };
        failure::run(test(&[]).arg("--no-run"))?;
        let mut run = test(&["--exact", model, "--nocapture"]);
        run.env(RUNS, BUG_RUNS.max(arguments.iterations).to_string())
            .env(SEED, arguments.seed.to_string())
            .env("RUST_BACKTRACE", "0");
        let Some(output) = bugs::output_in_time(&mut run, PATIENCE)? else {
            return Ok((false, format!("{model}: nothing was told in time")));
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut told = said
            .lines()
            .skip_while(|line| !line.contains("panicked at"));
        let told = told.nth(1).unwrap_or_default();
        let told: String = told.chars().take(120).collect();
        let run = bugs::first_line(&said, FAILED);
        Ok((!run.is_empty(), format!("{model}: {run}: {told}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_fits_the_source() {
        assert!(bugs::fit(BUGS) >= 18);
    }
}
