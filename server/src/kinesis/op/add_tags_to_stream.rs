//! AddTagsToStream.

use crate::kinesis::{
    Front, fault::Fault, model::input::AddTagsToStreamInput, name::Named, refusal, tag,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: AddTagsToStreamInput<'_>,
) -> Result<(), Fault> {
    let tags = tag::of_request(input.tags.as_ref())?;
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("AddTagsToStream", stream.name())?;
    let added = front.service.add_tags(stream.name(), None, tags).await;
    added.map_err(|error| refusal::of(front, error))
}
