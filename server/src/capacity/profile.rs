//! How much a shard takes and gives: nothing is limited, as AWS does it, or numbers of a file.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use serde::Deserialize;
use thiserror::Error;

use super::bucket::Rate;

const MIB: u32 = 1 << 20;

/// The limits of a server. What is not there is not limited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CapacityProfile {
    pub write: WriteLimits,
    pub read: ReadLimits,
    pub fan_out: FanOutLimits,
    pub control: ControlLimits,
    /// Calls of an operation in a second, for each stream (or the account, where it names none).
    pub calls: BTreeMap<String, u32>,
}

/// Into each shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WriteLimits {
    /// Data and keys.
    pub bytes_per_second: Option<u32>,
    /// What may come at once after a while of quiet; a larger record never fits. Without it what
    /// comes in a second.
    pub burst_bytes: Option<u32>,
    pub records_per_second: Option<u32>,
}

/// Out of each shard, by GetRecords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReadLimits {
    /// An answer may have more; then there is none until the time for it has passed.
    pub bytes_per_second: Option<u32>,
    pub calls_per_second: Option<u32>,
}

/// Out of each shard, to each consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FanOutLimits {
    pub bytes_per_second: Option<u32>,
}

/// Of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ControlLimits {
    /// Streams that are being made at a time.
    pub creating_streams: Option<u32>,
    /// UpdateShardCount of a stream in 24 hours.
    pub shard_count_updates_a_day: Option<u32>,
    /// Changes of the mode of a stream in 24 hours.
    pub mode_updates_a_day: Option<u32>,
    /// Times that encryption of a stream is started, and that it is stopped, in 24 hours.
    pub encryption_updates_a_day: Option<u32>,
    /// Open shards of all provisioned streams.
    pub shards: Option<u32>,
    /// Streams on demand.
    pub on_demand_streams: Option<u32>,
    /// Consumers of a stream, which are few in any profile: 20 where none is said.
    pub consumers: Option<u32>,
    /// The same of a stream on demand, while the account has its commitment: 50 where none is said.
    pub committed_consumers: Option<u32>,
    /// Consumers of a stream that are being made at a time.
    pub creating_consumers: Option<u32>,
}

impl Default for ControlLimits {
    fn default() -> ControlLimits {
        ControlLimits {
            creating_streams: None,
            shard_count_updates_a_day: None,
            mode_updates_a_day: None,
            encryption_updates_a_day: None,
            shards: None,
            on_demand_streams: None,
            consumers: Some(20),
            committed_consumers: Some(50),
            creating_consumers: None,
        }
    }
}

/// Why there is no profile.
#[derive(Debug, Error)]
pub(crate) enum ProfileError {
    #[error("limits of {path}: {source}; name none, aws, or a file that can be read")]
    File { path: String, source: io::Error },
    #[error("limits of {path}: {source}")]
    Content {
        path: String,
        source: Box<toml::de::Error>,
    },
}

impl CapacityProfile {
    /// `none`, `aws`, or the name of a file.
    ///
    /// # Errors
    /// When there is no such file, or it does not hold limits.
    pub(crate) fn named(name: &str) -> Result<CapacityProfile, ProfileError> {
        match name {
            "none" => Ok(CapacityProfile::default()),
            "aws" => Ok(CapacityProfile::aws()),
            path => CapacityProfile::load(Path::new(path)),
        }
    }

    fn load(path: &Path) -> Result<CapacityProfile, ProfileError> {
        let text = fs::read_to_string(path).map_err(|source| ProfileError::File {
            path: path.display().to_string(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ProfileError::Content {
            path: path.display().to_string(),
            source: Box::new(source),
        })
    }

    /// What the documentation of AWS says.
    pub(crate) fn aws() -> CapacityProfile {
        CapacityProfile {
            write: WriteLimits {
                bytes_per_second: Some(MIB),
                burst_bytes: Some(10 * MIB),
                records_per_second: Some(1000),
            },
            read: ReadLimits {
                bytes_per_second: Some(2 * MIB),
                calls_per_second: Some(5),
            },
            fan_out: FanOutLimits {
                bytes_per_second: Some(2 * MIB),
            },
            control: ControlLimits {
                creating_streams: Some(5),
                shard_count_updates_a_day: Some(10),
                mode_updates_a_day: Some(2),
                encryption_updates_a_day: Some(25),
                shards: Some(500),
                on_demand_streams: Some(50),
                consumers: Some(20),
                committed_consumers: Some(50),
                creating_consumers: Some(5),
            },
            calls: AWS_CALLS
                .iter()
                .map(|(operation, calls)| ((*operation).to_owned(), *calls))
                .collect(),
        }
    }

    /// Whether it limits what goes into a shard or out of it by GetRecords.
    pub(super) fn limits_shards(&self) -> bool {
        let WriteLimits {
            bytes_per_second,
            burst_bytes: _,
            records_per_second,
        } = self.write;
        let write = bytes_per_second.or(records_per_second);
        let read = self.read.bytes_per_second.or(self.read.calls_per_second);
        write.or(read).is_some()
    }
}

impl WriteLimits {
    pub(super) fn bytes(self) -> Option<Rate> {
        self.bytes_per_second.map(|per_second| Rate {
            per_second,
            burst: self.burst_bytes.unwrap_or(per_second),
        })
    }
}

impl fmt::Display for CapacityProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            none if *none == CapacityProfile::default() => "none",
            aws if *aws == CapacityProfile::aws() => "aws",
            _ => "from a file",
        })
    }
}

/// Calls in a second, of those operations for which AWS says a number.
const AWS_CALLS: &[(&str, u32)] = &[
    ("AddTagsToStream", 5),
    ("CreateStream", 5),
    ("DecreaseStreamRetentionPeriod", 5),
    ("DeleteResourcePolicy", 5),
    ("DeleteStream", 5),
    ("DeregisterStreamConsumer", 5),
    ("DescribeLimits", 1),
    ("DescribeStream", 10),
    ("DescribeStreamConsumer", 20),
    ("DescribeStreamSummary", 20),
    ("DisableEnhancedMonitoring", 5),
    ("EnableEnhancedMonitoring", 5),
    ("GetResourcePolicy", 5),
    ("IncreaseStreamRetentionPeriod", 5),
    ("ListShards", 1000),
    ("ListStreamConsumers", 5),
    ("ListStreams", 5),
    ("ListTagsForResource", 5),
    ("ListTagsForStream", 5),
    ("MergeShards", 5),
    ("PutResourcePolicy", 5),
    ("RegisterStreamConsumer", 5),
    ("RemoveTagsFromStream", 5),
    ("SplitShard", 5),
    ("TagResource", 5),
    ("UntagResource", 5),
];

#[cfg(test)]
mod tests;
