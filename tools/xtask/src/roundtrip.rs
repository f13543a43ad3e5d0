//! `cargo xtask roundtrip`: real text goes in over the wire line by line, and has to come out
//! byte for byte and in the order of each key; then once more with the server killed.

mod corpus;
mod fingerprint;
mod line;
mod server;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use corpus::Corpus;
use fingerprint::Fingerprint;
use server::Server;

use crate::{
    failure::{self, Failure},
    workspace,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The program, server and command line in one
    #[arg(long, default_value = "target/release/millstream")]
    server_bin: PathBuf,
    /// Most text that is gathered, such as 64MB or 1GB
    #[arg(long, default_value = "1GB", value_parser = parse_bytes)]
    bytes: u64,
    /// Gather until there are this many lines, too
    #[arg(long, default_value_t = 5_000_000)]
    min_lines: u64,
    /// Once more, with the server killed this often at random moments of the put
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// Leave out the run without kills; needs --put-seconds to choose moments by
    #[arg(long, requires = "put_seconds")]
    kills_only: bool,
    /// How long a put is taken to last when moments are chosen; measured if not given
    #[arg(long)]
    put_seconds: Option<f64>,
    /// Chooses the moments of the kills; from the clock if not given
    #[arg(long)]
    seed: Option<u64>,
    /// The device that the server writes with: auto, io_uring, portable
    #[arg(long, default_value = "auto")]
    device: String,
    /// Shards of the stream
    #[arg(long, default_value_t = 4)]
    shards: u32,
    /// Where corpus and stores go; emptied when all is well
    #[arg(long, default_value = "target/roundtrip")]
    work_dir: PathBuf,
    /// Keep corpus, stores and what was read
    #[arg(long)]
    keep: bool,
}

const STREAM: &str = "roundtrip";
/// No kill comes earlier: a put that finds no server when it begins says so, and ends.
const CONNECTED: Duration = Duration::from_millis(100);
/// How long the put goes on trying while the server is away.
const RETRY_FOR: &str = "300s";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let root = workspace::root();
    let work = root.join(&arguments.work_dir);
    fs::create_dir_all(&work).map_err(Failure::io("make", &work))?;
    let program = root.join(&arguments.server_bin);
    if !program.is_file() {
        let path = program.display();
        return Err(Failure::Wrong(format!(
            "{path} is not there: cargo build --release"
        )));
    }

    let start = Instant::now();
    let corpus = Corpus::gather(
        &work.join("corpus.txt"),
        arguments.bytes,
        arguments.min_lines,
    )?;
    println!("corpus: {corpus} ({:.1} s)", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let mut expected = Fingerprint::default();
    expected.add_file(&corpus.path, None)?;
    println!(
        "fingerprint: {expected} ({:.1} s)",
        start.elapsed().as_secs_f64()
    );

    let round = Round {
        arguments,
        program: &program,
        corpus: &corpus,
        expected: &expected,
        work: &work,
    };
    let mut put_time = arguments.put_seconds.map(Duration::from_secs_f64);
    if !arguments.kills_only {
        println!("\n--- undisturbed");
        put_time = Some(round.run("undisturbed", None)?);
    }
    if arguments.kills > 0
        && let Some(put_time) = put_time
    {
        let seed = arguments.seed.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(1, |now| u64::from(now.subsec_nanos()) | 1)
        });
        println!("\n--- {} kills, --seed {seed}", arguments.kills);
        let moments = moments(arguments.kills, put_time, seed);
        round.run("killed", Some(&moments))?;
    }
    if !arguments.keep {
        fs::remove_dir_all(&work).map_err(Failure::io("remove", &work))?;
    }
    println!("\nroundtrip: all is well");
    Ok(())
}

/// When the server is killed: at a random moment of each of as many slices as there are kills,
/// counted in time that the server is up. The last tenth is left, in which a put that turns out
/// faster may have ended.
fn moments(kills: u32, put_time: Duration, seed: u64) -> Vec<Duration> {
    let slice = put_time.mul_f64(0.9) / kills.max(1);
    let mut state = seed;
    (0..kills)
        .map(|kill| {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let fraction = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
            slice * kill + slice.mul_f64(fraction)
        })
        .collect()
}

/// One way of the corpus through a server of its own.
struct Round<'a> {
    arguments: &'a Arguments,
    program: &'a Path,
    corpus: &'a Corpus,
    expected: &'a Fingerprint,
    work: &'a Path,
}

impl Round<'_> {
    /// Puts, gets, compares, verifies; how long the put took.
    fn run(&self, name: &str, kills: Option<&[Duration]>) -> Result<Duration, Failure> {
        let data = self.work.join(name);
        match fs::remove_dir_all(&data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::io("remove", &data)(error));
            }
            _ => {}
        }
        let log = self.work.join(format!("{name}.log"));
        let mut server = Server::start(self.program, &data, &self.arguments.device, &log)?;
        let shards = self.arguments.shards.to_string();
        failure::run(
            self.command(&server)
                .args(["stream", "create", STREAM, "--shards", &shards]),
        )?;

        let put_time = self.put(&mut server, kills)?;
        let found = self.get(&server, name)?;
        server.stop()?;

        self.expected.compare(&found).map_err(Failure::Wrong)?;
        println!(
            "compared: the same {} lines byte for byte, and the same order in each of {} keys",
            self.expected.lines(),
            self.expected.keys()
        );
        let start = Instant::now();
        failure::run(Command::new(self.program).arg("verify").arg(&data))?;
        println!("verify: clean ({:.1} s)", start.elapsed().as_secs_f64());
        if !self.arguments.keep {
            fs::remove_dir_all(&data).map_err(Failure::io("remove", &data))?;
        }
        Ok(put_time)
    }

    fn command(&self, server: &Server) -> Command {
        let mut command = Command::new(self.program);
        command.args(["--server", server.address()]);
        command
    }

    /// Puts the corpus while the server is killed at `kills`; how long it took.
    fn put(&self, server: &mut Server, kills: Option<&[Duration]>) -> Result<Duration, Failure> {
        let mut command = self.command(server);
        command.args(["put", STREAM]).arg(&self.corpus.path).args([
            "--key-field",
            "1",
            "--retry-for",
            RETRY_FOR,
        ]);
        let start = Instant::now();
        let mut put = command
            .spawn()
            .map_err(Failure::io("start", self.program))?;
        let mut up = Duration::ZERO;
        for (at, moment) in kills.unwrap_or_default().iter().enumerate() {
            let wait = (*moment).max(CONNECTED).saturating_sub(up);
            if let Some(status) = wait_for(&mut put, Some(wait))? {
                let kills = kills.unwrap_or_default().len();
                return Err(Failure::Wrong(format!(
                    "the put ended ({status}) after {at} of {kills} kills: more bytes are needed"
                )));
            }
            up += wait;
            let down = server.kill_and_restart()?;
            println!(
                "kill {} after {:.2} s of the put; answering again after {:.2} s",
                at + 1,
                start.elapsed().as_secs_f64() - down.as_secs_f64(),
                down.as_secs_f64()
            );
        }
        let Some(status) = wait_for(&mut put, None)? else {
            return Err(Failure::Wrong("the put has no end".to_owned()));
        };
        if !status.success() {
            let reason = format!("the put ended with {status}: not every record was acknowledged");
            return Err(Failure::Wrong(reason));
        }
        let elapsed = start.elapsed();
        self.rate("put", elapsed);
        Ok(elapsed)
    }

    /// Gets every shard into a file, and reads those.
    fn get(&self, server: &Server, name: &str) -> Result<Fingerprint, Failure> {
        let mut elapsed = Duration::ZERO;
        let mut found = Fingerprint::default();
        for shard in 0..self.arguments.shards {
            let path = self.work.join(format!("{name}-shard-{shard}.txt"));
            let file = File::create(&path).map_err(Failure::io("make", &path))?;
            let start = Instant::now();
            failure::run(
                self.command(server)
                    .args([
                        "--quiet", "get", STREAM, "--format", "raw", "--from", "oldest",
                    ])
                    .args(["--shard", &shard.to_string()])
                    .stdout(file),
            )?;
            elapsed += start.elapsed();
            found.add_file(&path, Some(shard))?;
            if !self.arguments.keep {
                fs::remove_file(&path).map_err(Failure::io("remove", &path))?;
            }
        }
        self.rate("get, shard after shard, into files", elapsed);
        Ok(found)
    }

    fn rate(&self, what: &str, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        println!(
            "{what}: {} lines in {seconds:.2} s, {:.0} lines/s, {:.1} MB/s",
            self.corpus.lines,
            self.corpus.lines as f64 / seconds,
            self.corpus.bytes as f64 / 1e6 / seconds
        );
    }
}

/// Waits for the end of a program; `None` when `limit` passes first.
fn wait_for(child: &mut Child, limit: Option<Duration>) -> Result<Option<ExitStatus>, Failure> {
    let Some(limit) = limit else {
        return child
            .wait()
            .map(Some)
            .map_err(Failure::io("wait for", "the put"));
    };
    let start = Instant::now();
    loop {
        if let Some(status) = child
            .try_wait()
            .map_err(Failure::io("wait for", "the put"))?
        {
            return Ok(Some(status));
        }
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        thread::sleep(left.min(Duration::from_millis(20)));
    }
}

/// Bytes with a decimal or binary unit: 1GB, 64MB, 1GiB, or none.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit '{other}'")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a number such as 1GB".to_owned())?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests;
