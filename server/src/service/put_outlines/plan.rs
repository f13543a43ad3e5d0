//! Which record goes where.

use std::sync::Arc;

use millstream_engine::{
    PoolBuffer,
    format::{BatchBuilder, HashKey, RecordOutline},
};

use crate::{
    capacity::{Capacity, ShardCapacity},
    service::{ServiceError, Stream, StreamShard},
};

/// Encoded bytes that are appended to a shard at a time; a larger record goes alone.
const APPEND_BYTES: usize = 1 << 20;
/// Groups below this are copied into staging.
const COPY_BELOW: usize = 32 << 10;
/// Of a shard to which there is nothing yet.
const NO_GROUP: u32 = u32::MAX;

/// Records for one append.
pub(super) struct Group {
    pub shard: StreamShard,
    pub bytes: usize,
    pub records: u32,
    pub lane: Lane,
}

pub(super) enum Lane {
    /// Decoded beside the others, then copied.
    Copy,
    /// A batch of its own; `None` until there is memory for it.
    Ready(Option<BatchBuilder<PoolBuffer>>),
    Refused(ServiceError),
}

/// Records by groups.
pub(super) struct Plan {
    /// Those of a shard are in the order of the request.
    pub groups: Vec<Group>,
    /// The records by group, and within one in the order of the request.
    pub order: Vec<u32>,
}

impl Plan {
    /// Of those `records` that `which` says, in its order.
    pub(super) fn of(
        stream: &Stream,
        records: &[RecordOutline<'_>],
        which: Vec<u32>,
        capacity: &Capacity,
    ) -> Plan {
        let mut hashes = Vec::new();
        let outlines = which.iter().map(|at| records[*at as usize]);
        HashKey::of_outlines(outlines, &mut hashes);
        // One record does not pay for a table of all shards.
        let many = which.len() > 1;
        let mut slots = vec![Slot::default(); if many { stream.map.open_count() } else { 1 }];
        let mut admission = Admission {
            capacity,
            last: None,
        };
        let mut groups = Groups(Vec::new());
        let mut group_of = Vec::with_capacity(which.len());
        for (at, hash) in which.iter().zip(hashes) {
            let record = &records[*at as usize];
            let place = stream.map.route_place(hash);
            let shard = stream.map.open_at(place);
            let slot = &mut slots[if many { place } else { 0 }];
            let group = if admission.admits(shard, record) {
                slot.taken = groups.taking(slot.taken, shard, record.encoded_len());
                slot.taken
            } else {
                slot.refused = groups.refusing(slot.refused, shard);
                slot.refused
            };
            groups.0[group as usize].records += 1;
            group_of.push(group);
        }
        let mut groups = groups.0;
        for group in &mut groups {
            if group.bytes >= COPY_BELOW && matches!(group.lane, Lane::Copy) {
                group.lane = Lane::Ready(None);
            }
        }
        Plan {
            order: by_group(&groups, &group_of, &which),
            groups,
        }
    }

    /// Writes the data of every record that is to be taken: into the batches that are there, and
    /// of small groups one after the other into what is returned.
    pub(super) fn decode<E>(
        &mut self,
        records: &[RecordOutline<'_>],
        decode: impl Fn(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let small = |group: &&Group| matches!(group.lane, Lane::Copy);
        let room = self.groups.iter().filter(small).map(|group| group.bytes);
        let mut copies = Vec::with_capacity(room.sum());
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

/// The groups as they grow.
struct Groups(Vec<Group>);

impl Groups {
    /// The group for `bytes` more to a shard: the last one of it, if they fit.
    fn taking(&mut self, last: u32, shard: &StreamShard, bytes: usize) -> u32 {
        if let Some(group) = self.0.get_mut(last as usize)
            && group.bytes + bytes <= APPEND_BYTES
        {
            group.bytes += bytes;
            return last;
        }
        self.add(shard, bytes, Lane::Copy)
    }

    /// The group of what a shard is not to take now.
    fn refusing(&mut self, last: u32, shard: &StreamShard) -> u32 {
        match last {
            NO_GROUP => self.add(shard, 0, Lane::Refused(ServiceError::Throttled)),
            last => last,
        }
    }

    fn add(&mut self, shard: &StreamShard, bytes: usize, lane: Lane) -> u32 {
        self.0.push(Group {
            shard: shard.clone(),
            bytes,
            records: 0,
            lane,
        });
        self.0.len() as u32 - 1
    }
}

/// The records of `which`, sorted by their groups.
fn by_group(groups: &[Group], group_of: &[u32], which: &[u32]) -> Vec<u32> {
    let mut next = 0;
    let mut places: Vec<u32> = Vec::with_capacity(groups.len());
    for group in groups {
        places.push(next);
        next += group.records;
    }
    let mut order = vec![0; which.len()];
    for (record, group) in which.iter().zip(group_of) {
        let place = &mut places[*group as usize];
        order[*place as usize] = *record;
        *place += 1;
    }
    order
}

/// The groups of a shard that records are added to.
#[derive(Clone, Copy)]
struct Slot {
    taken: u32,
    refused: u32,
}

impl Default for Slot {
    fn default() -> Slot {
        Slot {
            taken: NO_GROUP,
            refused: NO_GROUP,
        }
    }
}

/// What shards are to take now; the last one that was asked for is at hand.
struct Admission<'a> {
    capacity: &'a Capacity,
    last: Option<(u32, Arc<ShardCapacity>)>,
}

impl Admission<'_> {
    fn admits(&mut self, shard: &StreamShard, record: &RecordOutline<'_>) -> bool {
        if !self.capacity.limits_shards() {
            return true;
        }
        if self
            .last
            .as_ref()
            .is_none_or(|(known, _)| *known != shard.index)
        {
            let limits = self.capacity.shard(shard.id);
            self.last = limits.map(|limits| (shard.index, limits));
        }
        let bytes = record.key.len() + record.data_len;
        self.last
            .as_ref()
            .is_none_or(|(_, limits)| limits.write(bytes))
    }
}
