//! Stand-ins for names and refusals until those of the service are here.

use std::sync::Arc;

use super::{
    Front,
    fault::Fault,
    name::{Named, NamedConsumer},
    sequence::Origin,
};
use crate::{
    catalog::ConsumerRow,
    service::{ServiceError, Stream, StreamShard},
};

/// The stream of a request.
pub(crate) fn stream(
    front: &Front,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<Arc<Stream>, Fault> {
    front.served_stream(Named { name, arn })
}

/// The stream and the consumer of an ARN.
pub(crate) fn consumer(front: &Front, arn: &str) -> Result<(Arc<Stream>, ConsumerRow), Fault> {
    front.consumer(NamedConsumer {
        arn: Some(arn),
        ..NamedConsumer::default()
    })
}

/// What a client is told of an error of a verb.
pub(crate) fn refused(error: ServiceError) -> Fault {
    Fault::from(error)
}

pub(crate) fn origin(shard: &StreamShard) -> Origin {
    Origin::new(shard.created_s, shard.index)
}
