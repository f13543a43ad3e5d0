//! The operations: one file and one function for each.

mod add_tags_to_stream;
mod create_stream;
mod decrease_stream_retention_period;
mod delete_resource_policy;
mod delete_stream;
mod deregister_stream_consumer;
mod describe_account_settings;
mod describe_limits;
mod describe_stream;
mod describe_stream_consumer;
mod describe_stream_summary;
mod disable_enhanced_monitoring;
mod enable_enhanced_monitoring;
pub(super) mod get_records;
mod get_resource_policy;
mod get_shard_iterator;
mod increase_stream_retention_period;
mod list_shards;
mod list_stream_consumers;
mod list_streams;
mod list_tags_for_resource;
mod list_tags_for_stream;
mod merge_shards;
mod put_record;
pub(crate) mod put_records;
mod put_resource_policy;
mod register_stream_consumer;
mod remove_tags_from_stream;
mod split_shard;
mod start_stream_encryption;
mod stop_stream_encryption;
mod subscribe_to_shard;
mod tag_resource;
mod untag_resource;
mod update_account_settings;
mod update_max_record_size;
mod update_shard_count;
mod update_stream_mode;
mod update_stream_warm_throughput;

use bytes::Bytes;

use super::{
    Caller, Front,
    answer::Answer,
    body::{self, Encoding},
    fault::{Fault, FaultKind},
    model::Operation,
};

/// Carries out an operation.
pub(super) async fn answer(
    front: &Front,
    operation: Operation,
    encoding: Encoding,
    body: Bytes,
    _caller: &Caller,
) -> Result<Answer, Fault> {
    let body = &body[..];
    /// An operation whose input and answer are shapes of the model.
    macro_rules! shaped {
        ($operation:ident) => {{
            let input = body::decode(encoding, body)?;
            body::encode(encoding, &$operation::run(front, input).await?)
        }};
    }
    /// One that has nothing to say, and is answered without a body.
    macro_rules! silent {
        ($operation:ident) => {{
            $operation::run(front, body::decode(encoding, body)?).await?;
            Bytes::new()
        }};
    }
    Ok(Answer::Whole(match operation {
        Operation::GetRecords => {
            get_records::run(front, encoding, body::decode(encoding, body)?).await?
        }
        Operation::PutRecord => {
            put_record::run(front, encoding, body::decode(encoding, body)?).await?
        }
        Operation::SubscribeToShard => {
            let input = body::decode(encoding, body)?;
            return subscribe_to_shard::run(front, encoding, input).await;
        }
        Operation::PutRecords => put_records::run(front, encoding, body).await?,
        Operation::AddTagsToStream => silent!(add_tags_to_stream),
        Operation::CreateStream => silent!(create_stream),
        Operation::DecreaseStreamRetentionPeriod => silent!(decrease_stream_retention_period),
        Operation::DeleteResourcePolicy => silent!(delete_resource_policy),
        Operation::DeleteStream => silent!(delete_stream),
        Operation::DeregisterStreamConsumer => silent!(deregister_stream_consumer),
        Operation::DescribeAccountSettings => shaped!(describe_account_settings),
        Operation::DescribeLimits => shaped!(describe_limits),
        Operation::DescribeStream => shaped!(describe_stream),
        Operation::DescribeStreamConsumer => shaped!(describe_stream_consumer),
        Operation::DescribeStreamSummary => shaped!(describe_stream_summary),
        Operation::DisableEnhancedMonitoring => shaped!(disable_enhanced_monitoring),
        Operation::EnableEnhancedMonitoring => shaped!(enable_enhanced_monitoring),
        Operation::GetResourcePolicy => shaped!(get_resource_policy),
        Operation::GetShardIterator => shaped!(get_shard_iterator),
        Operation::IncreaseStreamRetentionPeriod => silent!(increase_stream_retention_period),
        Operation::ListShards => shaped!(list_shards),
        Operation::ListStreamConsumers => shaped!(list_stream_consumers),
        Operation::ListStreams => shaped!(list_streams),
        Operation::ListTagsForResource => shaped!(list_tags_for_resource),
        Operation::ListTagsForStream => shaped!(list_tags_for_stream),
        Operation::MergeShards => silent!(merge_shards),
        Operation::PutResourcePolicy => silent!(put_resource_policy),
        Operation::RegisterStreamConsumer => shaped!(register_stream_consumer),
        Operation::RemoveTagsFromStream => silent!(remove_tags_from_stream),
        Operation::SplitShard => silent!(split_shard),
        Operation::StartStreamEncryption => silent!(start_stream_encryption),
        Operation::StopStreamEncryption => silent!(stop_stream_encryption),
        Operation::TagResource => silent!(tag_resource),
        Operation::UntagResource => silent!(untag_resource),
        Operation::UpdateAccountSettings => shaped!(update_account_settings),
        Operation::UpdateMaxRecordSize => silent!(update_max_record_size),
        Operation::UpdateShardCount => shaped!(update_shard_count),
        Operation::UpdateStreamMode => silent!(update_stream_mode),
        Operation::UpdateStreamWarmThroughput => shaped!(update_stream_warm_throughput),
        other => {
            let message = format!(
                "{} is not supported by this server: it has no channels, queues or other distribution of records yet.",
                other.name()
            );
            return Err(Fault::new(FaultKind::InvalidArgumentException, message));
        }
    }))
}

/// What a request is told that would have been carried out.
fn dry_run() -> Fault {
    Fault::new(
        FaultKind::DryRunOperationException,
        "The request would have succeeded, but the DryRun parameter is set.",
    )
}

#[cfg(test)]
mod tests;
