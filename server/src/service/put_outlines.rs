//! Put of records whose data is still encoded in a request: it is decoded once, to where it will
//! be written from.
//!
//! Records are grouped by shard. A large group becomes a ready batch, in a buffer of the engine's;
//! a small one is decoded beside the others and copied into the shard's staging batch, as a buffer
//! of its own would be mostly padding. Nothing is appended before all of the data is decoded, so
//! that a request with something undecodable in it leaves nothing. Groups that meet a shard which
//! takes no more wait until its children do, and go there.

mod plan;

use std::sync::Arc;

use millstream_engine::{
    Error as EngineError, PoolBuffer, ReadyBatch, Ticket,
    format::{BATCH_HEADER_LEN, BatchBuilder, Record, RecordOutline},
};
use tokio::time::Instant;

use super::{
    Service, ServiceError, Stream, StreamShard,
    put::{PendingPut, PutOutcome, wait_for_room},
};
use crate::capacity::Capacity;
use plan::{Group, Lane, Plan};

impl Service {
    /// Takes `records`, whose data `decode` writes by their index. Waits for room, but not longer
    /// than the configuration says. Records over what `capacity` allows are refused, each for
    /// itself, with [`ServiceError::Throttled`].
    ///
    /// # Errors
    /// That of `decode`; nothing was taken then. What is wrong with single records is in the
    /// outcome.
    pub(crate) async fn put_outlines<E>(
        &self,
        stream: &Arc<Stream>,
        records: &[RecordOutline<'_>],
        capacity: &Capacity,
        decode: impl Fn(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<PendingPut, E> {
        let deadline = Instant::now() + self.settings().put_wait;
        let mut stream = Arc::clone(stream);
        let mut states = Vec::new();
        let mut group_of = vec![0; records.len()];
        let mut which: Vec<u32> = (0..records.len() as u32).collect();
        loop {
            let mut plan = Plan::of(&stream, records, which, capacity);
            self.provide_memory(&mut plan.groups, deadline).await;
            let copies = plan.decode(records, &decode)?;
            let mut strays = Vec::new();
            let (mut order, mut copied) = (&plan.order[..], &copies[..]);
            for group in plan.groups {
                let members;
                (members, order) = order.split_at(group.records as usize);
                let taken = match group.lane {
                    Lane::Refused(error) => Err(error),
                    Lane::Ready(None) => Err(ServiceError::Overloaded),
                    Lane::Ready(Some(batch)) => {
                        self.append_built(&stream, &group.shard, batch, deadline)
                            .await
                    }
                    Lane::Copy => {
                        let run = run_of(records, members, &mut copied);
                        self.append_run(&stream, &group.shard, &run, deadline).await
                    }
                };
                if let Err(ServiceError::Engine(EngineError::Sealed { .. })) = taken {
                    // Groups of the shard before this one are in it, so the order is kept.
                    strays.push((group.shard, members.to_vec()));
                    continue;
                }
                for at in members {
                    group_of[*at as usize] = states.len() as u32;
                }
                states.push((group.shard, taken));
            }
            if strays.is_empty() {
                return Ok(PendingPut::new(states, group_of));
            }
            match self.resharded(&stream, deadline).await {
                Ok(resharded) => stream = resharded,
                Err(error) => {
                    for (shard, members) in strays {
                        for at in members {
                            group_of[at as usize] = states.len() as u32;
                        }
                        states.push((shard, Err(error.clone())));
                    }
                    return Ok(PendingPut::new(states, group_of));
                }
            }
            which = strays
                .into_iter()
                .flat_map(|(_, members)| members)
                .collect();
            which.sort_unstable();
        }
    }

    /// The same without the shards, for benches: everything is decoded, and thrown away.
    pub(crate) fn stage_outlines<E>(
        &self,
        stream: &Arc<Stream>,
        records: &[RecordOutline<'_>],
        capacity: &Capacity,
        decode: impl Fn(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<PutOutcome, E> {
        let which = (0..records.len() as u32).collect();
        let mut plan = Plan::of(stream, records, which, capacity);
        for group in &mut plan.groups {
            if let Lane::Ready(builder) = &mut group.lane {
                *builder = self.store.batch(BATCH_HEADER_LEN + group.bytes);
            }
        }
        plan.decode(records, &decode)?;
        let mut group_of = vec![0; records.len()];
        let mut order = &plan.order[..];
        let mut groups = Vec::new();
        for group in plan.groups {
            let members;
            (members, order) = order.split_at(group.records as usize);
            for at in members {
                group_of[*at as usize] = groups.len() as u32;
            }
            let batch = match group.lane {
                Lane::Ready(Some(builder)) => ReadyBatch::from_builder(builder).map(Some),
                _ => Ok(None),
            };
            let first = batch.map(|batch| batch.map_or(0, |batch| u64::from(batch.count())));
            groups.push((group.shard, first.map_err(ServiceError::from)));
        }
        Ok(PutOutcome { groups, group_of })
    }

    /// Gets a buffer for each large group. All or none until the deadline: two puts that each
    /// hold some and wait for more would wait for each other.
    async fn provide_memory(&self, groups: &mut [Group], deadline: Instant) {
        loop {
            let mut missing = false;
            for group in &mut *groups {
                if let Lane::Ready(builder) = &mut group.lane {
                    *builder = self.store.batch(BATCH_HEADER_LEN + group.bytes);
                    missing |= builder.is_none();
                }
            }
            if !missing || Instant::now() >= deadline {
                return;
            }
            for group in &mut *groups {
                if let Lane::Ready(builder) = &mut group.lane {
                    *builder = None;
                }
            }
            // At the deadline it is tried once more, and whoever got none then is refused.
            let _ = wait_for_room(self.store.room(), deadline).await;
        }
    }

    async fn append_built(
        &self,
        stream: &Stream,
        shard: &StreamShard,
        builder: BatchBuilder<PoolBuffer>,
        deadline: Instant,
    ) -> Result<Ticket, ServiceError> {
        let shard = stream.open(shard)?;
        let mut batch = ReadyBatch::from_builder(builder)?;
        loop {
            batch = match shard.try_append_ready(batch) {
                Ok(ticket) => return Ok(ticket),
                Err((EngineError::Full { .. }, batch)) => batch,
                Err((error, _)) => return Err(self.noted(error)),
            };
            wait_for_room(shard.room(), deadline).await?;
        }
    }

    async fn append_run(
        &self,
        stream: &Stream,
        shard: &StreamShard,
        records: &[Record<'_>],
        deadline: Instant,
    ) -> Result<Ticket, ServiceError> {
        let shard = stream.open(shard)?;
        self.append(&shard, records, deadline).await
    }
}

/// Records of a small group, with their data in front of `copied`.
fn run_of<'a>(
    records: &[RecordOutline<'a>],
    members: &[u32],
    copied: &mut &'a [u8],
) -> Vec<Record<'a>> {
    let record = |at: &u32| {
        let RecordOutline {
            key,
            explicit_hash,
            data_len,
        } = records[*at as usize];
        let data;
        (data, *copied) = copied.split_at(data_len);
        Record {
            key,
            explicit_hash,
            data,
        }
    };
    members.iter().map(record).collect()
}

#[cfg(test)]
mod tests;
