//! RemoveTagsFromStream.

use crate::kinesis::{
    Front, fault::Fault, model::input::RemoveTagsFromStreamInput, name::Named, refusal,
};
use std::borrow::Cow;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: RemoveTagsFromStreamInput<'_>,
) -> Result<(), Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("RemoveTagsFromStream", stream.name())?;
    let keys = input.tag_keys.unwrap_or_default();
    let keys = keys.into_iter().map(Cow::into_owned).collect();
    let removed = front.service.remove_tags(stream.name(), None, keys).await;
    removed.map_err(|error| refusal::of(front, error))
}
