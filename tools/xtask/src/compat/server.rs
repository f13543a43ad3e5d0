//! The server that a suite talks to: started on an empty data directory, with credentials.

use std::{
    fs::{self, OpenOptions},
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY};
use crate::{
    failure::{self, Failure},
    workspace,
};

/// Longest that a server may take to listen, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Builds the server; where the program is.
pub(super) fn build(release: bool) -> Result<PathBuf, Failure> {
    let mut build = workspace::cargo();
    build.args(["build", "--quiet", "--package", "millstream-cli"]);
    failure::run(build.args(release.then_some("--release")))?;
    let profile = if release { "release" } else { "debug" };
    Ok(workspace::target_directory()
        .join(profile)
        .join("millstream"))
}

/// How a server is started. A suite that starts it itself is told just this.
#[derive(Debug)]
pub(super) struct Plan {
    arguments: Vec<String>,
    address: String,
    certificate: Option<PathBuf>,
    log: PathBuf,
}

/// A server in a process of its own.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    pub(super) fn plan(
        program: &Path,
        scratch: &Path,
        log: &Path,
        tls: bool,
    ) -> Result<Plan, Failure> {
        let address = free_address().map_err(Failure::io("find a port on", "127.0.0.1"))?;
        let data = scratch.join("data");
        let credentials = scratch.join("credentials");
        let profile = format!(
            "[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        );
        fs::write(&credentials, profile).map_err(Failure::io("write", &credentials))?;
        fs::File::create(log).map_err(Failure::io("make", log))?;
        let path = |path: &Path| path.display().to_string();
        let mut arguments = vec![path(program), "serve".to_owned()];
        let mut option = |name: &str, value: String| {
            arguments.extend([name.to_owned(), value]);
        };
        option("--listen", "127.0.0.1:0".to_owned());
        option("--kinesis", address.clone());
        option("--region", REGION.to_owned());
        option("--account-id", ACCOUNT.to_owned());
        option("--data", path(&data));
        option("--credentials", path(&credentials));
        if tls {
            arguments.push("--tls-self-signed".to_owned());
        }
        Ok(Plan {
            arguments,
            address,
            certificate: tls.then(|| data.join("tls-cert.pem")),
            log: log.to_owned(),
        })
    }
}

impl Plan {
    /// What a suite has to know of its server.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let mut environment = vec![
            ("KINESIS_ENDPOINT", format!("{scheme}://{}", self.address)),
            ("KINESIS_CHECKS_SIGNATURES", "1".to_owned()),
            // Arguments hold no line breaks: one a line needs no quoting.
            ("KINESIS_SERVER_COMMAND", self.arguments.join("\n")),
            ("KINESIS_SERVER_LOG", self.log.display().to_string()),
        ];
        if let Some(certificate) = &self.certificate {
            environment.push(("KINESIS_CERTIFICATE", certificate.display().to_string()));
        }
        environment
    }

    /// Starts the server, and waits until it listens.
    pub(super) fn start(self) -> Result<Server, Failure> {
        let append = || {
            OpenOptions::new()
                .append(true)
                .open(&self.log)
                .map_err(Failure::io("open", &self.log))
        };
        let child = Command::new(&self.arguments[0])
            .args(&self.arguments[1..])
            .stdin(Stdio::null())
            .stdout(append()?)
            .stderr(append()?)
            .spawn()
            .map_err(Failure::io("start", &self.arguments[0]))?;
        let mut server = Server {
            child,
            log: self.log,
        };
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            // It listens before it has made its certificate.
            let has_certificate = self.certificate.as_ref().is_none_or(|file| file.is_file());
            if has_certificate && TcpStream::connect(&self.address).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.ended()? {
                return Err(server.failed(&format!("it ended with {status}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(server.failed("it does not listen"))
    }
}

impl Server {
    /// SIGTERM, and waits for a clean end.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        if let Some(status) = self.ended()? {
            return Err(self.failed(&format!("it ended before the suite, with {status}")));
        }
        let id = self.child.id().to_string();
        failure::run(Command::new("kill").args(["-TERM", &id]))?;
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

    fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.child
            .try_wait()
            .map_err(Failure::io("wait for", "the server"))
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

/// An address that was free a moment ago: a server that is killed has to come back to the same.
fn free_address() -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.to_string())
}
