//! Stand-ins for names and refusals until those of the service are here.

use std::sync::Arc;

use super::{Front, fault::Fault, name::Named, sequence::Origin};
use crate::service::{ServiceError, Stream, StreamShard};

/// The stream of a request.
pub(crate) fn stream(
    front: &Front,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<Arc<Stream>, Fault> {
    front.served_stream(Named { name, arn })
}

/// What a client is told of an error of a verb.
pub(crate) fn refused(error: ServiceError) -> Fault {
    Fault::from(error)
}

pub(crate) fn origin(shard: &StreamShard) -> Origin {
    Origin::new(shard.created_s, shard.index)
}
