//! A server in a process of its own, which can be killed.

use std::{
    fs::{File, OpenOptions},
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// Longest that a server may take to listen, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Server {
    program: PathBuf,
    data: PathBuf,
    device: String,
    log: PathBuf,
    address: String,
    child: Child,
}

impl Server {
    /// Starts a server on a free port and waits until it listens.
    pub(super) fn start(
        program: &Path,
        data: &Path,
        device: &str,
        log: &Path,
    ) -> Result<Server, Failure> {
        let address = free_address().map_err(Failure::io("find a port on", "127.0.0.1"))?;
        File::create(log).map_err(Failure::io("make", log))?;
        let child = spawn(program, data, device, log, &address)?;
        let mut server = Server {
            program: program.to_owned(),
            data: data.to_owned(),
            device: device.to_owned(),
            log: log.to_owned(),
            address,
            child,
        };
        server.wait_until_listening()?;
        Ok(server)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// SIGKILL, then another start on the same data; how long nobody answered.
    pub(super) fn kill_and_restart(&mut self) -> Result<Duration, Failure> {
        let start = Instant::now();
        self.child
            .kill()
            .map_err(Failure::io("kill", &self.program))?;
        self.child
            .wait()
            .map_err(Failure::io("wait for", &self.program))?;
        self.child = spawn(
            &self.program,
            &self.data,
            &self.device,
            &self.log,
            &self.address,
        )?;
        self.wait_until_listening()?;
        Ok(start.elapsed())
    }

    /// SIGTERM, and waits for a clean end.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        let id = self.child.id().to_string();
        crate::failure::run(Command::new("kill").args(["-TERM", &id]))?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.ended()? {
                return match status.success() {
                    true => Ok(()),
                    false => Err(self.failed(&format!("it stopped with {status}"))),
                };
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(self.failed("it does not stop on SIGTERM"))
    }

    fn wait_until_listening(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if TcpStream::connect(&self.address).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                return Err(self.failed(&format!("it ended with {status}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(self.failed("it does not listen"))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.child
            .try_wait()
            .map_err(Failure::io("wait for", &self.program))
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::Wrong(format!("the server: {what}; see {}", self.log.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(
    program: &Path,
    data: &Path,
    device: &str,
    log: &Path,
    address: &str,
) -> Result<Child, Failure> {
    let append = || {
        OpenOptions::new()
            .append(true)
            .open(log)
            .map_err(Failure::io("open", log))
    };
    Command::new(program)
        .args(["serve", "--listen", address, "--kinesis", "off"])
        .args(["--device", device, "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(append()?)
        .stderr(append()?)
        .spawn()
        .map_err(Failure::io("start", program))
}

/// An address that was free a moment ago: the server has to come back to the same one.
fn free_address() -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.to_string())
}
