//! Why a measurement could not be made, or is not to be believed.

use std::{
    io,
    path::{Path, PathBuf},
};

use millstream_client as client;
use millstream_engine as engine;
use thiserror::Error;

/// Why a measurement could not be made, or is not to be believed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum BenchError {
    /// The system refused an operation.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The engine refused.
    #[error("engine: {0}")]
    Engine(#[from] engine::Error),
    /// The client or the server refused.
    #[error("client: {0}")]
    Client(#[from] client::Error),
    /// What was read back is not what was acknowledged, or the set-up is not as it must be.
    #[error("{0}")]
    Wrong(String),
}

impl BenchError {
    /// A [`BenchError::Io`], in the form that `map_err` takes.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> BenchError {
        let path = path.as_ref().to_owned();
        move |source| BenchError::Io {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn wrong(what: impl Into<String>) -> BenchError {
        BenchError::Wrong(what.into())
    }
}
