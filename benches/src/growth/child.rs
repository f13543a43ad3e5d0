//! The processes that the harness starts of its own program: what each does, and what it says of
//! it, as a line of JSON.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use super::{rest, shards, stored};
use crate::error::BenchError;

/// What a child is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Child {
    pub(super) task: Task,
    /// The directory of the store
    #[arg(long)]
    pub(super) store: PathBuf,
    #[arg(long, default_value_t = 1)]
    pub(super) shards: u32,
    /// Stored bytes to be reached
    #[arg(long, default_value_t = 0)]
    pub(super) bytes: u64,
    /// Seconds of each phase
    #[arg(long, default_value_t = 1.0)]
    pub(super) seconds: f64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Task {
    /// Makes the shards that there are not, and rests
    Rest,
    /// Appends to many shards, then rests
    Shards,
    /// Fills a shard and closes it
    Fill,
    /// Fills a shard and goes on until it is killed
    FillOn,
    /// Opens, and appends once to the first shard
    Open,
    /// Reads a filled shard and compares
    Verify,
    /// Works with the least memory
    Appliance,
}

impl Child {
    pub(super) fn new(task: Task, store: &Path) -> Child {
        Child {
            task,
            store: store.to_owned(),
            shards: 1,
            bytes: 0,
            seconds: 1.0,
        }
    }

    /// In the child: does it and says what came of it.
    pub(crate) fn run(&self) -> Result<(), BenchError> {
        allow_many_files()?;
        let said = match self.task {
            Task::Rest => rest::rest(self)?,
            Task::Shards => shards::append_to_all(self)?,
            Task::Fill => stored::fill(self)?,
            Task::FillOn => stored::fill_on(self)?,
            Task::Open => stored::open(self)?,
            Task::Verify => stored::verify(self)?,
            Task::Appliance => rest::appliance(self)?,
        };
        println!("{said}");
        Ok(())
    }

    fn command(&self) -> Result<Command, BenchError> {
        let program = env::current_exe().map_err(BenchError::io("find", "this program"))?;
        let mut command = Command::new(program);
        let task = self.task.to_possible_value();
        command
            .arg("child")
            .arg(task.map_or(String::new(), |task| task.get_name().to_owned()))
            .arg("--store")
            .arg(&self.store)
            .args(["--shards", &self.shards.to_string()])
            .args(["--bytes", &self.bytes.to_string()])
            .args(["--seconds", &self.seconds.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Ok(command)
    }

    /// In the harness: starts it, waits for its end, and gives what it said.
    pub(super) fn finish(&self) -> Result<Said, BenchError> {
        let output = self
            .command()?
            .stderr(Stdio::inherit())
            .output()
            .map_err(BenchError::io("start", "a child"))?;
        if !output.status.success() {
            let task = self.task;
            let status = output.status;
            return Err(BenchError::wrong(format!("{task:?}: {status}")));
        }
        Said::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// In the harness: starts it, and kills it when it has said something.
    pub(super) fn kill_when_it_speaks(&self) -> Result<Said, BenchError> {
        let failed = |doing| BenchError::io(doing, "a child");
        let mut child = self.command()?.spawn().map_err(failed("start"))?;
        let mut line = String::new();
        let read = match child.stdout.take() {
            Some(stdout) => BufReader::new(stdout).read_line(&mut line),
            None => Ok(0),
        };
        child.kill().map_err(failed("kill"))?;
        child.wait().map_err(failed("wait for"))?;
        read.map_err(failed("read from"))?;
        Said::parse(&line)
    }
}

/// What a child said.
#[derive(Debug, Clone)]
pub(super) struct Said(Value);

impl Said {
    fn parse(text: &str) -> Result<Said, BenchError> {
        serde_json::from_str(text)
            .map(Said)
            .map_err(|error| BenchError::wrong(format!("a child said '{text}': {error}")))
    }

    /// A number of it.
    pub(super) fn number(&self, name: &str) -> Result<f64, BenchError> {
        let value = self.0.get(name).and_then(Value::as_f64);
        value.ok_or_else(|| BenchError::wrong(format!("a child did not say {name}: {}", self.0)))
    }
}

/// Every open shard has a file open.
fn allow_many_files() -> Result<(), BenchError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| BenchError::io("raise", "the limit of open files")(error.into()))
}
