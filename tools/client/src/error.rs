use std::{io, sync::Arc, time::Duration};

use millstream_format::FormatError;
use millstream_wire::{CodecError, ErrorAnswer, ErrorCode, FrameError, Outcome, Retry};
use thiserror::Error;

/// An error of the client. Cheap to clone: one failure may be told to many waiters.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection could be made.
    #[error("{doing} {address}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With whom.
        address: Arc<str>,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The server accepted a request and did not answer in time: it may have been done or not.
    #[error("{address} did not answer within {millis} ms: the request may have been done or not")]
    NoAnswer {
        /// With whom.
        address: Arc<str>,
        /// How long it was waited for.
        millis: u64,
    },
    /// Nothing was sent in time.
    #[error("{doing} {address}: not done within {millis} ms")]
    Timeout {
        /// What was being done.
        doing: &'static str,
        /// With whom.
        address: Arc<str>,
        /// How long it was waited for.
        millis: u64,
    },
    /// The connection was lost after the request was sent: it may have been done or not.
    #[error(
        "the connection to {address} was lost before the answer came ({reason}): the request may have been done or not"
    )]
    ConnectionLost {
        /// With whom.
        address: Arc<str>,
        /// What ended it.
        reason: Arc<str>,
    },
    /// The connection was lost before the request was sent: it was not done.
    #[error("the connection to {address} was lost before the request was sent")]
    NotSent {
        /// With whom.
        address: Arc<str>,
    },
    /// A request longer than the frame limit of the connection: it was not sent.
    #[error(
        "a request of {len} bytes, the connection's frame limit is {limit}: send less at a time, or connect with a higher one"
    )]
    FrameLimit {
        /// Its length.
        len: usize,
        /// The limit.
        limit: u32,
    },
    /// The server asks who the client is, which was not told.
    #[error("{address} asks who you are: give an access key that it knows, and its secret")]
    NoCredentials {
        /// Who asks.
        address: Arc<str>,
    },
    /// The server said no.
    #[error(transparent)]
    Server(#[from] ErrorAnswer),
    /// The peer breaks the framing.
    #[error("the server does not speak this protocol: {0}")]
    Frame(#[from] FrameError),
    /// A request or an answer that cannot be encoded or decoded.
    #[error("message: {0}")]
    Codec(#[from] CodecError),
    /// The server answered with something else than was asked for.
    #[error("the server answered {what}")]
    Unexpected {
        /// With what.
        what: String,
    },
    /// A record over a limit, or a batch that does not verify.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A record that the producer does not take.
    #[error("record: {reason}")]
    Record {
        /// Why not.
        reason: &'static str,
    },
    /// An option that cannot be.
    #[error("option {option}: {reason}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Why not, and what would do.
        reason: String,
    },
    /// The producer or the client was closed.
    #[error("closed")]
    Closed,
}

impl Error {
    pub(crate) fn io(doing: &'static str, address: &Arc<str>, source: io::Error) -> Error {
        Error::Io {
            doing,
            address: address.clone(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn timeout(doing: &'static str, address: &Arc<str>, limit: Duration) -> Error {
        Error::Timeout {
            doing,
            address: address.clone(),
            millis: millis(limit),
        }
    }

    pub(crate) fn lost(address: &Arc<str>, reason: impl std::fmt::Display) -> Error {
        Error::ConnectionLost {
            address: address.clone(),
            reason: reason.to_string().into(),
        }
    }

    pub(crate) fn no_answer(address: &Arc<str>, limit: Duration) -> Error {
        Error::NoAnswer {
            address: address.clone(),
            millis: millis(limit),
        }
    }

    /// The server's code, where it is the server that said no.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Server(error) => Some(error.code),
            _ => None,
        }
    }

    /// Whether the request may have been done although an error came back.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Error::Server(error) => error.code.outcome() == Outcome::Unknown,
            Error::ConnectionLost { .. }
            | Error::NoAnswer { .. }
            | Error::Frame(_)
            | Error::Codec(_)
            | Error::Unexpected { .. } => true,
            _ => false,
        }
    }

    /// Whether the same request may do better after a pause, perhaps on a new connection.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Error::Io { .. }
            | Error::Timeout { .. }
            | Error::NoAnswer { .. }
            | Error::ConnectionLost { .. }
            | Error::NotSent { .. } => true,
            Error::Server(error) => error.code.retry() == Retry::Later,
            _ => false,
        }
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}
