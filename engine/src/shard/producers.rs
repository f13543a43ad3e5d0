//! What a shard remembers of its producers, so that a retry after a lost answer is written once.

use std::collections::{HashMap, VecDeque};

use crate::{error::Error, sequence::ShardId};

/// Puts remembered of one producer: a producer may have this many unanswered at a shard.
pub const RECENT_PUTS: usize = 32;
/// Puts held of one producer. All that are unanswered may be in flight, and be gone after a crash or
/// be taken back: as many that are durable are held beside them, or the producer would be unknown.
const HELD_PUTS: usize = 2 * RECENT_PUTS;
/// Producers remembered by one shard; the one unheard of for longest is forgotten first.
pub const RECENT_PRODUCERS: usize = 1024;

/// A put that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecentPut {
    pub producer: u64,
    /// Its number among the producer's puts to the shard.
    pub number: u64,
    /// Sequence number of its first record.
    pub first: u64,
    /// Its records.
    pub count: u32,
}

/// Whether a put is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is the next.
    New,
    /// It was taken before.
    Duplicate(RecentPut),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Producer {
    puts: VecDeque<RecentPut>,
    heard: u64,
}

/// The producers of one shard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Producers {
    known: HashMap<u64, Producer>,
    tick: u64,
}

impl PartialEq for Producers {
    fn eq(&self, other: &Self) -> bool {
        self.to_puts() == other.to_puts()
    }
}

impl Eq for Producers {}

impl Producers {
    /// Whether nobody was heard of.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Says whether put `number` of `producer` is to be taken.
    pub(crate) fn admit(
        &self,
        shard: ShardId,
        producer: u64,
        number: u64,
    ) -> Result<Admission, Error> {
        let last = self.known.get(&producer).and_then(|p| p.puts.back());
        let Some(last) = last else {
            return if number == 0 {
                Ok(Admission::New)
            } else {
                Err(Error::UnknownProducer {
                    shard,
                    producer,
                    number,
                })
            };
        };
        let expected = last.number.saturating_add(1);
        if number == expected {
            return Ok(Admission::New);
        }
        if number > expected {
            return Err(Error::OutOfOrder {
                shard,
                producer,
                number,
                expected,
            });
        }
        let puts = self.known.get(&producer).map(|p| &p.puts);
        match puts.and_then(|puts| puts.iter().find(|put| put.number == number)) {
            Some(put) => Ok(Admission::Duplicate(*put)),
            None => Err(Error::TakenBefore {
                shard,
                producer,
                number,
            }),
        }
    }

    /// Remembers a put that was taken.
    pub(crate) fn note(&mut self, put: RecentPut) {
        self.tick += 1;
        if !self.known.contains_key(&put.producer) && self.known.len() >= RECENT_PRODUCERS {
            let oldest = self
                .known
                .iter()
                .min_by_key(|(_, p)| p.heard)
                .map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
            }
        }
        let producer = self.known.entry(put.producer).or_default();
        producer.heard = self.tick;
        if producer
            .puts
            .back()
            .is_some_and(|last| last.number >= put.number)
        {
            return;
        }
        if producer.puts.len() == HELD_PUTS {
            producer.puts.pop_front();
        }
        producer.puts.push_back(put);
    }

    /// Forgets puts at or after `sequence`, which were taken back before they were written.
    pub(crate) fn roll_back(&mut self, sequence: u64) {
        self.known.retain(|_, producer| {
            while producer
                .puts
                .back()
                .is_some_and(|put| put.first >= sequence)
            {
                producer.puts.pop_back();
            }
            !producer.puts.is_empty()
        });
    }

    /// All puts, in the order in which noting them again gives the same memory.
    pub(crate) fn to_puts(&self) -> Vec<RecentPut> {
        let mut producers: Vec<_> = self.known.values().collect();
        producers.sort_by_key(|p| p.heard);
        producers
            .iter()
            .flat_map(|p| p.puts.iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests;
