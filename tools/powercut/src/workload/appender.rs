//! One shard's appends, in the order of its numbers: what a record holds follows from its number.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use millstream_engine::{
    Appended, Error, ReadyBatch, SequenceNumber, Shard, ShardId, Store, Ticket, format::Record,
};

use super::Failure;
use crate::{
    mark::{Mark, Marker},
    plan::{PRODUCER, Style},
    record::{Dice, record},
};

/// How far ahead an intent reaches.
const AHEAD: u64 = 400;
/// Bytes of a batch made by the caller.
const READY_BYTES: usize = 192 << 10;

/// An append whose end is not known yet.
struct Pending {
    ticket: Ticket,
    end: u64,
    put: Option<u64>,
}

pub(super) struct Appender {
    shard: ShardId,
    style: Style,
    marker: Marker,
    dice: Dice,
    /// The number of the next record.
    next: u64,
    /// No record of this number or above was announced.
    below: u64,
    /// The number of the next put.
    put: u64,
    pending: VecDeque<Pending>,
}

impl Appender {
    pub(super) fn new(shard: ShardId, marker: Marker, seed: u64) -> Appender {
        Appender {
            shard,
            style: Style::of(shard),
            marker,
            dice: Dice(seed),
            next: 0,
            below: 0,
            put: 0,
            pending: VecDeque::new(),
        }
    }

    pub(super) fn shard(&self) -> ShardId {
        self.shard
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn into_marker(self) -> Marker {
        self.marker
    }

    pub(super) fn run(
        &mut self,
        store: &Store,
        shard: &Shard,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        if self.style == Style::Written {
            // Without a mark of the close its numbers jump.
            self.next = shard.end().0;
        }
        while !stop.load(Ordering::SeqCst) {
            self.append(store, shard)?;
            let depth = 1 + self.dice.below(self.style.depth() as u64) as usize;
            while self.pending.len() >= depth {
                self.settle()?;
            }
            // A pause now and then, so that shards fall idle and are stamped.
            if self.dice.below(40) == 0 {
                while !self.pending.is_empty() {
                    self.settle()?;
                }
                let pause = match self.dice.below(8) {
                    0 => 1200,
                    _ => self.dice.below(30),
                };
                thread::sleep(Duration::from_millis(pause));
            }
        }
        while !self.pending.is_empty() {
            self.settle()?;
        }
        Ok(())
    }

    /// Appends so many records and waits for them.
    pub(super) fn append_all(&mut self, shard: &Shard, count: u64) -> Result<(), Failure> {
        self.announce(count)?;
        let records = self.records(count);
        let records: Vec<_> = records.iter().map(|(k, d)| Record::new(k, d)).collect();
        let appended = shard.append_and_wait(&records)?;
        self.check(appended)?;
        self.next += count;
        self.marker
            .tell(Mark::Acknowledged(self.shard, self.next))?;
        Ok(())
    }

    fn append(&mut self, store: &Store, shard: &Shard) -> Result<(), Failure> {
        let mut count = 1 + self.dice.below(self.style.most_records());
        self.announce(count)?;
        let mut put = None;
        let ticket = match self.style {
            Style::Single => return self.append_all(shard, 1),
            Style::Ready => {
                let Some((batch, records)) = self.ready_batch(store, count)? else {
                    thread::sleep(Duration::from_millis(1));
                    return Ok(());
                };
                count = records;
                thread::sleep(Duration::from_millis(5));
                shard.append_ready(batch)?
            }
            Style::Producer => {
                put = Some(self.put);
                self.put += 1;
                self.put_until_taken(shard, self.put - 1, self.next, count)?
            }
            _ => {
                let records = self.records(count);
                let records: Vec<_> = records.iter().map(|(k, d)| Record::new(k, d)).collect();
                shard.append(&records)?
            }
        };
        self.check(ticket.assigned())?;
        if let Some(number) = put
            && self.dice.below(10) == 0
        {
            // Once more, as after an answer that was lost.
            let again = self.put_until_taken(shard, number, self.next, count)?;
            let (first, second) = (ticket.assigned(), again.wait()?);
            if !second.duplicate || second.first != first.first {
                return Err(format!("put {number} sent twice: {first:?}, then {second:?}").into());
            }
        }
        self.next += count;
        self.pending.push_back(Pending {
            ticket,
            end: self.next,
            put,
        });
        Ok(())
    }

    fn put_until_taken(
        &self,
        shard: &Shard,
        number: u64,
        first: u64,
        count: u64,
    ) -> Result<Ticket, Failure> {
        let records = records(self.shard, first, count);
        let records: Vec<_> = records.iter().map(|(k, d)| Record::new(k, d)).collect();
        loop {
            match shard.try_append_from(PRODUCER, number, &records) {
                Err(Error::Full { .. }) => thread::sleep(Duration::from_millis(1)),
                other => return Ok(other?),
            }
        }
    }

    fn ready_batch(&self, store: &Store, most: u64) -> Result<Option<(ReadyBatch, u64)>, Failure> {
        let Some(mut builder) = store.batch(READY_BYTES) else {
            return Ok(None);
        };
        let mut count = 0;
        for (key, data) in self.records(most) {
            if !builder.push(&Record::new(&key, &data)) {
                break;
            }
            count += 1;
        }
        Ok(Some((ReadyBatch::from_builder(builder)?, count)))
    }

    fn records(&self, count: u64) -> Vec<(String, Vec<u8>)> {
        records(self.shard, self.next, count)
    }

    /// Tells that so many records may come, before the first byte of them is written.
    fn announce(&mut self, count: u64) -> Result<(), Failure> {
        if self.next + count > self.below {
            self.below = self.next + count + AHEAD;
            self.marker.tell(Mark::Below(self.shard, self.below))?;
        }
        Ok(())
    }

    fn check(&self, appended: Appended) -> Result<(), Failure> {
        if appended.first != SequenceNumber(self.next) || appended.duplicate {
            let (shard, next) = (self.shard, self.next);
            return Err(format!("shard {shard}: {next} is next, and it gave {appended:?}").into());
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Failure> {
        let Some(pending) = self.pending.pop_front() else {
            return Ok(());
        };
        let appended = pending.ticket.wait()?;
        self.marker
            .tell(Mark::Acknowledged(self.shard, pending.end))?;
        if let Some(number) = pending.put {
            let (first, count) = (appended.first.0, u64::from(appended.count));
            self.marker
                .tell(Mark::Put(self.shard, number, first, count))?;
        }
        Ok(())
    }
}

fn records(shard: ShardId, first: u64, count: u64) -> Vec<(String, Vec<u8>)> {
    (first..first + count)
        .map(|sequence| record(shard, SequenceNumber(sequence)))
        .collect()
}
