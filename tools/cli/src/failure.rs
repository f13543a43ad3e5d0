//! How a command fails, and the exit code that says so.

use std::{io, path::PathBuf, process::ExitCode};

use millstream_server::{ServerError, config::ConfigError};
use thiserror::Error;

use crate::connection;

/// It failed, or something is damaged or was not acknowledged.
const FAILED: u8 = 1;
/// Wrong usage, or what was to be read cannot be read.
const CANNOT_READ: u8 = 2;

/// Why a command failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// Arguments that do not go together, or a value that cannot be.
    #[error("{0}")]
    Usage(String),
    /// A file or directory that was named on the command line.
    #[error("cannot read {path}: {source}", path = .path.display())]
    CannotRead {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard input or the file failed while it was read.
    #[error("reading {name} failed: {source}")]
    Input {
        /// The file, or standard input.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A line that cannot be a record.
    #[error("{name}, line {line}: {reason}")]
    Line {
        /// The file, or standard input.
        name: String,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A whole input that is over the record limit.
    #[error(
        "{name} is over {limit} bytes with its key, the most that a record may have; without --raw each line is a record"
    )]
    TooLarge {
        /// The file, or standard input.
        name: String,
        /// Most bytes of data and key.
        limit: usize,
    },
    /// A shard that the stream does not have.
    #[error("stream {stream} has no shard {index}; it has {shards}, counted from 0")]
    NoShard {
        /// The stream.
        stream: String,
        /// The shard that was asked for.
        index: u32,
        /// How many there are.
        shards: usize,
    },
    /// Stored files that cannot be read. Boxed, as it is large.
    #[error(transparent)]
    Stored(Box<millstream_engine::Error>),
    /// A configuration that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A server that cannot start, or did not stop as it should.
    #[error(transparent)]
    Serve(#[from] ServerError),
    /// The server, or the way to it.
    #[error(transparent)]
    Client(#[from] millstream_client::Error),
    /// A signal, before all was read.
    #[error("interrupted before the end of the input; what is counted above is put")]
    Interrupted,
    /// Records that were not acknowledged.
    #[error("{0}")]
    NotAcknowledged(String),
    /// Records that are damaged or missing.
    #[error("{0}")]
    Damaged(String),
    /// The system would not do what a command needs.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output failed.
    #[error("writing the output failed: {0}")]
    Output(#[source] io::Error),
}

impl Failure {
    /// What to do about it, where the message does not say so itself.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Failure::Client(error) => connection::advice(error),
            _ => None,
        }
    }

    /// Whether whoever read the output has gone, which is no failure: `get … | head`.
    pub(crate) fn reader_gone(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_)
            | Failure::CannotRead { .. }
            | Failure::Input { .. }
            | Failure::Config(_)
            | Failure::Stored(_)
            | Failure::Serve(ServerError::Config(_)) => CANNOT_READ.into(),
            _ => FAILED.into(),
        }
    }
}
