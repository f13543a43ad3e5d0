//! ListTagsForStream.

use crate::kinesis::{
    Front, description,
    fault::Fault,
    model::{input::ListTagsForStreamInput, output::ListTagsForStreamOutput},
    name::Named,
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: ListTagsForStreamInput<'_>,
) -> Result<ListTagsForStreamOutput, Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("ListTagsForStream", stream.name())?;
    let tags = front.service.tags(stream.name(), None).await;
    let mut tags = tags.map_err(|error| refusal::of(front, error))?;
    if let Some(after) = input.exclusive_start_tag_key.as_deref() {
        tags.retain(|(key, _)| key.as_str() > after);
    }
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(usize::MAX);
    let more = tags.len() > limit;
    tags.truncate(limit);
    Ok(ListTagsForStreamOutput {
        tags: Some(description::tags(tags)),
        has_more_tags: Some(more),
    })
}
