//! Streams, shards and consumers as answers describe them.

use super::{
    Front,
    body::Timestamp,
    fault::{Fault, FaultKind},
    model::{
        choice::{self, MetricsName},
        output,
    },
    sequence::Origin,
    shard_id::ShardName,
};
use crate::{
    catalog::{ConsumerRow, ConsumerStatus, Metrics, StreamMode, StreamStatus},
    service::{Stream, StreamShard},
};

/// KiB of a record where nothing else was said when the stream was made.
pub(crate) const DEFAULT_RECORD_KIB: u32 = 1024;
/// Metrics that there are besides "all".
const METRICS: usize = MetricsName::ALL.len() - 1;

/// A time in milliseconds since 1970.
pub(crate) fn time(ms: u64) -> Timestamp {
    Timestamp {
        ms: i64::try_from(ms).unwrap_or(i64::MAX),
    }
}

/// A count, which no answer has more of than this.
pub(crate) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

pub(crate) fn status(stream: &Stream) -> choice::StreamStatus {
    match stream.row.status {
        StreamStatus::Creating => choice::StreamStatus::Creating,
        StreamStatus::Active => choice::StreamStatus::Active,
        StreamStatus::Updating => choice::StreamStatus::Updating,
        StreamStatus::Deleting => choice::StreamStatus::Deleting,
    }
}

pub(crate) fn mode(stream: &Stream) -> output::StreamModeDetails {
    let mode = match stream.row.mode {
        StreamMode::Provisioned => choice::StreamMode::Provisioned,
        StreamMode::OnDemand => choice::StreamMode::OnDemand,
    };
    output::StreamModeDetails {
        stream_mode: Some(mode),
    }
}

/// What is said of encryption: the type, and the key where there is one.
pub(crate) fn encryption(stream: &Stream) -> (choice::EncryptionType, Option<String>) {
    match &stream.row.encryption_key {
        Some(key) => (choice::EncryptionType::Kms, Some(key.clone())),
        None => (choice::EncryptionType::None, None),
    }
}

/// The names of metrics, in the model's order.
pub(crate) fn metric_names(metrics: Metrics) -> Vec<MetricsName> {
    let all = MetricsName::ALL.iter().take(METRICS).enumerate();
    let on = all.filter(|(bit, _)| metrics.0 & (1 << bit) != 0);
    on.map(|(_, name)| *name).collect()
}

/// The metrics of names, of which one may be "all".
pub(crate) fn metrics<'a>(names: impl Iterator<Item = &'a str>) -> Metrics {
    let mut metrics = Metrics::default();
    for name in names.filter_map(MetricsName::from_name) {
        match MetricsName::ALL.iter().position(|known| *known == name) {
            Some(bit) if bit < METRICS => metrics.0 |= 1 << bit,
            _ => metrics.0 |= (1 << METRICS) - 1,
        }
    }
    metrics
}

/// The list of one that every description has.
pub(crate) fn monitoring(stream: &Stream) -> Vec<output::EnhancedMetrics> {
    vec![output::EnhancedMetrics {
        shard_level_metrics: Some(metric_names(stream.row.monitoring)),
    }]
}

pub(crate) fn shard(shard: &StreamShard) -> output::Shard {
    let origin = Origin::of(shard);
    let name = |number: u32| ShardName(number).to_string();
    let [parent, adjacent] = shard.parents;
    output::Shard {
        shard_id: Some(name(shard.index)),
        parent_shard_id: parent.map(name),
        adjacent_parent_shard_id: adjacent.map(name),
        hash_key_range: Some(output::HashKeyRange {
            starting_hash_key: Some(shard.range.start.0.to_string()),
            ending_hash_key: Some(shard.range.end.0.to_string()),
        }),
        sequence_number_range: Some(output::SequenceNumberRange {
            starting_sequence_number: Some(origin.before(0).to_string()),
            ending_sequence_number: shard.closed.map(|c| origin.before(c.end).to_string()),
        }),
    }
}

fn consumer_status(consumer: &ConsumerRow) -> choice::ConsumerStatus {
    match consumer.status {
        ConsumerStatus::Creating => choice::ConsumerStatus::Creating,
        ConsumerStatus::Active => choice::ConsumerStatus::Active,
        ConsumerStatus::Deleting => choice::ConsumerStatus::Deleting,
    }
}

pub(crate) fn consumer(front: &Front, stream: &str, consumer: &ConsumerRow) -> output::Consumer {
    output::Consumer {
        consumer_name: Some(consumer.name.clone()),
        consumer_arn: Some(front.consumer_arn(stream, consumer)),
        consumer_status: Some(consumer_status(consumer)),
        consumer_creation_timestamp: Some(time(consumer.created_s * 1000)),
    }
}

pub(crate) fn consumer_description(
    front: &Front,
    stream: &str,
    row: &ConsumerRow,
) -> output::ConsumerDescription {
    let consumer = consumer(front, stream, row);
    output::ConsumerDescription {
        consumer_name: consumer.consumer_name,
        consumer_arn: consumer.consumer_arn,
        consumer_status: consumer.consumer_status,
        consumer_creation_timestamp: consumer.consumer_creation_timestamp,
        stream_arn: Some(front.stream_arn(stream)),
    }
}

/// The throughput that was asked for ahead; only said while there is such a thing.
pub(crate) fn warm_throughput(
    front: &Front,
    stream: &Stream,
) -> Option<output::WarmThroughputObject> {
    let on_demand = stream.row.mode == StreamMode::OnDemand && front.service.is_committed();
    let mibps = i32::try_from(stream.row.warm_mibps.filter(|_| on_demand)?).ok()?;
    Some(output::WarmThroughputObject {
        target_mibps: Some(mibps),
        current_mibps: Some(mibps),
    })
}

/// KiB of data and key in a record of the stream.
pub(crate) fn record_kib(front: &Front, stream: &Stream) -> i32 {
    let most = front.service.settings().record_limit;
    count(stream.record_limit(most) / 1024)
}

pub(crate) fn tags(tags: Vec<(String, String)>) -> Vec<output::Tag> {
    let tag = |(key, value)| output::Tag {
        key: Some(key),
        value: Some(value),
    };
    tags.into_iter().map(tag).collect()
}

pub(crate) fn commitment(
    commitment: (crate::catalog::Commitment, crate::service::CommitmentStatus),
) -> output::MinimumThroughputBillingCommitmentOutput {
    use crate::service::CommitmentStatus;
    use choice::MinimumThroughputBillingCommitmentOutputStatus as Told;

    let (commitment, status) = commitment;
    output::MinimumThroughputBillingCommitmentOutput {
        status: Some(match status {
            CommitmentStatus::Enabled => Told::Enabled,
            CommitmentStatus::Disabled => Told::Disabled,
            CommitmentStatus::Ending => Told::EnabledUntilEarliestAllowedEnd,
        }),
        started_at: commitment.started_ms.map(time),
        ended_at: commitment.end_ms().map(time),
        earliest_allowed_end_at: commitment
            .earliest_end_ms()
            .filter(|_| status != CommitmentStatus::Disabled)
            .map(time),
    }
}

/// Looks at whether a stream is the one of its name that was made at a time.
///
/// # Errors
/// `ResourceNotFoundException` when it is another one.
pub(crate) fn was_made(front: &Front, stream: &Stream, at: Option<Timestamp>) -> Result<(), Fault> {
    // Clients do not all keep the milliseconds.
    let same = |at: Timestamp| u64::try_from(at.ms / 1000) == Ok(stream.row.created_ms / 1000);
    if at.is_none_or(same) {
        return Ok(());
    }
    let message = format!(
        "Stream {} under account {} was not created at that time.",
        stream.name(),
        front.account
    );
    Err(Fault::new(FaultKind::ResourceNotFoundException, message))
}
