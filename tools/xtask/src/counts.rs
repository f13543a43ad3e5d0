//! `cargo xtask counts`: instructions of the hot paths under callgrind, beside a committed
//! baseline. Instructions do not depend on what else the machine does, so that a few per cent more
//! of them are seen where times would drown them.

use std::{
    collections::BTreeMap,
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    failure::{self, Failure},
    workspace,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write what was counted as the new baseline
    #[arg(long)]
    bless: bool,
}

const PROGRAM: &str = "millstream-counts";
const BASELINE: &str = "benches/counts/baseline.toml";
/// Most growth that passes, in per cent. Of two runs of the same program it is below 0.01.
const MOST: f64 = 5.0;
/// What glibc would choose by the processor. `rep movsb` and `rep stosb` copy and fill a page in
/// one instruction, which callgrind counts once for each byte.
const TUNABLES: &str = "glibc.cpu.hwcaps=-ERMS";
const ADVICE: &str = "Find out why (`callgrind_annotate target/counts/FILE` before and after). \
If it buys something that is worth it, or the growth is the compiler's, \
`cargo xtask counts --bless` makes these counts the baseline: commit it with the reason";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let tools = Tools::find()?;
    failure::run(workspace::cargo().args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "millstream-benches",
        "--bin",
        PROGRAM,
    ]))?;
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = workspace::root().join(target);
    let program = target.join("release").join(PROGRAM);
    let out = target.join("counts");
    fs::create_dir_all(&out).map_err(Failure::io("make", &out))?;

    let mut counted = Vec::new();
    for path in HotPath::all(&program)? {
        let rounds = path.count(&program, &out)?;
        counted.push((path, rounds));
    }
    if arguments.bless {
        return Baseline::write(&tools, &counted);
    }
    let baseline = Baseline::read()?;
    report(&counted, &baseline, &tools)
}

/// Prints the counts beside the baseline; an error when one has grown by too much.
fn report(counted: &[(HotPath, u64)], baseline: &Baseline, tools: &Tools) -> Result<(), Failure> {
    println!(
        "{:<48} {:>14} {:>14} {:>9}",
        "instructions", "counted", "baseline", "change"
    );
    let (mut grown, mut shrunk, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (path, rounds) in counted {
        let before = baseline.rounds.get(&path.name).copied();
        let change = before.map(|before| change(before, *rounds));
        println!(
            "{:<48} {:>14} {:>14} {:>9}  a {}",
            path.name,
            path.of_unit(*rounds),
            before.map_or_else(|| "-".to_owned(), |before| path.of_unit(before)),
            change.map_or_else(|| "new".to_owned(), |change| format!("{change:+.2} %")),
            path.unit,
        );
        match change {
            None => new.push(path.name.as_str()),
            Some(change) if change > MOST => grown.push(path.name.as_str()),
            Some(change) if change < -MOST => shrunk.push(path.name.as_str()),
            Some(_) => {}
        }
    }
    let gone = baseline
        .rounds
        .keys()
        .filter(|name| !counted.iter().any(|(path, _)| path.name == **name));
    for name in gone {
        println!("{name}: in the baseline, but not counted any more; bless it");
    }
    if !shrunk.is_empty() {
        println!(
            "More than {MOST} % fewer: {}. Bless it, or the gain can be lost again unseen",
            shrunk.join(", ")
        );
    }
    if baseline.tools != *tools {
        println!(
            "The baseline was counted with {}, this with {tools}: that may make a difference",
            baseline.tools
        );
    }
    if !new.is_empty() {
        return Err(Failure::Wrong(format!(
            "there is no baseline of: {}. `cargo xtask counts --bless` writes one",
            new.join(", ")
        )));
    }
    if !grown.is_empty() {
        return Err(Failure::Wrong(format!(
            "more than {MOST} % more instructions: {}. {ADVICE}",
            grown.join(", ")
        )));
    }
    Ok(())
}

/// From `before` to `now` in per cent.
fn change(before: u64, now: u64) -> f64 {
    (now as f64 / before.max(1) as f64 - 1.0) * 100.0
}

/// What the counts depend on beside the code.
#[derive(Debug, PartialEq, Eq)]
struct Tools {
    rustc: String,
    valgrind: String,
}

impl std::fmt::Display for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} and {}", self.rustc, self.valgrind)
    }
}

impl Tools {
    fn find() -> Result<Tools, Failure> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        Ok(Tools {
            rustc: output(Command::new(rustc).arg("--version"))?,
            valgrind: match output(Command::new("valgrind").arg("--version")) {
                Err(Failure::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    return Err(Failure::Wrong(
                        "valgrind is not there: apt-get install valgrind".to_owned(),
                    ));
                }
                version => version?,
            },
        })
    }
}

/// What a program says on its standard output.
fn output(command: &mut Command) -> Result<String, Failure> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(Failure::io("start", &program))?;
    if !output.status.success() {
        return Err(Failure::Program {
            command: program.display().to_string(),
            status: output.status,
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A path as the program lists it.
#[derive(Debug)]
struct HotPath {
    name: String,
    unit: String,
    units: u64,
    /// Rounds of the two runs.
    rounds: (u64, u64),
}

impl HotPath {
    fn all(program: &Path) -> Result<Vec<HotPath>, Failure> {
        let list = output(Command::new(program).arg("list"))?;
        let paths = list.lines().map(|line| {
            let unclear = || Failure::Wrong(format!("{PROGRAM} lists a path as '{line}'"));
            HotPath::parse(line).ok_or_else(unclear)
        });
        paths.collect()
    }

    fn parse(line: &str) -> Option<HotPath> {
        let mut fields = line.split('\t');
        let path = HotPath {
            name: fields.next()?.to_owned(),
            unit: fields.next()?.to_owned(),
            units: fields.next()?.parse().ok().filter(|units| *units > 0)?,
            rounds: (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?),
        };
        (path.rounds.0 < path.rounds.1 && fields.next().is_none()).then_some(path)
    }

    /// Instructions of one round. What comes before the rounds is in both runs, and so is not in
    /// their difference.
    fn count(&self, program: &Path, out: &Path) -> Result<u64, Failure> {
        let (fewer, more) = self.rounds;
        // At the same time: instructions do not depend on it.
        let mut runs = [fewer, more].map(|rounds| self.start(program, out, rounds));
        let mut totals = [0; 2];
        for (run, total) in runs.iter_mut().zip(&mut totals) {
            match run {
                Ok(run) => *total = run.total(&self.name)?,
                Err(_) => break,
            }
        }
        for run in runs {
            run?;
        }
        let [short, long] = totals;
        Ok(long.saturating_sub(short) / (more - fewer))
    }

    fn start(&self, program: &Path, out: &Path, rounds: u64) -> Result<Run, Failure> {
        let name: String = self
            .name
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '-' })
            .collect();
        let file = out.join(format!("{name}.{rounds}.callgrind"));
        // A file of an earlier run must not pass for one of this.
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Failure::io("remove", &file)(error));
            }
            _ => {}
        }
        let mut out_file = std::ffi::OsString::from("--callgrind-out-file=");
        out_file.push(&file);
        let search = env::var_os("PATH").unwrap_or_default();
        let child = Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind"])
            .arg(out_file)
            .arg(program)
            .args(["run", &self.name, &rounds.to_string()])
            // The environment lies on the stack, and so moves what lies below it.
            .env_clear()
            .env("PATH", search)
            .env("GLIBC_TUNABLES", TUNABLES)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(Failure::io("start", "valgrind"))?;
        Ok(Run { child, file })
    }

    /// Instructions of one unit, for the table.
    fn of_unit(&self, rounds: u64) -> String {
        format!("{:.1}", rounds as f64 / self.units as f64)
    }
}

/// A program under callgrind.
struct Run {
    child: Child,
    file: PathBuf,
}

impl Run {
    /// All instructions from start to end.
    fn total(&mut self, name: &str) -> Result<u64, Failure> {
        let status = self
            .child
            .wait()
            .map_err(Failure::io("wait for", "valgrind"))?;
        if !status.success() {
            let command = format!("valgrind --tool=callgrind {PROGRAM} run '{name}'");
            return Err(Failure::Program { command, status });
        }
        let text = fs::read_to_string(&self.file).map_err(Failure::io("read", &self.file))?;
        total_of(&text)
            .ok_or_else(|| Failure::Wrong(format!("there is no total in {}", self.file.display())))
    }
}

/// The total of a file that callgrind wrote.
fn total_of(text: &str) -> Option<u64> {
    let mut lines = text.lines().rev();
    let total = lines.find_map(|line| line.strip_prefix("totals:"))?;
    total.split_whitespace().next()?.parse().ok()
}

/// The committed counts.
#[derive(Debug)]
struct Baseline {
    tools: Tools,
    /// Instructions of a round by the name of the path.
    rounds: BTreeMap<String, u64>,
}

impl Baseline {
    fn read() -> Result<Baseline, Failure> {
        let path = workspace::root().join(BASELINE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.map_err(Failure::io("read", &path))?,
        };
        Baseline::parse(&text).map_err(|reason| Failure::Manifest { path, reason })
    }

    fn parse(text: &str) -> Result<Baseline, String> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| error.to_string())?;
        let tool = |name| {
            let tool = table.get(name).and_then(toml::Value::as_str);
            tool.unwrap_or("nothing").to_owned()
        };
        let mut rounds = BTreeMap::new();
        let counts = table.get("rounds").and_then(toml::Value::as_table);
        for (name, count) in counts.into_iter().flatten() {
            let count = count
                .as_integer()
                .and_then(|count| u64::try_from(count).ok());
            let count = count.ok_or_else(|| format!("the count of '{name}' is none"))?;
            rounds.insert(name.clone(), count);
        }
        Ok(Baseline {
            tools: Tools {
                rustc: tool("rustc"),
                valgrind: tool("valgrind"),
            },
            rounds,
        })
    }

    fn write(tools: &Tools, counted: &[(HotPath, u64)]) -> Result<(), Failure> {
        let path = workspace::root().join(BASELINE);
        fs::write(&path, Baseline::text(tools, counted)).map_err(Failure::io("write", &path))?;
        println!("{} paths: {BASELINE} is written", counted.len());
        Ok(())
    }

    fn text(tools: &Tools, counted: &[(HotPath, u64)]) -> String {
        let mut text = format!(
            "# Instructions of one round of each hot path under callgrind: `cargo xtask counts` holds\n\
             # them, `cargo xtask counts --bless` writes them.\n\
             rustc = {:?}\nvalgrind = {:?}\n\n[rounds]\n",
            tools.rustc, tools.valgrind
        );
        for (path, rounds) in counted {
            text.push_str(&format!("{:?} = {rounds}\n", path.name));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn counted(rounds: u64) -> Vec<(HotPath, u64)> {
        let path = HotPath::parse("seek\tseek\t2\t10\t20").unwrap();
        vec![(path, rounds)]
    }

    fn tools() -> Tools {
        Tools {
            rustc: "rustc 1".to_owned(),
            valgrind: "valgrind-3".to_owned(),
        }
    }

    #[test]
    fn only_growth_above_the_limit_fails() {
        let baseline = Baseline::parse(&Baseline::text(&tools(), &counted(1000))).unwrap();
        assert_eq!(baseline.tools, tools());
        let passes = |rounds| report(&counted(rounds), &baseline, &tools()).is_ok();
        assert!(passes(1000) && passes(1049) && passes(500));
        assert!(!passes(1051));
    }

    #[test]
    fn a_path_without_a_baseline_fails() {
        let baseline = Baseline::parse("").unwrap();
        assert!(report(&counted(1000), &baseline, &tools()).is_err());
    }

    #[test]
    fn the_total_is_read_from_the_end_of_the_file() {
        let text = "events: Ir\nsummary: 7\nfn=(1) totals: 5\n1 2\n\ntotals: 1234\n";
        assert_eq!(total_of(text), Some(1234));
        assert_eq!(total_of("events: Ir\n"), None);
    }
}
