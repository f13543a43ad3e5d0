//! `cargo xtask fuzz`: the targets of `fuzz/`, without a nightly toolchain. Runs them, and works
//! with what they find.

mod figures;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, ErrorKind},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::{self, Failure},
    workspace,
};
use figures::Figures;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One target; without it all, one after the other
    target: Option<String>,
    /// How long to fuzz each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Processes that fuzz a target at the same time, on one corpus
    #[arg(long, default_value_t = 1)]
    jobs: u32,
    /// Run this input alone, and tell what comes of it
    #[arg(long, value_name = "FILE", requires = "target", group = "instead")]
    replay: Option<PathBuf>,
    /// Make an input that fails as small as it can be and still fail
    #[arg(long, value_name = "FILE", requires = "target", group = "instead")]
    minimise: Option<PathBuf>,
    /// Leave in the corpus only what reaches something of its own
    #[arg(long, group = "instead")]
    merge: bool,
    /// Run the corpus once, and tell how much of the code it reaches
    #[arg(long, group = "instead")]
    coverage: bool,
    /// Write the store that an input makes to DIR, for `millstream inspect` and `verify`
    #[arg(long, num_args = 2, value_names = ["FILE", "DIR"], requires = "target", group = "instead")]
    dump: Option<Vec<PathBuf>>,
}

/// Most memory that a target may take, and that it may ask for at once: what it allocates on
/// hostile input has to be bounded.
const MEMORY_MB: u32 = 1024;
const ALLOCATION_MB: u32 = 256;
/// Longest that one input may take, in seconds.
const TIMEOUT_S: u32 = 10;
/// Largest input that the fuzzer makes.
const MAX_INPUT: u32 = 16 * 1024;
/// Where an allocation was made is not kept while searching, and what was freed is not held for
/// long: both take more time than most targets. `--replay` tells all.
const SANITIZER: &str = "malloc_context_size=1:quarantine_size_mb=16";
/// How often it is shown what a target has reached.
const PULSE: Duration = Duration::from_secs(10);
/// See `fuzz/src/dump.rs`.
const DUMP: &str = "MILLSTREAM_FUZZ_DUMP";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let fuzz = Fuzz {
        root: workspace::root(),
    };
    let all = fuzz.targets()?;
    let chosen: Vec<&String> = match &arguments.target {
        None => all.iter().collect(),
        Some(name) => all.iter().filter(|target| *target == name).collect(),
    };
    let Some(first) = chosen.first() else {
        let names = all.join(", ");
        return Err(Failure::Wrong(format!(
            "no such target; there are: {names}"
        )));
    };
    if let Some(file) = &arguments.replay {
        return failure::run(&mut fuzz.once(first, file)?);
    }
    if let Some(file) = &arguments.minimise {
        return fuzz.minimise(first, file);
    }
    if let Some([file, directory]) = arguments.dump.as_deref() {
        return fuzz.dump(first, file, directory);
    }
    let mut figures = Vec::new();
    for target in chosen {
        let of_target = match arguments {
            Arguments { merge: true, .. } => fuzz.merge(target)?,
            Arguments { coverage: true, .. } => fuzz.coverage(target)?,
            _ => fuzz.search(target, arguments.seconds, arguments.jobs)?,
        };
        figures.push(of_target);
    }
    println!("\n{}", figures::table(&figures));
    let failed: Vec<&str> = figures
        .iter()
        .filter(|figures| figures.failed)
        .map(|figures| figures.target.as_str())
        .collect();
    match failed.as_slice() {
        [] => Ok(()),
        failed => Err(Failure::Wrong(format!(
            "something was found by {}: the inputs are in fuzz/artifacts; `cargo xtask fuzz TARGET --replay FILE` tells more",
            failed.join(", ")
        ))),
    }
}

struct Fuzz {
    root: PathBuf,
}

impl Fuzz {
    fn cargo_fuzz(&self, verb: &str, target: &str) -> Command {
        let mut command = workspace::cargo();
        command
            .args(["fuzz", verb, "--sanitizer", "address", target])
            .current_dir(&self.root)
            // Coverage and the sanitizer are flags that only a nightly compiler takes unasked.
            .env("RUSTC_BOOTSTRAP", "1")
            .stdin(Stdio::null());
        command
    }

    /// What is found goes here; the seeds are the committed ones in it.
    fn corpus(&self, target: &str) -> Result<PathBuf, Failure> {
        let corpus = self.root.join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).map_err(Failure::io("make", &corpus))?;
        Ok(corpus)
    }

    fn search(&self, target: &str, seconds: u64, jobs: u32) -> Result<Figures, Failure> {
        let before = self.artifacts(target);
        let mut figures = match jobs {
            0 | 1 => follow(&mut self.searcher(target, seconds)?, target)?,
            _ => self.search_together(target, seconds, jobs)?,
        };
        figures.findings = self
            .artifacts(target)
            .difference(&before)
            .cloned()
            .collect();
        figures.failed |= !figures.findings.is_empty();
        Ok(figures)
    }

    /// Lets several fuzzers search at a time. Each takes up what the others put into the corpus.
    fn search_together(&self, target: &str, seconds: u64, jobs: u32) -> Result<Figures, Failure> {
        failure::run(&mut self.cargo_fuzz("build", target))?;
        let commands = (0..jobs).map(|_| self.searcher(target, seconds));
        let commands = commands.collect::<Result<Vec<Command>, Failure>>()?;
        let each: Vec<Result<Figures, Failure>> = thread::scope(|scope| {
            let start = |mut command| scope.spawn(move || follow(&mut command, target));
            let running: Vec<_> = commands.into_iter().map(start).collect();
            let ended = running.into_iter().map(|thread| {
                let ended = thread.join();
                ended.unwrap_or_else(|_| Err(Failure::Wrong("following a fuzzer failed".into())))
            });
            ended.collect()
        });
        let each = each
            .into_iter()
            .collect::<Result<Vec<Figures>, Failure>>()?;
        Ok(Figures::together(target, &each))
    }

    /// A fuzzer that searches for so many seconds.
    fn searcher(&self, target: &str, seconds: u64) -> Result<Command, Failure> {
        let mut command = self.cargo_fuzz("run", target);
        command
            .arg(self.corpus(target)?)
            .arg("--")
            .args([
                format!("-max_total_time={seconds}"),
                format!("-rss_limit_mb={MEMORY_MB}"),
                format!("-malloc_limit_mb={ALLOCATION_MB}"),
                format!("-timeout={TIMEOUT_S}"),
                format!("-max_len={MAX_INPUT}"),
                // Long inputs soon: where one takes milliseconds, they would hardly ever come.
                "-len_control=20".to_owned(),
                "-print_funcs=0".to_owned(),
                "-print_final_stats=1".to_owned(),
            ])
            .env("ASAN_OPTIONS", SANITIZER);
        let dictionary = self.root.join("fuzz/dictionaries").join(target);
        let dictionary = dictionary.with_extension("dict");
        if dictionary.is_file() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        Ok(command)
    }

    fn once(&self, target: &str, file: &Path) -> Result<Command, Failure> {
        let file = fs::canonicalize(file).map_err(Failure::io("find", file))?;
        let mut command = self.cargo_fuzz("run", target);
        command.arg(file);
        Ok(command)
    }

    fn minimise(&self, target: &str, file: &Path) -> Result<(), Failure> {
        let file = fs::canonicalize(file).map_err(Failure::io("find", file))?;
        failure::run(self.cargo_fuzz("tmin", target).arg(file))
    }

    /// The input is run, and fails perhaps: the store is written before.
    fn dump(&self, target: &str, file: &Path, directory: &Path) -> Result<(), Failure> {
        fs::create_dir_all(directory).map_err(Failure::io("make", directory))?;
        let directory = fs::canonicalize(directory).map_err(Failure::io("find", directory))?;
        let ended = failure::run(self.once(target, file)?.env(DUMP, &directory));
        let written = fs::read_dir(&directory).map_err(Failure::io("list", &directory))?;
        if written.count() == 0 {
            return Err(Failure::Wrong(format!(
                "{target} made no store of the input; those of segment_recovery, index_load, buffer_cursor and engine_model do"
            )));
        }
        if let Err(failure) = ended {
            println!("the input fails: {failure}");
        }
        println!("now: millstream inspect {}", directory.display());
        Ok(())
    }

    /// Finds the fewest inputs that reach as much, and keeps these and the seeds.
    fn merge(&self, target: &str) -> Result<Figures, Failure> {
        let corpus = self.corpus(target)?;
        let merged = corpus.with_extension("merged");
        let _ = fs::remove_dir_all(&merged);
        fs::create_dir_all(&merged).map_err(Failure::io("make", &merged))?;
        let mut command = self.cargo_fuzz("run", target);
        command
            .arg(&merged)
            .arg(&corpus)
            .args(["--", "-merge=1"])
            .arg(format!("-rss_limit_mb={MEMORY_MB}"))
            .env("ASAN_OPTIONS", SANITIZER);
        let ended = follow(&mut command, target);
        if !ended.as_ref().is_ok_and(|figures| !figures.failed) {
            let _ = fs::remove_dir_all(&merged);
            return ended;
        }
        let mut seeds = BTreeSet::new();
        for path in files(&corpus)? {
            match is_seed(&path) {
                true => drop(seeds.insert(fs::read(&path).map_err(Failure::io("read", &path))?)),
                false => fs::remove_file(&path).map_err(Failure::io("remove", &path))?,
            }
        }
        for path in files(&merged)? {
            let bytes = fs::read(&path).map_err(Failure::io("read", &path))?;
            if let (false, Some(name)) = (seeds.contains(&bytes), path.file_name()) {
                let to = corpus.join(name);
                fs::rename(&path, &to).map_err(Failure::io("keep", &to))?;
            }
        }
        fs::remove_dir_all(&merged).map_err(Failure::io("remove", &merged))?;
        self.once_through(target)
    }

    /// Runs the corpus once.
    fn once_through(&self, target: &str) -> Result<Figures, Failure> {
        let mut command = self.cargo_fuzz("run", target);
        command
            .arg(self.corpus(target)?)
            .args(["--", "-runs=0", "-print_final_stats=1"])
            .arg(format!("-rss_limit_mb={MEMORY_MB}"))
            .env("ASAN_OPTIONS", SANITIZER);
        follow(&mut command, target)
    }

    /// Edges and features that the corpus reaches; where LLVM's tools are there, lines too.
    fn coverage(&self, target: &str) -> Result<Figures, Failure> {
        let figures = self.once_through(target)?;
        if !has_llvm_tools()? {
            println!("lines are not told: that needs `rustup component add llvm-tools`");
            return Ok(figures);
        }
        let mut lines = workspace::cargo();
        lines
            .args(["fuzz", "coverage", target])
            .current_dir(&self.root)
            .env("RUSTC_BOOTSTRAP", "1")
            .stdin(Stdio::null());
        failure::run(&mut lines)?;
        println!(
            "lines: fuzz/coverage/{target}/coverage.profdata, for `llvm-cov report` and `show`"
        );
        Ok(figures)
    }

    /// The inputs that have failed.
    fn artifacts(&self, target: &str) -> BTreeSet<PathBuf> {
        let directory = self.root.join("fuzz/artifacts").join(target);
        files(&directory).unwrap_or_default().into_iter().collect()
    }

    /// The targets, by the files that hold them.
    fn targets(&self) -> Result<Vec<String>, Failure> {
        let directory = self.root.join("fuzz/fuzz_targets");
        let mut names: Vec<String> = files(&directory)?
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
            .collect();
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
}

/// Whether the toolchain has the tools that merge profiles.
fn has_llvm_tools() -> Result<bool, Failure> {
    let mut rustc = Command::new("rustc");
    let output = rustc
        .args(["--print", "sysroot"])
        .output()
        .map_err(Failure::io("start", "rustc"))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let targets = sysroot.join("lib/rustlib");
    let targets = fs::read_dir(&targets).map_err(Failure::io("list", &targets))?;
    Ok(targets
        .filter_map(Result::ok)
        .any(|target| target.path().join("bin/llvm-profdata").is_file()))
}

/// Runs a fuzzer, shows what it says, and takes its figures from that.
fn follow(command: &mut Command, target: &str) -> Result<Figures, Failure> {
    println!("fuzz {target}");
    let (start, mut shown) = (Instant::now(), Instant::now());
    let mut figures = Figures::of(target);
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::io("start", command.get_program()))?;
    let said = child.stderr.take().into_iter();
    for line in said.flat_map(|said| BufReader::new(said).lines()) {
        let line = line.map_err(Failure::io("follow", command.get_program()))?;
        // What it has reached it says all the time.
        let pulse = line.starts_with('#');
        if !pulse || shown.elapsed() >= PULSE {
            eprintln!("{line}");
            shown = Instant::now();
        }
        figures.hear(&line);
    }
    let status = child
        .wait()
        .map_err(Failure::io("wait for", command.get_program()))?;
    figures.failed = !status.success();
    figures.seconds = start.elapsed().as_secs();
    Ok(figures)
}

fn is_seed(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with("seed-"))
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(Failure::io("list", directory))? {
        let path = entry.map_err(Failure::io("list", directory))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}
