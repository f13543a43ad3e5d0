//! DescribeStreamSummary.

use crate::catalog::{StreamMode, StreamStatus};
use crate::kinesis::{
    Front,
    description::{self, count},
    fault::Fault,
    model::{
        choice::RecordDistributionStrategy,
        input::DescribeStreamSummaryInput,
        output::{DescribeStreamSummaryOutput, StreamDescriptionSummary},
    },
    name::Named,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: DescribeStreamSummaryInput<'_>,
) -> Result<DescribeStreamSummaryOutput, Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("DescribeStreamSummary", stream.name())?;
    let (encryption_type, key_id) = description::encryption(&stream);
    let open = match stream.row.status {
        StreamStatus::Creating => 0,
        _ => stream.map.open_count(),
    };
    // Clients stop aggregating records where this is missing.
    let on_demand = stream.row.mode == StreamMode::OnDemand;
    let distribution = on_demand.then_some(RecordDistributionStrategy::UserPartitionKey);
    Ok(DescribeStreamSummaryOutput {
        stream_description_summary: Some(StreamDescriptionSummary {
            stream_name: Some(stream.name().to_owned()),
            stream_arn: Some(front.stream_arn(stream.name())),
            stream_id: None,
            stream_status: Some(description::status(&stream)),
            stream_mode_details: Some(description::mode(&stream)),
            retention_period_hours: Some(count(stream.row.retention_hours as usize)),
            stream_creation_timestamp: Some(description::time(stream.row.created_ms)),
            enhanced_monitoring: Some(description::monitoring(&stream)),
            encryption_type: Some(encryption_type),
            key_id,
            open_shard_count: Some(count(open)),
            consumer_count: Some(count(stream.consumers.len())),
            warm_throughput: description::warm_throughput(front, &stream),
            max_record_size_in_kib: Some(description::record_kib(front, &stream)),
            channel_count: None,
            record_distribution_strategy: distribution,
            queue_count: None,
        }),
    })
}
