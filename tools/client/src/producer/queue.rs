//! The batches of one shard between seal and outcome: which may be sent, under which producer id
//! and number, and what an answer means. No input or output, and the time is given.
//!
//! The shard takes number n of a producer only after n − 1, and a number that it took before it
//! answers as before. So a batch that may have arrived is sent again under the same number, and
//! everything is written once and in order. Where a number will never be taken (its batch was
//! given up, or the shard has forgotten the producer) the batches that are known not to be
//! written go on under a new id, and those that may be written are told as unknown. No batch is
//! sent under a new id before those in front of it under the old one have an outcome.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use millstream_wire::{ErrorAnswer, ErrorCode, Outcome, Retry};

use super::batch::SealedBatch;
use crate::{Error, delivery::DeliveryError, random::Backoff};

/// What came back for a batch that was sent.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is durable, from this sequence number on.
    Written {
        /// Sequence number of its first record.
        first: u64,
        /// Records.
        count: u32,
    },
    /// The server said no.
    Failed(ErrorAnswer),
    /// There will be no answer.
    Lost(String),
    /// It never left.
    NotSent(String),
}

/// A batch with its outcome: the first sequence number, or the error.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) batch: SealedBatch,
    pub(super) result: Result<u64, DeliveryError>,
    /// It was sent more than once.
    pub(super) retried: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Brand {
    producer: u64,
    number: u64,
}

#[derive(Debug)]
struct Entry {
    batch: SealedBatch,
    brand: Option<Brand>,
    /// The attempt that is unanswered.
    sent: Option<u64>,
    /// An earlier attempt may have been written.
    uncertain: bool,
    attempts: u32,
    /// What the last attempt met.
    met: Option<Met>,
}

#[derive(Debug)]
enum Met {
    Refusal(ErrorAnswer),
    Loss(String),
}

impl Entry {
    fn settle(self, result: Result<u64, DeliveryError>) -> Settled {
        Settled {
            batch: self.batch,
            result,
            retried: self.attempts > 1,
        }
    }

    /// No further attempt: refused, if that is known.
    fn give_up(mut self) -> Settled {
        let error = match (self.met.take(), self.uncertain) {
            (Some(Met::Refusal(error)), false) => DeliveryError::Refused(error),
            (Some(Met::Refusal(error)), true) => DeliveryError::Unknown {
                reason: format!("an earlier attempt had no answer, the last one {error}"),
            },
            (Some(Met::Loss(reason)), true) => DeliveryError::Unknown { reason },
            (Some(Met::Loss(reason)), false) => DeliveryError::NotSent { reason },
            (None, _) => DeliveryError::NotSent {
                reason: "there was no connection".to_owned(),
            },
        };
        self.settle(Err(error))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// The id for batches that have none.
    producer: u64,
    next_number: u64,
    fresh_id: fn() -> u64,
    in_flight: usize,
    retry_for: Option<Duration>,
    backoff: Backoff,
    not_before: Option<Instant>,
    /// The shard is gone from the map: nothing more is sent to it.
    gone: bool,
}

impl Queue {
    /// At most `in_flight` batches unanswered; `fresh_id` makes producer ids.
    pub(super) fn new(
        in_flight: usize,
        retry_for: Option<Duration>,
        backoff: Backoff,
        fresh_id: fn() -> u64,
    ) -> Queue {
        Queue {
            entries: VecDeque::new(),
            producer: fresh_id(),
            next_number: 0,
            fresh_id,
            in_flight: in_flight.max(1),
            retry_for,
            backoff,
            not_before: None,
            gone: false,
        }
    }

    pub(super) fn push(&mut self, batch: SealedBatch) {
        self.entries.push_back(Entry {
            batch,
            brand: None,
            sent: None,
            uncertain: false,
            attempts: 0,
            met: None,
        });
    }

    /// Whether nothing is to be sent or answered.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether any batch is unanswered.
    pub(super) fn is_waiting(&self) -> bool {
        self.entries.iter().any(|entry| entry.sent.is_some())
    }

    /// Whether a batch was refused because the shard is gone from the map.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// The next batch that may be sent now, branded; it counts as sent, under `attempt`.
    pub(super) fn send_next(&mut self, attempt: u64, now: Instant) -> Option<&SealedBatch> {
        let at = self.sendable(now)?;
        let entry = self.entries.get_mut(at)?;
        if entry.brand.is_none() {
            let brand = Brand {
                producer: self.producer,
                number: self.next_number,
            };
            self.next_number += 1;
            entry.batch.brand(brand.producer, brand.number);
            entry.brand = Some(brand);
        }
        entry.sent = Some(attempt);
        entry.attempts += 1;
        Some(&entry.batch)
    }

    /// Whether there is a batch that may be sent now.
    pub(super) fn can_send(&self, now: Instant) -> bool {
        self.sendable(now).is_some()
    }

    fn sendable(&self, now: Instant) -> Option<usize> {
        if self.gone || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let mut in_front = None;
        for (at, entry) in self.entries.iter().enumerate() {
            let producer = entry.brand.map_or(self.producer, |brand| brand.producer);
            if in_front.is_some_and(|id| id != producer) || at >= self.in_flight {
                return None;
            }
            if entry.sent.is_none() {
                return Some(at);
            }
            in_front = Some(producer);
        }
        None
    }

    /// When there may be something to do without an answer: a pause ends, or a batch is to be
    /// given up.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let front = self.entries.front()?;
        if front.sent.is_some() {
            return None;
        }
        let expiry = self.retry_for.map(|limit| front.batch.sealed + limit);
        [self.not_before, expiry].into_iter().flatten().min()
    }

    /// Gives up what has been tried for too long, from the front on.
    /// `unreachable` is why there is no connection, if there is none.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        unreachable: Option<&Error>,
        settled: &mut Vec<Settled>,
    ) {
        let Some(limit) = self.retry_for else { return };
        while let Some(front) = self.entries.front() {
            let expired = now.saturating_duration_since(front.batch.sealed) >= limit;
            if front.sent.is_some() || !expired {
                return;
            }
            let Some(mut front) = self.entries.pop_front() else {
                return;
            };
            if let (None, Some(error)) = (&front.met, unreachable) {
                front.met = Some(Met::Loss(error.to_string()));
            }
            settled.push(front.give_up());
        }
    }

    /// Nothing more is to be sent: the shard is gone from the map.
    pub(super) fn freeze(&mut self) {
        self.gone = true;
    }

    /// Takes everything out, unanswered or not: what is known not to be written comes back as
    /// `unsent`, in order.
    pub(super) fn drain(&mut self, settled: &mut Vec<Settled>) -> Vec<SealedBatch> {
        let mut unsent = Vec::new();
        for mut entry in self.entries.drain(..) {
            entry.uncertain |= entry.sent.is_some();
            if entry.uncertain {
                settled.push(entry.give_up());
            } else {
                unsent.push(entry.batch);
            }
        }
        self.gone = false;
        unsent
    }

    /// Gives up everything that is not unanswered because of `error`.
    pub(super) fn refuse_all(&mut self, error: &ErrorAnswer, settled: &mut Vec<Settled>) {
        self.gone = false;
        let (kept, dropped) = self.entries.drain(..).partition(|e| e.sent.is_some());
        self.entries = kept;
        let dropped: VecDeque<Entry> = dropped;
        for mut entry in dropped {
            entry.met = Some(Met::Refusal(error.clone()));
            settled.push(entry.give_up());
        }
    }

    /// Takes the answer to `attempt`; what has an outcome now goes to `settled`.
    pub(super) fn answer(
        &mut self,
        attempt: u64,
        answer: Answer,
        now: Instant,
        settled: &mut Vec<Settled>,
    ) {
        let found = self.entries.iter().position(|e| e.sent == Some(attempt));
        let Some(at) = found else { return };
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        entry.sent = None;
        match answer {
            Answer::Written { first, count } if count == entry.batch.count => {
                self.backoff.reset();
                self.not_before = None;
                settled.extend(self.entries.remove(at).map(|entry| entry.settle(Ok(first))));
            }
            Answer::Written { count, .. } => {
                let reason = format!("{count} records acknowledged in a batch of another count");
                let error = DeliveryError::Unknown { reason };
                settled.extend(
                    self.entries
                        .remove(at)
                        .map(|entry| entry.settle(Err(error))),
                );
            }
            Answer::Lost(reason) => {
                entry.uncertain = true;
                entry.met = Some(Met::Loss(reason));
            }
            Answer::NotSent(reason) => {
                entry.met = Some(Met::Loss(reason));
            }
            Answer::Failed(error) => self.failed(at, error, now, settled),
        }
    }

    fn failed(&mut self, at: usize, error: ErrorAnswer, now: Instant, settled: &mut Vec<Settled>) {
        let lowest = self.lowest_number(at);
        let (code, expected) = (error.code, error.detail);
        let missing_is_ours = self.has_number(at, expected);
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        entry.met = Some(Met::Refusal(error));
        match code {
            ErrorCode::OutOfOrder => {
                // The shard takes a lower number first: whatever became of earlier attempts,
                // this one is not written.
                entry.uncertain = false;
                if lowest.is_some_and(|lowest| expected < lowest) {
                    let dead = entry.brand.take();
                    self.new_id_after(dead);
                } else if !missing_is_ours || at == 0 {
                    // It is not for us to send what is missing: what is in front of it and
                    // unanswered decides, or the server contradicts itself.
                    self.not_before = Some(now + self.backoff.pause());
                }
            }
            // Its first put has not been taken yet: not forgotten, only out of order.
            ErrorCode::UnknownProducer if lowest == Some(0) && at > 0 => entry.uncertain = false,
            ErrorCode::UnknownProducer => {
                let dead = entry.brand;
                self.new_id_after(dead);
                self.forget(dead, settled);
                self.not_before = Some(now + self.backoff.pause());
            }
            ErrorCode::ShardMapChanged => self.gone = true,
            _ => {
                entry.uncertain |= code.outcome() == Outcome::Unknown;
                if code.retry() == Retry::Later {
                    self.not_before = Some(now + self.backoff.pause());
                } else {
                    settled.extend(self.entries.remove(at).map(Entry::give_up));
                }
            }
        }
    }

    /// Lowest number that is without an outcome under the id of the entry at `at`.
    fn lowest_number(&self, at: usize) -> Option<u64> {
        let producer = self.entries.get(at)?.brand?.producer;
        let brands = self.entries.iter().filter_map(|entry| entry.brand);
        let ours = brands.filter(|brand| brand.producer == producer);
        ours.map(|brand| brand.number).min()
    }

    /// Whether a batch has this number under the id of the entry at `at`.
    fn has_number(&self, at: usize, number: u64) -> bool {
        let Some(brand) = self.entries.get(at).and_then(|entry| entry.brand) else {
            return false;
        };
        let wanted = Some(Brand { number, ..brand });
        self.entries.iter().any(|entry| entry.brand == wanted)
    }

    fn new_id_after(&mut self, dead: Option<Brand>) {
        if dead.is_some_and(|brand| brand.producer == self.producer) {
            self.producer = (self.fresh_id)();
            self.next_number = 0;
        }
    }

    /// The shard does not know the producer of `dead` any more: what may have been written before
    /// it forgot can no longer be known; the rest goes on under a new id.
    fn forget(&mut self, dead: Option<Brand>, settled: &mut Vec<Settled>) {
        let Some(dead) = dead else { return };
        let mut at = 0;
        while let Some(entry) = self.entries.get_mut(at) {
            let theirs = entry.brand.is_some_and(|b| b.producer == dead.producer);
            if theirs && entry.sent.is_none() {
                if entry.uncertain {
                    settled.extend(self.entries.remove(at).map(Entry::give_up));
                    continue;
                }
                entry.brand = None;
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests;
