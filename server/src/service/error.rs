//! Why a verb was not done. Fronts turn these into what their clients understand.

use std::{fmt, io::ErrorKind, sync::Arc};

use millstream_engine::{Error as EngineError, format::FormatError};
use thiserror::Error;

use super::limits;
use crate::catalog::{CatalogError, ConsumerStatus, StreamStatus};

/// An error of a verb. Cheap to clone: one failure may be told for many records.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub(crate) enum ServiceError {
    #[error("there is no stream {name:?}; make it first, or list those that there are")]
    NoSuchStream { name: String },
    #[error("stream {name:?} exists already")]
    StreamExists { name: String },
    #[error("stream name {name:?} is not 1 to 128 of a-z A-Z 0-9 _ . -")]
    InvalidName { name: String },
    #[error(
        "{count} shards: a stream has {low} to {high}", low = limits::SHARDS.start(), high = limits::SHARDS.end()
    )]
    InvalidShardCount { count: u32 },
    #[error(
        "retention of {hours} hours: it is {low} to {high} hours", low = limits::RETENTION_HOURS_MIN, high = limits::RETENTION_HOURS_MAX
    )]
    InvalidRetention { hours: u32 },
    #[error("compression {level}: 0 is none, 1 to 19 are zstd levels")]
    InvalidCompression { level: u8 },
    #[error("the server has room for {limit} {what} in all; delete some, or raise {key}")]
    TooMany {
        what: &'static str,
        limit: usize,
        key: &'static str,
    },
    #[error("stream {stream:?} has no shard {index}; list those that it has")]
    NoSuchShard { stream: String, index: u32 },
    #[error(
        "stream {stream:?} is {}; try again when it is active", status_name(*.status)
    )]
    StreamBusy {
        stream: String,
        status: StreamStatus,
    },
    #[error(
        "stream {stream:?} has {consumers} registered consumers; deregister them first, or have them deleted with it"
    )]
    HasConsumers { stream: String, consumers: usize },
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotInThisMode(String),
    #[error("{0}")]
    Quota(String),
    #[error(
        "stream {stream:?} has no consumer {name:?}; register it first, or list those that there are"
    )]
    NoSuchConsumer { stream: String, name: String },
    #[error("stream {stream:?} has a consumer {name:?} already")]
    ConsumerExists { stream: String, name: String },
    #[error("consumer {name:?} of stream {stream:?} is {}; try again when it is active", consumer_status_name(*.status))]
    ConsumerBusy {
        stream: String,
        name: String,
        status: ConsumerStatus,
    },
    #[error("no policy is attached to {owner}; attach one first")]
    NoPolicy { owner: String },
    #[error("stream {stream:?} has no shard of id {id}: fetch the shard map and route anew")]
    ShardMapChanged { stream: String, id: u64 },
    #[error("shard {index} of stream {stream:?} cannot be opened: {reason}")]
    Unavailable {
        stream: String,
        index: u32,
        reason: Arc<str>,
    },
    #[error(
        "shard {index} of stream {stream:?} is lost: {reason}; restore the store from a backup, or delete the stream"
    )]
    ShardLost {
        stream: String,
        index: u32,
        reason: Arc<str>,
    },
    #[error("the partition key is empty; give every record 1 to 256 characters")]
    EmptyKey,
    #[error("the partition key has more than 256 characters")]
    LongKey,
    #[error("data and key of {bytes} bytes, the limit is {limit}")]
    RecordTooLarge { bytes: usize, limit: usize },
    #[error("batch: {reason}")]
    BatchInvalid { reason: String },
    #[error("batch: {0}")]
    Batch(FormatError),
    #[error("no room for more until writes complete; wait and try again")]
    Overloaded,
    #[error("the shard takes no more at the moment; it is limited, so wait and try again")]
    Throttled,
    #[error("no space left on the medium ({reason}); free some, and try again")]
    NoSpace { reason: Arc<str> },
    #[error("the server is shutting down; connect again to go on")]
    ShuttingDown,
    #[error(
        "a stored batch of {bytes} bytes does not fit in this connection's frame limit of {limit}; connect with a higher one"
    )]
    FrameLimit { bytes: usize, limit: usize },
    #[error(transparent)]
    Engine(EngineError),
    #[error(transparent)]
    Catalog(Arc<CatalogError>),
    #[error("{0}; this is a defect, please report it")]
    Defect(String),
    #[error("a task of the server ended unexpectedly; see its log")]
    TaskFailed,
}

fn status_name(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Creating => "being created",
        StreamStatus::Active => "active",
        StreamStatus::Updating => "being updated",
        StreamStatus::Deleting => "being deleted",
    }
}

fn consumer_status_name(status: ConsumerStatus) -> &'static str {
    match status {
        ConsumerStatus::Creating => "being created",
        ConsumerStatus::Active => "active",
        ConsumerStatus::Deleting => "being deleted",
    }
}

impl ServiceError {
    fn no_space(error: &dyn fmt::Display) -> ServiceError {
        ServiceError::NoSpace {
            reason: error.to_string().into(),
        }
    }
}

impl From<CatalogError> for ServiceError {
    fn from(error: CatalogError) -> ServiceError {
        match error {
            CatalogError::StreamExists { name } => ServiceError::StreamExists { name },
            // It met the error of another request, and did nothing itself; it is opened again.
            CatalogError::Database { source, .. } if matches!(*source, redb::Error::PreviousIo) => {
                ServiceError::Overloaded
            }
            full if full.is_no_space() => ServiceError::no_space(&full),
            other => ServiceError::Catalog(Arc::new(other)),
        }
    }
}

impl From<FormatError> for ServiceError {
    fn from(error: FormatError) -> ServiceError {
        ServiceError::Batch(error)
    }
}

impl From<EngineError> for ServiceError {
    fn from(error: EngineError) -> ServiceError {
        match error {
            EngineError::Full { .. } => ServiceError::Overloaded,
            EngineError::Format(error) => ServiceError::Batch(error),
            EngineError::Io { ref source, .. } if source.kind() == ErrorKind::StorageFull => {
                ServiceError::no_space(&error)
            }
            other => ServiceError::Engine(other),
        }
    }
}
