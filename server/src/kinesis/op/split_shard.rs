//! SplitShard.

use crate::kinesis::{
    Front,
    fault::{Fault, FaultKind},
    model::input::SplitShardInput,
    name::Named,
    refusal, start,
};
use millstream_engine::format::HashKey;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: SplitShardInput<'_>,
) -> Result<(), Fault> {
    let text = input.new_starting_hash_key.unwrap_or_default();
    let at = text.parse().map(HashKey).map_err(|_| {
        let message =
            format!("NewStartingHashKey {text} is not a hash key: they end at 2^128 - 1.");
        Fault::new(FaultKind::InvalidArgumentException, message)
    })?;
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("SplitShard", stream.name())?;
    let name = input.shard_to_split.as_deref().unwrap_or_default();
    let shard = start::shard(front, &stream, name)?.index;
    let began = front.service.split_shard(stream.name(), shard, at).await;
    began.map_err(|error| refusal::of(front, error))
}
