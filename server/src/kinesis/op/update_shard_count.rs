//! UpdateShardCount.

use crate::kinesis::{
    Front,
    description::count,
    fault::Fault,
    model::{input::UpdateShardCountInput, output::UpdateShardCountOutput},
    name::Named,
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: UpdateShardCountInput<'_>,
) -> Result<UpdateShardCountOutput, Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("UpdateShardCount", stream.name())?;
    let target = input.target_shard_count.unwrap_or_default();
    let target = u32::try_from(target).unwrap_or_default();
    let counts = front
        .service
        .update_shard_count(stream.name(), target)
        .await;
    let counts = counts.map_err(|error| refusal::of(front, error))?;
    Ok(UpdateShardCountOutput {
        stream_name: Some(stream.name().to_owned()),
        current_shard_count: Some(count(counts.before as usize)),
        target_shard_count: Some(count(counts.target as usize)),
        stream_arn: Some(front.stream_arn(stream.name())),
    })
}
