//! DescribeStream.

use crate::catalog::StreamStatus;
use crate::kinesis::{
    Front,
    description::{self, count},
    fault::Fault,
    model::{
        input::DescribeStreamInput,
        output::{DescribeStreamOutput, StreamDescription},
    },
    name::{Named, shard_number},
};

/// Shards in an answer, unless fewer are asked for.
const PAGE: usize = 100;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: DescribeStreamInput<'_>,
) -> Result<DescribeStreamOutput, Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("DescribeStream", stream.name())?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(PAGE).min(PAGE);
    // Shards that are still being made are not shown.
    let shards = match stream.row.status {
        StreamStatus::Creating => &[],
        _ => stream.map.all(),
    };
    let first = match input.exclusive_start_shard_id.as_deref() {
        Some(after) => {
            let after = shard_number(after)?;
            shards.partition_point(|shard| shard.index <= after)
        }
        None => 0,
    };
    let rest = &shards[first..];
    let (encryption_type, key_id) = description::encryption(&stream);
    let page = rest.iter().take(limit).map(description::shard).collect();
    Ok(DescribeStreamOutput {
        stream_description: Some(StreamDescription {
            stream_name: Some(stream.name().to_owned()),
            stream_arn: Some(front.stream_arn(stream.name())),
            stream_status: Some(description::status(&stream)),
            stream_mode_details: Some(description::mode(&stream)),
            shards: Some(page),
            has_more_shards: Some(rest.len() > limit),
            retention_period_hours: Some(count(stream.row.retention_hours as usize)),
            stream_creation_timestamp: Some(description::time(stream.row.created_ms)),
            enhanced_monitoring: Some(description::monitoring(&stream)),
            encryption_type: Some(encryption_type),
            key_id,
        }),
    })
}
