//! Stand-ins for names and refusals until those of the service are here.

use std::sync::Arc;

use super::{
    Front,
    fault::{Fault, FaultKind},
    sequence::Origin,
};
use crate::service::{ServiceError, Stream, StreamShard};

/// The stream of a request.
pub(crate) fn stream(
    front: &Front,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<Arc<Stream>, Fault> {
    let of_arn = arn
        .and_then(|arn| arn.rsplit_once('/'))
        .map(|(_, name)| name);
    let name = name.or(of_arn).ok_or_else(|| {
        Fault::new(
            FaultKind::InvalidArgumentException,
            "Either StreamName or StreamARN is needed.",
        )
    })?;
    front.service.served(name).map_err(refused)
}

/// What a client is told of an error of a verb.
pub(crate) fn refused(error: ServiceError) -> Fault {
    let kind = match &error {
        ServiceError::NoSuchStream { .. } | ServiceError::NoSuchShard { .. } => {
            FaultKind::ResourceNotFoundException
        }
        ServiceError::Overloaded | ServiceError::Throttled => {
            FaultKind::ProvisionedThroughputExceededException
        }
        _ => FaultKind::InternalFailure,
    };
    Fault::new(kind, error.to_string())
}

pub(crate) fn origin(shard: &StreamShard) -> Origin {
    Origin::new(shard.created_s, shard.index)
}
