//! ListTagsForResource, of a stream or a consumer.

use crate::kinesis::{
    Front, description,
    fault::Fault,
    model::{input::ListTagsForResourceInput, output::ListTagsForResourceOutput},
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: ListTagsForResourceInput<'_>,
) -> Result<ListTagsForResourceOutput, Fault> {
    let resource = front.resource(input.resource_arn.as_deref())?;
    let (stream, consumer) = (resource.stream.name(), resource.consumer_name());
    front.count_call("ListTagsForResource", stream)?;
    let tags = front.service.tags(stream, consumer).await;
    let tags = tags.map_err(|error| refusal::of(front, error))?;
    Ok(ListTagsForResourceOutput {
        tags: Some(description::tags(tags)),
    })
}
