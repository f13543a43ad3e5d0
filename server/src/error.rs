//! Why a server does not start, or does not stop as it should.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

use crate::{catalog::CatalogError, config::ConfigError};

/// An error of the server as a whole; errors of single requests travel to their client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error("data directory {path}: {reason}", path = .path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// Why not, and what would do.
        reason: String,
    },
    /// The store under the streams.
    #[error("data directory {path}: {source}", path = .path.display())]
    Store {
        /// The data directory.
        path: PathBuf,
        /// What the engine said.
        source: millstream_engine::Error,
    },
    /// The catalog of streams.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Listening where others can reach, with nobody asked who they are.
    #[error(
        "{address} is not a loopback address, and this version asks no client who it is: listen on 127.0.0.1 or [::1], or accept that anyone who reaches {address} can read, write and delete with --insecure (`insecure = true` in the file)"
    )]
    Insecure {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Part of the server stopped although it should not.
    #[error("{part} stopped by itself; see the log, and report it")]
    Stopped {
        /// Which.
        part: &'static str,
    },
}
