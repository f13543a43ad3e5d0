//! Settings that hold for all streams.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Service, ServiceError};
use crate::catalog::Commitment;

/// How long a commitment lasts at least.
const SHORTEST_MS: u64 = 24 * 3_600_000;

/// The commitment, as it was written last.
pub(super) type Commitments = ArcSwap<Commitment>;

/// How the commitment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitmentStatus {
    Enabled,
    Disabled,
    /// Its end was asked for, and comes when it has lasted long enough.
    Ending,
}

impl Commitment {
    /// The earliest moment at which it can end.
    pub(crate) fn earliest_end_ms(&self) -> Option<u64> {
        self.started_ms.map(|started| started + SHORTEST_MS)
    }

    /// When it ended or ends, once that was asked for.
    pub(crate) fn end_ms(&self) -> Option<u64> {
        let asked = self.ended_ms?;
        Some(asked.max(self.earliest_end_ms()?))
    }

    pub(crate) fn status(&self, now_ms: u64) -> CommitmentStatus {
        match (self.started_ms, self.end_ms()) {
            (None, _) => CommitmentStatus::Disabled,
            (Some(_), None) => CommitmentStatus::Enabled,
            (Some(_), Some(end)) if now_ms < end => CommitmentStatus::Ending,
            (Some(_), Some(_)) => CommitmentStatus::Disabled,
        }
    }
}

impl Service {
    /// The commitment, and how it stands now.
    pub(crate) fn commitment(&self) -> (Commitment, CommitmentStatus) {
        let commitment = **self.commitment.load();
        (commitment, commitment.status(self.clock.wall_ms()))
    }

    /// Begins the commitment, or ends it as soon as it has lasted long enough.
    pub(crate) async fn set_commitment(
        self: &Arc<Self>,
        enabled: bool,
    ) -> Result<(Commitment, CommitmentStatus), ServiceError> {
        let room = Arc::clone(&self.changes);
        self.blocking(&room, move |service| {
            let _together = service.together();
            let (now, status) = service.commitment();
            let now_ms = service.clock.wall_ms();
            let next = match (enabled, status) {
                (true, CommitmentStatus::Disabled) => Commitment {
                    started_ms: Some(now_ms),
                    ended_ms: None,
                },
                (true, CommitmentStatus::Ending) => Commitment {
                    ended_ms: None,
                    ..now
                },
                (false, CommitmentStatus::Enabled) => Commitment {
                    ended_ms: Some(now_ms),
                    ..now
                },
                _ => now,
            };
            if next != now {
                service.catalog.put_commitment(next)?;
                service.commitment.store(Arc::new(next));
            }
            Ok(service.commitment())
        })
        .await?
    }

    /// Whether the commitment is in force.
    pub(crate) fn is_committed(&self) -> bool {
        self.commitment().1 != CommitmentStatus::Disabled
    }

    pub(super) fn require_commitment(&self, stream: &str) -> Result<(), ServiceError> {
        match self.is_committed() {
            true => Ok(()),
            false => Err(ServiceError::NotInThisMode(format!(
                "stream {stream:?} can have a warm throughput only while the account's MinimumThroughputBillingCommitment is enabled; enable it first"
            ))),
        }
    }
}
