//! Shards that are made, filled a little and deleted.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use millstream_engine::{ShardId, Store};

use super::{Failure, appender::Appender};
use crate::{
    mark::{Mark, Marker},
    plan::{self, FIRST_SHORT},
    record::Dice,
};

/// Most of them at a time.
const LIVING: usize = 2;

pub(super) struct Short {
    marker: Option<Marker>,
    dice: Dice,
    next: u64,
    living: VecDeque<ShardId>,
}

impl Short {
    pub(super) fn new(marker: Marker, seed: u64) -> Short {
        Short {
            marker: Some(marker),
            dice: Dice(seed),
            next: FIRST_SHORT,
            living: VecDeque::new(),
        }
    }

    pub(super) fn made(&self) -> u64 {
        self.next - FIRST_SHORT
    }

    pub(super) fn run(&mut self, store: &Store, stop: &AtomicBool) -> Result<(), Failure> {
        let Some(mut marker) = self.marker.take() else {
            return Ok(());
        };
        while !stop.load(Ordering::SeqCst) {
            let id = ShardId(self.next);
            self.next += 1;
            marker.tell(Mark::Creating(id))?;
            let shard = store.create_shard(id, plan::shard_options(id, true))?;
            marker.tell(Mark::Created(id))?;
            self.living.push_back(id);
            let mut appender = Appender::new(id, marker, self.dice.next());
            for _ in 0..self.dice.below(6) {
                appender.append_all(&shard, 1 + self.dice.below(8))?;
            }
            marker = appender.into_marker();
            drop(shard);
            while self.living.len() > LIVING
                && let Some(id) = self.living.pop_front()
            {
                marker.tell(Mark::Deleting(id))?;
                store.delete_shard(id)?;
                marker.tell(Mark::Deleted(id))?;
            }
            thread::sleep(Duration::from_millis(self.dice.below(150)));
        }
        self.marker = Some(marker);
        Ok(())
    }
}
