//! Why a command did not do what it was asked to.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use thiserror::Error;

/// Why a command did not do what it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The system refused an operation.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A manifest that cannot be read.
    #[error("{path}: {reason}", path = .path.display())]
    Manifest { path: PathBuf, reason: String },
    /// A program that ended with an error.
    #[error("`{command}` ended with {status}")]
    Program { command: String, status: ExitStatus },
    /// What was checked does not hold.
    #[error("{0}")]
    Wrong(String),
}

impl Failure {
    /// A [`Failure::Io`], in the form that `map_err` takes.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Failure {
        let path = path.as_ref().to_owned();
        move |source| Failure::Io {
            doing,
            path,
            source,
        }
    }
}

/// Runs a program to its end; an error when it does not end well.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command
        .status()
        .map_err(Failure::io("start", command.get_program()))?;
    if status.success() {
        return Ok(());
    }
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    Err(Failure::Program {
        command: line,
        status,
    })
}
