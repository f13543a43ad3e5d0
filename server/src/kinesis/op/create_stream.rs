//! CreateStream.

use crate::{
    catalog::StreamMode,
    kinesis::{
        Front,
        description::DEFAULT_RECORD_KIB,
        fault::{Fault, FaultKind},
        model::{
            choice::{self, RecordDistributionStrategy},
            input::CreateStreamInput,
        },
        refusal, tag,
    },
    service::CreateStream,
};

/// Shards that a stream on demand begins with.
const ON_DEMAND_SHARDS: u32 = 4;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: CreateStreamInput<'_>,
) -> Result<(), Fault> {
    let invalid = |message: &str| Fault::new(FaultKind::InvalidArgumentException, message);
    let details = input.stream_mode_details.and_then(|d| d.stream_mode);
    let mode = mode(details.as_deref());
    let shards = match (mode, input.shard_count) {
        (StreamMode::OnDemand, _) => ON_DEMAND_SHARDS,
        (StreamMode::Provisioned, Some(shards)) => u32::try_from(shards).unwrap_or_default(),
        (StreamMode::Provisioned, None) => {
            let message = "ShardCount is needed for a stream whose StreamMode is PROVISIONED.";
            return Err(invalid(message));
        }
    };
    if let Some(strategy) = input.record_distribution_strategy.as_deref() {
        if strategy == RecordDistributionStrategy::Auto.name() {
            let message = "RecordDistributionStrategy AUTO is not supported by this server: use USER_PARTITION_KEY, and give every record a partition key.";
            return Err(invalid(message));
        }
        if mode == StreamMode::Provisioned {
            let message = "RecordDistributionStrategy goes with StreamMode ON_DEMAND only.";
            return Err(invalid(message));
        }
    }
    let warm_mibps = input.warm_throughput_mibps;
    let warm_mibps = warm_mibps.and_then(|mibps| u32::try_from(mibps).ok());
    if warm_mibps.is_some() && !(mode == StreamMode::OnDemand && front.service.is_committed()) {
        let message = "WarmThroughputMiBps is for streams whose StreamMode is ON_DEMAND, while the account's MinimumThroughputBillingCommitment is enabled.";
        return Err(Fault::new(FaultKind::ValidationException, message));
    }
    let kib = input.max_record_size_in_kib;
    let kib = kib.and_then(|kib| u32::try_from(kib).ok());
    let tags = tag::of_request(input.tags.as_ref())?;
    front.count_call("CreateStream", "")?;
    let name = input.stream_name.unwrap_or_default();
    let wanted = CreateStream {
        mode,
        max_record_kib: Some(kib.unwrap_or(DEFAULT_RECORD_KIB)),
        warm_mibps,
        tags,
        ..CreateStream::plain(name, shards)
    };
    let began = front.service.start_stream(wanted).await;
    began.map(drop).map_err(|error| refusal::of(front, error))
}

/// The mode of a name; provisioned where none is said.
pub(super) fn mode(name: Option<&str>) -> StreamMode {
    match name.and_then(choice::StreamMode::from_name) {
        Some(choice::StreamMode::OnDemand) => StreamMode::OnDemand,
        Some(choice::StreamMode::Provisioned) | None => StreamMode::Provisioned,
    }
}
