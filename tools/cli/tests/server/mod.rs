//! A real server in a process of its own, and the command line against it.
#![allow(dead_code, unreachable_pub)] // each scenario uses a part
#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const MILLSTREAM: &str = env!("CARGO_BIN_EXE_millstream");

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// What it said when it started.
    pub report: Value,
}

impl Server {
    /// Starts one on a free port.
    pub fn start(data: &Path) -> Server {
        Server::start_at(data, "127.0.0.1:0", &[])
    }

    /// Starts one at an address, with more options.
    pub fn start_at(data: &Path, listen: &str, options: &[&str]) -> Server {
        let mut child = command()
            .args(["--output", "json", "serve", "--listen", listen])
            .args(["--kinesis", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("a report");
        let report = serde_json::from_str(&line).unwrap_or_else(|error| {
            let status = child.wait();
            panic!("no report but {line:?} ({error}), {status:?}")
        });
        Server { child, report }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        self.report["listening"].as_str().expect("an address")
    }

    /// Ends it as a power cut would end its process.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signalled");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("ended")
    }

    /// Stops it cleanly.
    pub fn stop(self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "the server ended with {status}");
    }

    /// A command against it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.args(["--server", self.address()]).args(arguments);
        command
    }

    /// Runs a command that must succeed; its standard output.
    pub fn run(&self, arguments: &[&str]) -> Vec<u8> {
        succeeded(self.command(arguments).output().expect("runs"))
    }

    /// Runs a command with input that must succeed; its standard output.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        succeeded(self.output_with(arguments, input))
    }

    /// Runs a command with input.
    pub fn output_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut stdin = child.stdin.take().expect("piped");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // A command that refuses its input may end before it has read all of it.
                let _ = stdin.write_all(input);
            });
            child.wait_with_output().expect("ends")
        })
    }

    /// Runs a command that must fail with that exit code; what it said on standard error.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        failed(code, self.command(arguments).output().expect("runs"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, untouched by the environment of whoever runs the tests.
pub fn command() -> Command {
    let mut command = Command::new(MILLSTREAM);
    command
        .env_remove("MILLSTREAM_SERVER")
        .env_remove("MILLSTREAM_TLS_CA")
        .env_remove("MILLSTREAM_TLS_SERVER_NAME")
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env_remove("AWS_PROFILE")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/no/such/file")
        .env_remove("RUST_LOG");
    command
}

/// Runs the binary with arguments alone.
pub fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("runs")
}

/// The standard output of what must have succeeded.
pub fn succeeded(output: Output) -> Vec<u8> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    output.stdout
}

/// The standard error of what must have failed with that exit code.
pub fn failed(code: i32, output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

/// The lines of some output.
pub fn lines(output: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = output.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.pop(), Some(&b""[..]), "output ends in a newline");
    lines
}
