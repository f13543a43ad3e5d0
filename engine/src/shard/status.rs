//! What can be seen of a shard from outside.

use std::sync::Arc;

use super::{Shard, staging::Condition};
use crate::{recover::OpenReport, segment::list::lock, sequence::SequenceNumber};

/// What a shard can do at the moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ShardState {
    /// Read and write.
    Open,
    /// Read; no more writes, for good.
    Sealed,
    /// Read; writes are refused until the medium has room, which is looked for all the time.
    NoSpace,
    /// Read around the damage; no writes.
    ReadOnly(Arc<crate::error::Damage>),
    /// Read what is durable; no writes until the shard is reopened.
    Poisoned(Arc<str>),
    /// Nothing.
    Closed,
}

/// A look at a shard.
#[derive(Debug, Clone)]
pub struct ShardStatus {
    /// What it can do.
    pub state: ShardState,
    /// The oldest record that is kept.
    pub oldest: SequenceNumber,
    /// The sequence number after the newest readable record. Where records are lost at the end,
    /// it counts at least one of them, so that a cursor comes to them.
    pub end: SequenceNumber,
    /// Segment files. Missing ones between two others count as one.
    pub segments: usize,
    /// Bytes of batches in them, with their padding.
    pub bytes: u64,
    /// What recovery found when it was opened.
    pub opened: OpenReport,
}

impl Shard {
    /// A look at the shard.
    #[must_use]
    pub fn status(&self) -> ShardStatus {
        let bytes = self.core.bytes();
        let stage = lock(&self.core.stage);
        let state = match &stage.condition {
            Condition::Open | Condition::NoSpace if stage.sealed => ShardState::Sealed,
            Condition::Open => ShardState::Open,
            Condition::NoSpace => ShardState::NoSpace,
            Condition::ReadOnly(damage) => ShardState::ReadOnly(Arc::clone(damage)),
            Condition::Poisoned(cause) => ShardState::Poisoned(Arc::clone(cause)),
            Condition::Closed => ShardState::Closed,
        };
        drop(stage);
        ShardStatus {
            state,
            oldest: self.oldest(),
            end: self.end(),
            segments: self.core.segments.len(),
            bytes,
            opened: self.core.report.clone(),
        }
    }
}
