//! What a client is told when a verb of the service was not done.

use super::{
    Front,
    fault::{Fault, FaultKind},
};
use crate::{
    catalog::{ConsumerStatus, StreamStatus},
    service::ServiceError,
};

impl From<ServiceError> for Fault {
    fn from(error: ServiceError) -> Fault {
        Fault::new(kind(&error), error.to_string())
    }
}

/// The same, where AWS has words for it.
pub(crate) fn of(front: &Front, error: ServiceError) -> Fault {
    let account = &front.account;
    let message = match &error {
        ServiceError::NoSuchStream { name } => {
            format!("Stream {name} under account {account} not found.")
        }
        ServiceError::StreamExists { name } => {
            format!("Stream {name} under account {account} already exists.")
        }
        ServiceError::StreamBusy { stream, status } => format!(
            "Stream {stream} under account {account} not ACTIVE, instead in state {}",
            status_name(*status)
        ),
        ServiceError::NoSuchConsumer { stream, name } => {
            format!("Consumer {name} of stream {stream} under account {account} not found.")
        }
        ServiceError::ConsumerExists { stream, name } => {
            format!("Consumer {name} of stream {stream} under account {account} already exists.")
        }
        ServiceError::ConsumerBusy {
            stream,
            name,
            status,
        } => format!(
            "Consumer {name} of stream {stream} under account {account} is not in ACTIVE status, instead in state {}",
            consumer_status_name(*status)
        ),
        error => error.to_string(),
    };
    Fault::new(kind(&error), message)
}

fn kind(error: &ServiceError) -> FaultKind {
    match error {
        ServiceError::NoSuchStream { .. }
        | ServiceError::NoSuchShard { .. }
        | ServiceError::NoSuchConsumer { .. }
        | ServiceError::NoPolicy { .. } => FaultKind::ResourceNotFoundException,
        ServiceError::StreamExists { .. }
        | ServiceError::StreamBusy { .. }
        | ServiceError::HasConsumers { .. }
        | ServiceError::ConsumerExists { .. }
        | ServiceError::ConsumerBusy { .. } => FaultKind::ResourceInUseException,
        ServiceError::InvalidName { .. }
        | ServiceError::InvalidShardCount { .. }
        | ServiceError::InvalidRetention { .. }
        | ServiceError::InvalidCompression { .. }
        | ServiceError::Invalid(_)
        | ServiceError::EmptyKey
        | ServiceError::LongKey
        | ServiceError::RecordTooLarge { .. }
        | ServiceError::BatchInvalid { .. }
        | ServiceError::Batch(_) => FaultKind::InvalidArgumentException,
        ServiceError::NotInThisMode(_) => FaultKind::ValidationException,
        ServiceError::TooMany { .. } | ServiceError::Quota(_) => FaultKind::LimitExceededException,
        ServiceError::Overloaded | ServiceError::Throttled => {
            FaultKind::ProvisionedThroughputExceededException
        }
        // Clients try these again.
        ServiceError::ShuttingDown
        | ServiceError::Unavailable { .. }
        | ServiceError::NoSpace { .. } => FaultKind::ServiceUnavailableException,
        _ => FaultKind::InternalFailure,
    }
}

/// A status as clients know it.
pub(crate) fn status_name(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Creating => "CREATING",
        StreamStatus::Active => "ACTIVE",
        StreamStatus::Updating => "UPDATING",
        StreamStatus::Deleting => "DELETING",
    }
}

fn consumer_status_name(status: ConsumerStatus) -> &'static str {
    match status {
        ConsumerStatus::Creating => "CREATING",
        ConsumerStatus::Active => "ACTIVE",
        ConsumerStatus::Deleting => "DELETING",
    }
}
