//! Programs that the suites are built and run with, from Debian's packages where they are missing.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::quietly;
use crate::failure::Failure;

/// A program, and the packages of Debian that bring it.
#[derive(Debug)]
pub(super) struct Tool {
    program: &'static str,
    packages: &'static [&'static str],
}

pub(super) const PYTHON: Tool = Tool {
    program: "python3",
    packages: &["python3-venv"],
};
pub(super) const MAVEN: Tool = Tool {
    program: "mvn",
    packages: &["maven", "openjdk-17-jdk-headless"],
};
/// The compiler, not the run time: a machine may have the one without the other.
pub(super) const JAVA: Tool = Tool {
    program: "javac",
    packages: &["openjdk-17-jdk-headless"],
};
pub(super) const NPM: Tool = Tool {
    program: "npm",
    packages: &["nodejs", "npm"],
};
pub(super) const GO: Tool = Tool {
    program: "go",
    packages: &["golang"],
};

impl Tool {
    /// Where the program is; it is installed when it is nowhere.
    pub(super) fn found(&self, work: &Path) -> Result<PathBuf, Failure> {
        if let Some(path) = in_path(self.program) {
            return Ok(path);
        }
        self.install(work)?;
        in_path(self.program).ok_or_else(|| {
            Failure::Wrong(format!(
                "{} is not there after `apt-get install {}`",
                self.program,
                self.packages.join(" ")
            ))
        })
    }

    /// Installs its packages.
    pub(super) fn install(&self, work: &Path) -> Result<(), Failure> {
        println!("    installing {}", self.packages.join(" "));
        let log = work.join("logs/apt.log");
        quietly(apt().args(["update", "-q"]), &log)?;
        let mut install = apt();
        install.args(["install", "-q", "-y", "--no-install-recommends"]);
        quietly(install.args(self.packages), &log)
    }
}

fn apt() -> Command {
    // Only root may install, and root need not have sudo.
    let is_root = env::var_os("HOME").is_some_and(|home| home == "/root");
    let mut command = match is_root {
        true => Command::new("apt-get"),
        false => {
            let mut sudo = Command::new("sudo");
            sudo.arg("apt-get");
            sudo
        }
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn in_path(program: &str) -> Option<PathBuf> {
    let directories = env::var_os("PATH")?;
    env::split_paths(&directories)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}
