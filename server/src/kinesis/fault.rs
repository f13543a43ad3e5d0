//! What an answer tells of an error.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;

use super::body::{self, Encoding};
pub(crate) use super::model::FaultKind;

/// An error as a client of the API sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    kind: FaultKind,
    message: String,
}

impl Fault {
    /// An error of a kind, with what is wrong and what would do.
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault {
            kind,
            message: message.into(),
        }
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Its name, as `__type` says it.
    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The status of its answer.
    pub(crate) fn status(&self) -> u16 {
        self.kind.status()
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The body of its answer.
    pub(crate) fn body(&self, encoding: Encoding) -> Bytes {
        #[derive(Serialize)]
        struct Told<'f> {
            __type: &'static str,
            message: &'f str,
        }

        body::encode(
            encoding,
            &Told {
                __type: self.name(),
                message: &self.message,
            },
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.message)
    }
}

impl std::error::Error for Fault {}
