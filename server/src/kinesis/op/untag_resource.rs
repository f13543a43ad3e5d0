//! UntagResource, of a stream or a consumer.

use crate::kinesis::{Front, fault::Fault, model::input::UntagResourceInput, refusal};
use std::borrow::Cow;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: UntagResourceInput<'_>,
) -> Result<(), Fault> {
    let resource = front.resource(input.resource_arn.as_deref())?;
    let (stream, consumer) = (resource.stream.name(), resource.consumer_name());
    front.count_call("UntagResource", stream)?;
    let keys = input.tag_keys.unwrap_or_default();
    let keys = keys.into_iter().map(Cow::into_owned).collect();
    let removed = front.service.remove_tags(stream, consumer, keys).await;
    removed.map_err(|error| refusal::of(front, error))
}
