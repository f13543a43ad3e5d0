//! What an account has, and may have and do: counts that AWS limits, and this server only when its
//! profile says so.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use super::{Service, ServiceError, Stream};
use crate::catalog::{StreamMode, StreamStatus};

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

/// What an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Of all streams.
    pub open_shards: usize,
    /// Of provisioned ones.
    pub provisioned_shards: usize,
    pub on_demand_streams: usize,
}

impl Service {
    /// What there is by now.
    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for stream in self.table.load().all() {
            let open = stream.map.open_count();
            usage.open_shards += open;
            match stream.row.mode {
                StreamMode::Provisioned => usage.provisioned_shards += open,
                StreamMode::OnDemand => usage.on_demand_streams += 1,
            }
        }
        usage
    }

    /// Refuses more open shards than an account may have. Under the lock of changes.
    pub(super) fn check_shards(&self, more: usize) -> Result<(), ServiceError> {
        let Some(limit) = self.settings.quotas.shards else {
            return Ok(());
        };
        let there = self.usage().provisioned_shards;
        match there + more <= limit as usize {
            true => Ok(()),
            false => Err(ServiceError::Quota(format!(
                "this request would exceed the shard limit for the account: there are {there} shards, {more} more would result from it, and the limit is {limit}"
            ))),
        }
    }

    /// Refuses one more stream on demand than an account may have. Under the lock of changes.
    pub(super) fn check_on_demand(&self) -> Result<(), ServiceError> {
        let limit = self.settings.quotas.on_demand_streams;
        match limit {
            Some(limit) if self.usage().on_demand_streams >= limit as usize => {
                Err(ServiceError::Quota(format!(
                    "the account has {limit} streams on demand, which is the limit; delete one first"
                )))
            }
            _ => Ok(()),
        }
    }

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
        times.retain(|_, times| times.back().is_some_and(|at| at + DAY_MS > now_ms));
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
