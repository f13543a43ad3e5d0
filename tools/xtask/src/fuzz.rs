//! `cargo xtask fuzz`: the targets of `fuzz/`, without a nightly toolchain.

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::{
    failure::{self, Failure},
    workspace,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One target; without it all, one after the other
    target: Option<String>,
    /// How long to fuzz each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Most memory that a target may take: what it allocates on hostile input has to be bounded.
const MEMORY_MB: u32 = 1024;
/// Longest that one input may take, in seconds.
const TIMEOUT_S: u32 = 10;
/// Largest input that the fuzzer makes.
const MAX_INPUT: u32 = 16 * 1024;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let root = workspace::root();
    let all = targets(&root)?;
    let chosen: Vec<&String> = match &arguments.target {
        None => all.iter().collect(),
        Some(name) => all.iter().filter(|target| *target == name).collect(),
    };
    if chosen.is_empty() {
        let names = all.join(", ");
        return Err(Failure::Wrong(format!(
            "no such target; there are: {names}"
        )));
    }
    for target in chosen {
        let start = Instant::now();
        // What is found goes to the first directory; the seeds are the committed ones in it.
        let corpus = root.join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).map_err(Failure::io("make", &corpus))?;
        let mut command = cargo_fuzz(&root);
        command
            .args(["run", "--sanitizer", "address", target])
            .arg(&corpus)
            .arg("--")
            .args([
                format!("-max_total_time={}", arguments.seconds),
                format!("-rss_limit_mb={MEMORY_MB}"),
                format!("-timeout={TIMEOUT_S}"),
                format!("-max_len={MAX_INPUT}"),
                "-print_final_stats=1".to_owned(),
            ]);
        failure::run(&mut command)?;
        println!(
            "fuzz {target}: {:.0} s, nothing found",
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn cargo_fuzz(root: &Path) -> Command {
    let mut command = workspace::cargo();
    command
        .arg("fuzz")
        .current_dir(root)
        // Coverage and the sanitizer are flags that only a nightly compiler takes unasked.
        .env("RUSTC_BOOTSTRAP", "1")
        .stdin(Stdio::null());
    command
}

/// The targets, by the files that hold them.
fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let directory = root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).map_err(Failure::io("list", &directory))? {
        let path = entry.map_err(Failure::io("list", &directory))?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    if names.is_empty() {
        return Err(Failure::Io {
            doing: "find targets in",
            path: directory,
            source: ErrorKind::NotFound.into(),
        });
    }
    names.sort();
    Ok(names)
}
