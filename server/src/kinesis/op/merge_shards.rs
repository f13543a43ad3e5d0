//! MergeShards.

use crate::kinesis::{
    Front, fault::Fault, model::input::MergeShardsInput, name::Named, refusal, start,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: MergeShardsInput<'_>,
) -> Result<(), Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("MergeShards", stream.name())?;
    let number = |name: Option<&str>| {
        start::shard(front, &stream, name.unwrap_or_default()).map(|shard| shard.index)
    };
    let shard = number(input.shard_to_merge.as_deref())?;
    let adjacent = number(input.adjacent_shard_to_merge.as_deref())?;
    let began = front
        .service
        .merge_shards(stream.name(), shard, adjacent)
        .await;
    began.map_err(|error| refusal::of(front, error))
}
