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
    /// Listening where others can reach, with nobody asked who they are or the line open.
    #[error(
        "{address} is not a loopback address, and this server {missing}: give it --credentials and a certificate (--tls-cert and --tls-key, or --tls-self-signed), listen on 127.0.0.1 or [::1], or accept that anyone who reaches {address} can read, write and delete with --insecure (`insecure = true` in the file)"
    )]
    Insecure {
        /// The address.
        address: SocketAddr,
        /// What keeps it from being safe.
        missing: &'static str,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("certificate file {path}: {reason}", path = .path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why not, and what would do.
        reason: String,
    },
    /// The file of credentials cannot be used.
    #[error("credentials file {path}: {reason}", path = .path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why not, and what would do.
        reason: String,
    },
    /// Part of the server stopped although it should not.
    #[error("{part} stopped by itself; see the log, and report it")]
    Stopped {
        /// Which.
        part: &'static str,
    },
}
