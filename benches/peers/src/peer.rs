//! What a peer has to do, and which peers there are.

use std::path::Path;

use anyhow::{Context, Result};

use crate::row::Row;

/// A store that is open, empty, and ready to be measured.
pub(crate) trait Peer: Sync {
    /// The settings that durability and speed depend on.
    fn settings(&self) -> String;

    /// Bytes of record data that it has room for, where that is a matter of its settings.
    fn room(&self) -> u64 {
        u64::MAX
    }

    /// Appends records as one of the row's producers; they are durable when it returns.
    fn append(&self, producer: usize, records: &[&[u8]]) -> Result<()>;

    /// Closes the store, opens it again where the peer can, and shows every record in it.
    /// Says how it was done.
    fn read_back(self: Box<Self>, see: &mut dyn FnMut(&[u8])) -> Result<&'static str>;
}

/// What a peer finds when it is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// An empty directory, its own.
    pub(crate) dir: &'a Path,
    pub(crate) row: Row,
    /// Producers.
    pub(crate) threads: usize,
    /// Bytes of record data that will be appended at most.
    pub(crate) most_bytes: u64,
    /// Whether it appends to space that was never written, though it could have written it before.
    pub(crate) fresh: bool,
}

/// How a peer is measured.
pub(crate) struct Entry {
    pub(crate) open: fn(&Plan<'_>) -> Result<Box<dyn Peer>>,
    /// The number of producers that is best for it, where it is not the row's.
    pub(crate) threads: fn(&Row) -> Option<usize>,
    /// Whether it can write its space before it appends to it.
    pub(crate) prewrites: bool,
    /// Why it cannot run a row.
    pub(crate) cannot: fn(&Row) -> Option<&'static str>,
}

/// A peer by its name.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// Its package, whose version is in the lock file.
    package: &'static str,
    /// `None` where it was not compiled in.
    pub(crate) entry: Option<Entry>,
}

impl Named {
    /// The version that was compiled in.
    pub(crate) fn version(&self) -> Result<&'static str> {
        const LOCK: &str = include_str!("../Cargo.lock");
        let name = format!("name = \"{}\"\nversion = \"", self.package);
        let version = LOCK
            .split_once(&name)
            .and_then(|(_, rest)| rest.split_once('"'));
        let (version, _) =
            version.with_context(|| format!("no {} in the lock file", self.package))?;
        Ok(version)
    }
}

macro_rules! named {
    ($name:literal, $package:literal, $module:ident) => {
        Named {
            name: $name,
            package: $package,
            #[cfg(feature = $name)]
            entry: Some(crate::$module::ENTRY),
            #[cfg(not(feature = $name))]
            entry: None,
        }
    };
}

pub(crate) const PEERS: [Named; 6] = [
    named!("okaywal", "okaywal", okaywal),
    named!("raft-engine", "raft-engine", raft_engine),
    named!("walrus", "walrus-rust", walrus),
    named!("fjall", "fjall", fjall),
    named!("redb", "redb", redb),
    named!("rocksdb", "rocksdb", rocksdb),
];

#[cfg(test)]
mod tests;
