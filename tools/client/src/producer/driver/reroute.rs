//! A new shard map: what the shards that are gone refused goes to those that now have its keys.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use millstream_wire::{ErrorAnswer, ErrorCode, ShardMap};

use super::{Command, Driver, DriverLane};
use crate::{
    Error,
    producer::{
        batch::{OpenBatch, SealedBatch},
        lane::{Lane, Routes},
    },
};

impl Driver {
    /// Fetches the shard map, once at a time.
    pub(super) fn ask_map(&mut self) {
        if self.map_asked {
            return;
        }
        self.map_asked = true;
        let (client, commands) = (self.client.clone(), self.commands.clone());
        let stream = self.stream.clone();
        tokio::spawn(async move {
            let map = client.shard_map(&stream).await;
            drop(commands.send(Command::Map(map)));
        });
    }

    pub(super) fn take_map(&mut self, result: Result<ShardMap, Error>) {
        let error = match result {
            Ok(map) => {
                let kept: HashSet<u64> = map.shards.iter().map(|shard| shard.id).collect();
                for lane in &mut self.lanes {
                    lane.leaving = !kept.contains(&lane.lane.shard.id);
                    if lane.leaving {
                        lane.lane.lock().closed = true;
                        lane.queue.freeze();
                    }
                }
                self.new_map = Some(map);
                return;
            }
            Err(Error::Server(error)) => error,
            Err(other) => ErrorAnswer::new(ErrorCode::ShardMapChanged, other.to_string()),
        };
        self.map_asked = false;
        for slot in 0..self.lanes.len() {
            let mut settled = Vec::new();
            let Some(lane) = self.lanes.get_mut(slot) else {
                continue;
            };
            if lane.queue.is_gone() {
                lane.queue.refuse_all(&error, &mut settled);
                let shard = lane.lane.shard.index;
                self.settle(shard, &mut settled);
            }
        }
    }

    /// With a new map: when nothing of the leaving lanes is unanswered, moves their records to the
    /// lanes that now have them, in order, and then lets the callers in.
    pub(super) fn reroute(&mut self) {
        let waits =
            |lane: &DriverLane| (lane.leaving || lane.queue.is_gone()) && lane.queue.is_waiting();
        if self.new_map.is_none() || self.lanes.iter().any(waits) {
            return;
        }
        let Some(map) = self.new_map.take() else {
            return;
        };
        self.map_asked = false;
        let old: HashMap<u64, Arc<Lane>> = self
            .lanes
            .iter()
            .filter(|lane| !lane.leaving)
            .map(|lane| (lane.lane.shard.id, lane.lane.clone()))
            .collect();
        let first_new = self.lanes.len();
        let mut added = Vec::new();
        let routes = Routes::new(&map, |shard| match old.get(&shard.id) {
            Some(lane) => lane.clone(),
            None => {
                let lane = Arc::new(Lane::new(*shard, first_new + added.len()));
                added.push(lane.clone());
                lane
            }
        });
        for lane in added {
            self.add_lane(lane);
        }
        let routes = match routes {
            Ok(routes) => routes,
            Err(error) => {
                let error = ErrorAnswer::new(ErrorCode::Internal, error.to_string());
                return self.abandon(&error);
            }
        };
        self.move_records(&routes);
        self.shared.routes.store(Arc::new(routes));
        self.shared.rerouted.notify_waiters();
    }

    /// A map that cannot be used: what waits for it is refused, and the lanes stay.
    fn abandon(&mut self, error: &ErrorAnswer) {
        for slot in 0..self.lanes.len() {
            let mut settled = Vec::new();
            let Some(lane) = self.lanes.get_mut(slot) else {
                continue;
            };
            if lane.leaving {
                lane.leaving = false;
                lane.lane.lock().closed = false;
            }
            lane.queue.refuse_all(error, &mut settled);
            let shard = lane.lane.shard.index;
            self.settle(shard, &mut settled);
        }
        self.shared.rerouted.notify_waiters();
    }

    fn move_records(&mut self, routes: &Routes) {
        for slot in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(slot) else {
                continue;
            };
            if !lane.leaving && !lane.queue.is_gone() {
                continue;
            }
            if lane.leaving {
                let mut state = lane.lane.lock();
                state.seal();
                for mut batch in std::mem::take(&mut state.sealed) {
                    batch.serial = self.next_serial;
                    self.next_serial += 1;
                    self.unsettled.insert(batch.serial, 1);
                    lane.queue.push(batch);
                }
            }
            let mut settled = Vec::new();
            let unsent = lane.queue.drain(&mut settled);
            let shard = lane.lane.shard.index;
            self.settle(shard, &mut settled);
            for batch in unsent {
                self.move_batch(batch, routes);
            }
        }
    }

    fn move_batch(&mut self, batch: SealedBatch, routes: &Routes) {
        let awaited = batch.promise.is_awaited();
        let len = OpenBatch::buffer_len(self.shared.batch_bytes);
        let mut parts: HashMap<usize, Vec<OpenBatch>> = HashMap::new();
        let mut places = Vec::new();
        let (count, sealed, serial) = (u64::from(batch.count), batch.sealed, batch.serial);
        let unpacked = batch.unpack(|record| {
            let Some(lane) = routes.lane(record.hash_key()) else {
                return;
            };
            let lane = parts.entry(lane.slot).or_default();
            if !lane.last_mut().is_some_and(|open| open.push(record)) {
                let len = len.max(OpenBatch::buffer_len(record.encoded_len()));
                let mut open = OpenBatch::new(vec![0; len], None);
                open.push(record);
                lane.push(open);
            }
            if let (true, Some(open)) = (awaited, lane.last_mut()) {
                places.push(open.place());
            }
        });
        match unpacked {
            Ok(promise) if awaited => promise.moved(places),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "a batch of our own cannot be read");
                self.shared.stats().refused += count;
                self.count_down(serial);
                return;
            }
        }
        for (slot, batches) in parts {
            let Some(lane) = self.lanes.get_mut(slot) else {
                continue;
            };
            for open in batches {
                let mut batch = open.seal();
                (batch.sealed, batch.serial) = (sealed, serial);
                *self.unsettled.entry(serial).or_default() += 1;
                lane.queue.push(batch);
            }
            self.attend(slot);
        }
        self.count_down(serial);
    }
}
