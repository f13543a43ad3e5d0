//! TagResource, of a stream or a consumer.

use crate::kinesis::{Front, fault::Fault, model::input::TagResourceInput, refusal, tag};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: TagResourceInput<'_>,
) -> Result<(), Fault> {
    let tags = tag::of_request(input.tags.as_ref())?;
    let resource = front.resource(input.resource_arn.as_deref())?;
    let (stream, consumer) = (resource.stream.name(), resource.consumer_name());
    front.count_call("TagResource", stream)?;
    let added = front.service.add_tags(stream, consumer, tags).await;
    added.map_err(|error| refusal::of(front, error))
}
