//! The Millstream server: streams over the storage engine, and the binary protocol in front.
//!
//! - [`config`]: what it is told.
//! - [`Server`]: start and stop.
//! - `catalog`: which streams there are, durably.
//! - `service`: the verbs, the same for every front.
//! - [`snapshot()`]: a copy of a data directory that is in use.
//! - `protocol`: the front that speaks the binary protocol over TCP.
//! - `kinesis`: the front that speaks the API of Amazon Kinesis Data Streams over HTTP.
//! - `listener` and `tls`: what both fronts stand on.

mod capacity;
mod catalog;
pub mod config;
mod credentials;
mod descriptors;
mod error;
mod fanout;
#[doc(hidden)]
pub mod fuzzing;
mod kinesis;
mod listener;
#[doc(hidden)]
pub mod measuring;
mod protocol;
mod server;
mod service;
mod shutdown;
mod snapshot;
mod tls;

use std::path::Path;

use millstream_engine::inspect::ExpectedShards;

pub use catalog::{CATALOG_FORMAT, CatalogError};
pub use config::{Config, ConfigError};
pub use error::ServerError;
pub use millstream_engine::DeviceReport;
pub use server::Server;
pub use snapshot::{copy_catalog, snapshot};

/// What the catalog in a data directory says of its shards; `None` where there is no catalog.
/// The server may be running.
///
/// # Errors
/// When the catalog cannot be read, for instance because it is being written at the moment.
pub fn expected_shards(data: &Path) -> Result<Option<ExpectedShards>, CatalogError> {
    if !catalog::Catalog::exists(data) {
        return Ok(None);
    }
    catalog::Image::take(data)?.expected_shards().map(Some)
}
