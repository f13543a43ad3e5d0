//! The server: a process of its own, which is killed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::TcpStream, time};

/// Longest that a server may take to listen, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) program: PathBuf,
    /// Where the store goes.
    pub(crate) data: PathBuf,
    /// Where log and configuration go.
    pub(crate) work: PathBuf,
    pub(crate) device: String,
    pub(crate) buffered: bool,
}

/// Small segments, so that they roll under every kill.
const CONFIGURATION: &str = "\
[store]
segment_bytes = \"1MiB\"
memory_budget = \"64MiB\"
lock_wait = \"30s\"
";

/// A server that runs, or may be started.
#[derive(Debug)]
pub(crate) struct Server {
    setting: Setting,
    address: String,
    child: Option<Child>,
    /// How long the last start took until it listened.
    pub(crate) start_time: Duration,
}

impl Server {
    /// One that is not started yet, with its configuration written.
    pub(crate) fn new(setting: Setting) -> io::Result<Server> {
        fs::write(setting.work.join("server.toml"), CONFIGURATION)?;
        File::create(setting.log())?;
        Ok(Server {
            address: free_address()?,
            setting,
            child: None,
            start_time: Duration::from_millis(50),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn setting(&self) -> &Setting {
        &self.setting
    }

    /// Starts the process, and returns at once.
    pub(crate) fn spawn(&mut self) -> Result<(), String> {
        let log = || {
            let log = OpenOptions::new().append(true).open(self.setting.log());
            log.map_err(|error| format!("the log: {error}"))
        };
        let mut command = Command::new(&self.setting.program);
        command
            .env_remove("RUST_LOG")
            .args(["serve", "--listen", &self.address, "--kinesis", "off"])
            .args(["--device", &self.setting.device, "--config"])
            .arg(self.setting.work.join("server.toml"))
            .arg("--data")
            .arg(&self.setting.data)
            .args(self.setting.buffered.then_some("--buffered"))
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?);
        let child = command.spawn();
        let program = self.setting.program.display();
        self.child = Some(child.map_err(|error| format!("start {program}: {error}"))?);
        Ok(())
    }

    /// Starts the process, and returns when it listens.
    pub(crate) async fn start(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        self.spawn()?;
        loop {
            if TcpStream::connect(&self.address).await.is_ok() {
                self.start_time = begun.elapsed();
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                return Err(format!("the server ended with {status} as it started"));
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the server does not listen after {PATIENCE:?}"));
            }
            time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How it ended, if it did so by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let ended = child.try_wait();
        ended.map_err(|error| format!("wait for the server: {error}"))
    }

    /// Whether it ended as it started, because the medium is full.
    pub(crate) fn lacks_room(&mut self) -> Result<bool, String> {
        let ended = self.ended()?.is_some();
        let log = fs::read_to_string(self.setting.log()).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or_default();
        Ok(ended && last.starts_with("error: ") && last.contains("No space left"))
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        // One that has ended just now cannot be killed, and need not.
        let _ = child.kill();
        let ended = child.wait();
        ended.map_err(|error| format!("wait for the server: {error}"))?;
        Ok(())
    }

    /// SIGTERM, and does not wait.
    pub(crate) fn terminate(&self) -> Result<(), String> {
        let Some(child) = &self.child else {
            return Ok(());
        };
        let sent = kill_process(Pid::from_child(child), Signal::TERM);
        sent.map_err(|error| format!("SIGTERM: {error}"))
    }

    /// SIGTERM, and waits for a clean end.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        self.terminate()?;
        let begun = Instant::now();
        loop {
            match self.ended()? {
                Some(status) if status.success() => break,
                Some(status) => return Err(format!("the server stopped with {status}")),
                None if begun.elapsed() > PATIENCE => {
                    return Err(format!("the server does not stop within {PATIENCE:?}"));
                }
                None => time::sleep(Duration::from_millis(2)).await,
            }
        }
        self.child = None;
        Ok(())
    }

    /// What `millstream verify` says of the store, while no server runs.
    pub(crate) fn verify(&self) -> Result<String, String> {
        let mut command = Command::new(&self.setting.program);
        let output = command.arg("verify").arg(&self.setting.data).output();
        let output = output.map_err(|error| format!("start verify: {error}"))?;
        let out = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() {
            return Ok(out);
        }
        let more = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(format!("verify: {out} {more}"))
    }

    /// Lines of the log that no kill excuses.
    pub(crate) fn complaints(&self, errors: bool) -> Vec<String> {
        let log = fs::read_to_string(self.setting.log()).unwrap_or_default();
        let bad = |line: &&str| {
            line.contains("panicked at")
                || line.contains("defect")
                || (errors && line.contains("ERROR"))
        };
        log.lines().filter(bad).map(str::to_owned).collect()
    }
}

impl Setting {
    /// Where the server's log goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.work.join("server.log")
    }

    /// Where a file beside the store goes that takes its room away.
    pub(crate) fn ballast(&self) -> PathBuf {
        let beside = self.data.parent().unwrap_or(Path::new("/"));
        beside.join("ballast")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

/// An address that was free a moment ago: the server has to come back to the same one.
fn free_address() -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.to_string())
}
