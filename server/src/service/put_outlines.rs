//! Put of records whose data is still encoded in a request: it is decoded once, to where it will
//! be written from.
//!
//! Records are grouped by shard. A large group becomes a ready batch, in a buffer of the engine's;
//! a small one is decoded beside the others and copied into the shard's staging batch, as a buffer
//! of its own would be mostly padding. Nothing is appended before all of the data is decoded, so
//! that a request with something undecodable in it leaves nothing.

use std::sync::Arc;

use millstream_engine::{
    Error as EngineError, PoolBuffer, ReadyBatch, Ticket,
    format::{BATCH_HEADER_LEN, BatchBuilder, HashKey, Record, RecordOutline},
};
use tokio::time::Instant;

use super::{
    Service, ServiceError, Stream, StreamShard,
    put::{self, PendingPut, wait_for_room},
};
use crate::capacity::{Capacity, ShardCapacity};

/// Encoded bytes that are appended to a shard at a time; a larger record goes alone.
const APPEND_BYTES: usize = 1 << 20;
/// Groups below this are copied into staging.
const COPY_BELOW: usize = 32 << 10;
/// Of a shard to which there is nothing yet.
const NO_GROUP: u32 = u32::MAX;

/// Why nothing of a put was taken.
#[derive(Debug)]
pub(crate) enum PutRefusal<E> {
    /// Data that could not be decoded.
    Data(E),
    Service(ServiceError),
}

/// Records for one append.
struct Group {
    /// Its place among the open ones.
    shard: u32,
    bytes: usize,
    records: u32,
    lane: Lane,
}

enum Lane {
    /// Decoded beside the others, then copied.
    Copy,
    /// A batch of its own; `None` until there is memory for it.
    Ready(Option<BatchBuilder<PoolBuffer>>),
    Refused(ServiceError),
}

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
    ) -> Result<PendingPut, PutRefusal<E>> {
        let deadline = Instant::now() + self.settings().put_wait;
        let mut plan = Plan::of(stream, records, capacity);
        self.provide_memory(&mut plan.groups, deadline).await;
        let copies = plan.decode(records, &decode).map_err(PutRefusal::Data)?;
        let (mut order, mut copied) = (&plan.order[..], &copies[..]);
        let mut groups = Vec::with_capacity(plan.groups.len());
        let mut group_of = plan.group_of;
        for group in plan.groups {
            let members;
            (members, order) = order.split_at(group.records as usize);
            let Some(shard) = stream.map.at(group.shard) else {
                continue;
            };
            let taken = match group.lane {
                Lane::Refused(error) => Err(error),
                Lane::Ready(None) => Err(ServiceError::Overloaded),
                Lane::Ready(Some(batch)) => self.append_built(stream, shard, batch, deadline).await,
                Lane::Copy => {
                    let run: Vec<Record<'_>> = members
                        .iter()
                        .map(|at| cut(&records[*at as usize], &mut copied))
                        .collect();
                    self.append_run(stream, shard, &run, deadline).await
                }
            };
            if let Err(ServiceError::Engine(EngineError::Sealed { .. })) = taken {
                // They go where others have taken over, from the request anew: a batch that was
                // not taken may be compressed by now.
                let members = members.iter().map(|at| *at as usize);
                let data = decode_members(records, members.clone(), &decode);
                let data = data.map_err(PutRefusal::Data)?;
                let mut rest = &data[..];
                let run: Vec<Record<'_>> = members
                    .clone()
                    .map(|at| cut(&records[at], &mut rest))
                    .collect();
                let moved = self.append_moved(stream, &run, deadline, &mut groups).await;
                for (at, group) in members.zip(moved) {
                    group_of[at] = group;
                }
                continue;
            }
            for at in members {
                group_of[*at as usize] = groups.len() as u32;
            }
            groups.push(put::Group::new(shard, taken));
        }
        Ok(PendingPut::new(groups, group_of))
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
        self.append(&stream.open(shard)?, records, deadline).await
    }
}

/// The data of records, one after the other.
fn decode_members<E>(
    records: &[RecordOutline<'_>],
    members: impl Iterator<Item = usize>,
    decode: &impl Fn(usize, &mut [u8]) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let mut data = Vec::new();
    for at in members {
        let from = data.len();
        data.resize(from + records[at].data_len, 0);
        decode(at, &mut data[from..])?;
    }
    Ok(data)
}

/// A record whose data is at the front of `data`, which is cut off there.
fn cut<'a>(record: &RecordOutline<'a>, data: &mut &'a [u8]) -> Record<'a> {
    let own;
    (own, *data) = data.split_at(record.data_len);
    Record {
        key: record.key,
        explicit_hash: record.explicit_hash,
        data: own,
    }
}

/// Which record goes where.
struct Plan {
    groups: Vec<Group>,
    /// For each record its group.
    group_of: Vec<u32>,
    /// The records by group, and within one in the order of the request.
    order: Vec<u32>,
}

impl Plan {
    fn of(stream: &Stream, records: &[RecordOutline<'_>], capacity: &Capacity) -> Plan {
        let mut hashes = Vec::new();
        HashKey::of_outlines(records.iter().copied(), &mut hashes);
        // One record does not pay for a table of all shards.
        let many = records.len() > 1;
        let none = Slot {
            taken: NO_GROUP,
            refused: NO_GROUP,
        };
        let mut slots = vec![none; if many { stream.map.open_count() } else { 1 }];
        let mut admission = Admission {
            capacity,
            last: None,
        };
        let mut plan = Plan {
            groups: Vec::new(),
            group_of: Vec::with_capacity(records.len()),
            order: Vec::new(),
        };
        for (record, hash) in records.iter().zip(hashes) {
            let shard = stream.map.place(hash);
            let slot = &mut slots[if many { shard as usize } else { 0 }];
            let group = if admission.admits(stream, shard, record) {
                slot.taken = plan.taking(slot.taken, shard, record.encoded_len());
                slot.taken
            } else {
                slot.refused = plan.refusing(slot.refused, shard);
                slot.refused
            };
            plan.groups[group as usize].records += 1;
            plan.group_of.push(group);
        }
        for group in &mut plan.groups {
            if group.bytes >= COPY_BELOW && matches!(group.lane, Lane::Copy) {
                group.lane = Lane::Ready(None);
            }
        }
        plan.sort();
        plan
    }

    /// The group for `bytes` more to a shard: the last one of it, if they fit.
    fn taking(&mut self, last: u32, shard: u32, bytes: usize) -> u32 {
        if let Some(group) = self.groups.get_mut(last as usize)
            && group.bytes + bytes <= APPEND_BYTES
        {
            group.bytes += bytes;
            return last;
        }
        self.add(shard, bytes, Lane::Copy)
    }

    /// The group of what a shard is not to take now.
    fn refusing(&mut self, last: u32, shard: u32) -> u32 {
        match last {
            NO_GROUP => self.add(shard, 0, Lane::Refused(ServiceError::Throttled)),
            last => last,
        }
    }

    fn add(&mut self, shard: u32, bytes: usize, lane: Lane) -> u32 {
        self.groups.push(Group {
            shard,
            bytes,
            records: 0,
            lane,
        });
        self.groups.len() as u32 - 1
    }

    fn sort(&mut self) {
        let mut next = 0;
        let mut places: Vec<u32> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            places.push(next);
            next += group.records;
        }
        self.order.resize(self.group_of.len(), 0);
        for (record, group) in (0u32..).zip(&self.group_of) {
            let place = &mut places[*group as usize];
            self.order[*place as usize] = record;
            *place += 1;
        }
    }

    /// Writes the data of every record that is to be taken: into the batches that are there, and
    /// of small groups one after the other into what is returned.
    fn decode<E>(
        &mut self,
        records: &[RecordOutline<'_>],
        decode: impl Fn(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut copies = Vec::new();
        let mut rest = &self.order[..];
        for group in &mut self.groups {
            let members;
            (members, rest) = rest.split_at(group.records as usize);
            for at in members {
                let at = *at as usize;
                match &mut group.lane {
                    Lane::Copy => {
                        let from = copies.len();
                        copies.resize(from + records[at].data_len, 0);
                        decode(at, &mut copies[from..])?;
                    }
                    Lane::Ready(Some(builder)) => {
                        let fits = builder.push_with(&records[at], |data| decode(at, data))?;
                        debug_assert!(fits, "the buffer was made for all");
                    }
                    Lane::Ready(None) | Lane::Refused(_) => break,
                }
            }
        }
        Ok(copies)
    }
}

/// The groups of a shard that records are added to.
#[derive(Clone, Copy)]
struct Slot {
    taken: u32,
    refused: u32,
}

/// What shards are to take now; the last one that was asked for is at hand.
struct Admission<'a> {
    capacity: &'a Capacity,
    last: Option<(u32, Arc<ShardCapacity>)>,
}

impl Admission<'_> {
    fn admits(&mut self, stream: &Stream, shard: u32, record: &RecordOutline<'_>) -> bool {
        if !self.capacity.limits_shards() {
            return true;
        }
        if self.last.as_ref().is_none_or(|(known, _)| *known != shard) {
            let found = stream.map.at(shard);
            self.last = found
                .and_then(|shard| self.capacity.shard(shard.id))
                .map(|limits| (shard, limits));
        }
        let bytes = record.key.len() + record.data_len;
        self.last
            .as_ref()
            .is_none_or(|(_, limits)| limits.write(bytes))
    }
}
