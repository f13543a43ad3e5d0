//! GetShardIterator.

use crate::kinesis::{
    Front,
    fault::Fault,
    iterator::ShardIterator,
    model::{input::GetShardIteratorInput, output::GetShardIteratorOutput},
    name::Named,
    start::{self, Start},
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: GetShardIteratorInput<'_>,
) -> Result<GetShardIteratorOutput, Fault> {
    let start = Start {
        kind: input.shard_iterator_type.as_deref().unwrap_or_default(),
        number: input.starting_sequence_number.as_deref(),
        timestamp: input.timestamp,
    };
    start.check()?;
    let stream = front.served_stream(Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    })?;
    let name = input.shard_id.as_deref().unwrap_or_default();
    let shard = start::shard(front, &stream, name)?;
    let place = start.place(front, &stream, shard)?;
    if input.dry_run == Some(true) {
        return Err(super::dry_run());
    }
    let iterator = ShardIterator {
        stream: stream.name(),
        stream_id: stream.row.id,
        shard: shard.index,
        place,
        issued_ms: front.service.clock().wall_ms(),
    };
    Ok(GetShardIteratorOutput {
        shard_iterator: Some(front.iterators.seal(&iterator)),
    })
}

#[cfg(test)]
mod tests;
