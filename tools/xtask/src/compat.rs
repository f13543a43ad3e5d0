//! `cargo xtask compat`: real clients, unmodified, against a server that was just started.
//!
//! A suite is a program in `tools/compat` that drives one client through cases of ours. This
//! command installs what it needs, builds it, starts a server for it, runs it, and puts together
//! what all of them touched.

mod build;
mod client;
mod operations;
mod outcome;
mod server;
mod tools;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use client::{CLIENTS, Client, Served};
use outcome::{Outcome, Row};
use server::Server;

use crate::{
    failure::{self, Failure},
    workspace,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Every client, not only those that CI runs
    #[arg(long, conflicts_with = "only")]
    all: bool,
    /// These clients, by the names that --list shows; NAME:WORD runs the cases with WORD in their name
    #[arg(long, num_args = 1.., value_name = "NAME")]
    only: Vec<String>,
    /// Address of a server that runs already; suites that kill their server are left out
    #[arg(long, value_name = "ADDR")]
    server: Option<String>,
    /// Say which clients there are
    #[arg(long)]
    list: bool,
    /// The server as it is shipped, not as it is built for tests
    #[arg(long)]
    release: bool,
}

/// Where tools, builds, stores and logs of the suites go, below the target directory.
const WORK: &str = "target/compat";

/// What a suite reads from its environment, and the servers are started with.
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";
const ACCESS_KEY: &str = "AKIACOMPATCOMPAT0000";
const SECRET_KEY: &str = "compat/compat+compat/compat+compat/comp";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.list {
        return list();
    }
    let chosen = chosen(arguments)?;
    let work = workspace::root().join(WORK);
    let logs = work.join("logs");
    fs::create_dir_all(&logs).map_err(Failure::io("make", &logs))?;
    let program = match arguments.server {
        Some(_) => PathBuf::new(),
        None => server::build(arguments.release)?,
    };
    let mut rows = Vec::new();
    for (client, word) in chosen {
        if arguments.server.is_some() && client.served != Served::Plain {
            println!(
                "--- {}: left out, it needs a server of its own",
                client.name
            );
            continue;
        }
        println!("--- {} ({})", client.name, client.what);
        let start = Instant::now();
        let outcome = build::suite(client, &work).and_then(|command| {
            let suite = Suite {
                client,
                command,
                word,
            };
            suite.run(&program, arguments.server.as_deref(), &work)
        });
        // The other clients are still worth hearing.
        let outcome = outcome.unwrap_or_else(|failure| {
            println!("    FAIL {}: {failure}", client.name);
            Outcome::broken()
        });
        rows.push(Row::new(client.name, outcome, start.elapsed()));
    }
    outcome::judge(&rows, arguments.only.is_empty())
}

/// The clients that are asked for, each with the word that its cases must have in their names.
fn chosen(arguments: &Arguments) -> Result<Vec<(&'static Client, Option<&str>)>, Failure> {
    if arguments.only.is_empty() {
        let wanted = CLIENTS.iter().filter(|c| arguments.all || c.in_ci);
        return Ok(wanted.map(|client| (client, None)).collect());
    }
    let mut chosen = Vec::new();
    for asked in &arguments.only {
        let (name, word) = match asked.split_once(':') {
            Some((name, word)) => (name, Some(word)),
            None => (asked.as_str(), None),
        };
        let Some(client) = CLIENTS.iter().find(|client| client.name == name) else {
            let known: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
            return Err(Failure::Wrong(format!(
                "no client is called '{name}'; there are: {}",
                known.join(", ")
            )));
        };
        chosen.push((client, word));
    }
    Ok(chosen)
}

fn list() -> Result<(), Failure> {
    for client in CLIENTS {
        let when = if client.in_ci { "in CI" } else { "--all" };
        println!("{:<10}  {:<5}  {}", client.name, when, client.what);
    }
    Ok(())
}

/// A suite that is ready to run.
#[derive(Debug)]
struct Suite<'a> {
    client: &'static Client,
    command: Command,
    word: Option<&'a str>,
}

impl Suite<'_> {
    /// Starts the server that the suite is for, and runs it to its end.
    fn run(
        mut self,
        program: &Path,
        running: Option<&str>,
        work: &Path,
    ) -> Result<Outcome, Failure> {
        let name = self.client.name;
        let log = work.join("logs").join(format!("{name}.log"));
        let file = fs::File::create(&log).map_err(Failure::io("make", &log))?;
        let scratch = work.join("scratch").join(name);
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(Failure::io("remove", &scratch))?;
        }
        fs::create_dir_all(&scratch).map_err(Failure::io("make", &scratch))?;

        let mut server = None;
        let command = &mut self.command;
        if let Some(address) = running {
            command.env("KINESIS_ENDPOINT", format!("http://{address}"));
        } else {
            let tls = self.client.served == Served::Tls;
            let server_log = work.join("logs").join(format!("{name}.server.log"));
            let planned = Server::plan(program, &scratch, &server_log, tls)?;
            for (key, value) in planned.environment() {
                command.env(key, value);
            }
            if self.client.served != Served::ByItself {
                server = Some(planned.start()?);
            }
        }
        command
            .env("AWS_REGION", REGION)
            .env("AWS_ACCOUNT_ID", ACCOUNT)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("COMPAT_SCRATCH", &scratch)
            .env("COMPAT_WORK", work)
            .args(self.word)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file);
        let outcome = follow(command, self.client.patience, &log)?;
        if let Some(server) = server {
            server.stop()?;
        }
        if outcome.failed == 0 {
            fs::remove_dir_all(&scratch).map_err(Failure::io("remove", &scratch))?;
        }
        Ok(outcome)
    }
}

/// Shows what a suite says, and takes its last line apart.
fn follow(command: &mut Command, patience: Duration, log: &Path) -> Result<Outcome, Failure> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let started = |source| Failure::io("start", &shown)(source);
    let mut child = command.spawn().map_err(started)?;
    let id = child.id();
    // A suite that hangs is ended, or nothing would ever be said of it.
    let watch = outcome::Watch::over(id, patience);
    let mut outcome = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(Failure::io("read what is said by", &shown))?;
            match Outcome::parse(&line) {
                Some(found) => outcome = Some(found),
                None => println!("    {line}"),
            }
        }
    }
    let status = child.wait().map_err(Failure::io("wait for", &shown))?;
    let ran_out = watch.end();
    let log = log.display();
    match outcome {
        Some(outcome) if status.success() || outcome.failed > 0 => Ok(outcome),
        _ if ran_out => Err(Failure::Wrong(format!(
            "the suite was ended after {} s; see {log}",
            patience.as_secs()
        ))),
        _ => Err(Failure::Wrong(format!(
            "the suite ended with {status}, and without its last line; see {log}"
        ))),
    }
}

/// Runs a program that installs or builds, and shows what it says only when it fails.
fn quietly(command: &mut Command, log: &Path) -> Result<(), Failure> {
    let file = fs::File::create(log).map_err(Failure::io("make", log))?;
    let copy = file.try_clone().map_err(Failure::io("open", log))?;
    let ended = failure::run(command.stdin(Stdio::null()).stdout(file).stderr(copy));
    if ended.is_err() {
        let said = fs::read_to_string(log).unwrap_or_default();
        eprintln!("{said}");
    }
    ended
}

#[cfg(test)]
mod tests;
