//! What an account may have and do: counts that AWS limits, and this server only when it is told
//! to.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use super::{Service, ServiceError, Stream};
use crate::catalog::StreamStatus;

/// What is limited; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quotas {
    /// Streams that are being made at a time.
    pub creating_streams: Option<u32>,
    /// Changes of a stream's number of shards in 24 hours.
    pub shard_count_updates_a_day: Option<u32>,
    /// Changes of a stream's mode in 24 hours.
    pub mode_updates_a_day: Option<u32>,
    /// Times that a stream's encryption is started, and that it is stopped, in 24 hours.
    pub encryption_updates_a_day: Option<u32>,
    /// Whether the number of consumers of a stream is limited, and of those being made.
    pub consumers: bool,
}

impl Quotas {
    /// Nothing is limited.
    pub(crate) const NONE: Quotas = Quotas {
        creating_streams: None,
        shard_count_updates_a_day: None,
        mode_updates_a_day: None,
        encryption_updates_a_day: None,
        consumers: false,
    };

    /// As AWS has it for a new account.
    pub(crate) const AWS: Quotas = Quotas {
        creating_streams: Some(5),
        shard_count_updates_a_day: Some(10),
        mode_updates_a_day: Some(2),
        encryption_updates_a_day: Some(25),
        consumers: true,
    };
}

/// What may be done only so often in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rare {
    ShardCountUpdate,
    ModeUpdate,
    EncryptionStart,
    EncryptionStop,
}

/// When it was done to which stream, within the last day. Forgotten by a restart.
#[derive(Debug, Default)]
pub(super) struct Recent {
    times: Mutex<HashMap<(Rare, u64), VecDeque<u64>>>,
}

const DAY_MS: u64 = 24 * 3_600_000;

impl Service {
    /// Counts that something is done to a stream, and refuses it when it was done too often.
    pub(super) fn count_rare(&self, what: Rare, stream: &Stream) -> Result<(), ServiceError> {
        let quotas = &self.settings.quotas;
        let (limit, doing) = match what {
            Rare::ShardCountUpdate => (
                quotas.shard_count_updates_a_day,
                "its number of shards can be changed",
            ),
            Rare::ModeUpdate => (quotas.mode_updates_a_day, "its mode can be changed"),
            Rare::EncryptionStart => (
                quotas.encryption_updates_a_day,
                "its encryption can be started",
            ),
            Rare::EncryptionStop => (
                quotas.encryption_updates_a_day,
                "its encryption can be stopped",
            ),
        };
        let Some(limit) = limit else {
            return Ok(());
        };
        let now_ms = self.clock.wall_ms();
        let mut times = self
            .recent
            .times
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let times = times.entry((what, stream.row.id)).or_default();
        while times.front().is_some_and(|at| at + DAY_MS <= now_ms) {
            times.pop_front();
        }
        if times.len() >= limit as usize {
            return Err(ServiceError::Quota(format!(
                "stream {:?}: {doing} {limit} times in 24 hours; try again later",
                stream.name()
            )));
        }
        times.push_back(now_ms);
        Ok(())
    }

    /// Refuses one more stream that is being made. Under the lock of changes.
    pub(super) fn check_creating(&self) -> Result<(), ServiceError> {
        let Some(limit) = self.settings.quotas.creating_streams else {
            return Ok(());
        };
        let table = self.table.load();
        let creating = table
            .all()
            .filter(|stream| stream.row.status == StreamStatus::Creating);
        match creating.count() < limit as usize {
            true => Ok(()),
            false => Err(ServiceError::Quota(format!(
                "{limit} streams are being created, which is the limit; wait until one is active"
            ))),
        }
    }
}
