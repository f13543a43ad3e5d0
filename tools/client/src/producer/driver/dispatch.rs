//! Sending what may be sent, and taking the answers.

use std::{cmp::Reverse, time::Instant};

use millstream_wire::{BatchEntry, BatchResult, ErrorAnswer, ErrorCode, Request, Response, Retry};
use tokio::sync::OwnedSemaphorePermit;

use super::{Command, Driver};
use crate::{
    Error,
    client::unexpected,
    connection::{self, Connection, Waiter},
    producer::queue::Answer,
};

/// Whether a lane could send.
enum Sent {
    /// All that it may.
    All,
    /// There is no connection, or no room in its window.
    Stalled,
}

impl Driver {
    /// Looks after a lane: gives up what is too old, sends what may be sent, and sets the alarm
    /// for when it is to be looked after although nothing happened.
    pub(super) fn look_after(&mut self, slot: usize, now: Instant) {
        let mut settled = Vec::new();
        let Some(lane) = self.lanes.get_mut(slot) else {
            return;
        };
        lane.queue
            .expire(now, self.unreachable.as_ref(), &mut settled);
        let shard = lane.lane.shard.index;
        self.settle(shard, &mut settled);
        self.seal_overdue(slot);
        if let Sent::Stalled = self.send(slot, now)
            && let Some(lane) = self.lanes.get_mut(slot)
            && !lane.stalled
        {
            lane.stalled = true;
            self.stalled.push_back(slot);
        }
        let answer_limit = self.client.options().answer_timeout;
        let Some(lane) = self.lanes.get_mut(slot) else {
            return;
        };
        let overdue = lane.sent.first().map(|(_, at)| *at + answer_limit);
        let Some(at) = lane.queue.wake_at().into_iter().chain(overdue).min() else {
            return;
        };
        // An alarm that is earlier than need be only looks after the lane once more.
        if lane.alarm.is_none_or(|set| at < set) {
            lane.alarm = Some(at);
            self.alarms.push(Reverse((at, slot)));
        }
    }

    /// Seals the open batch of a lane that lingered while others of the lane were under way, once
    /// they are not.
    fn seal_overdue(&mut self, slot: usize) {
        let Some(ours) = self.lanes.get_mut(slot) else {
            return;
        };
        if !ours.overdue || !ours.queue.is_empty() {
            return;
        }
        ours.overdue = false;
        let lane = ours.lane.clone();
        let sealed = lane.lock().seal();
        if sealed {
            self.shared.agenda().sealed.push(lane);
            self.collect_sealed();
        }
    }

    fn send(&mut self, slot: usize, now: Instant) -> Sent {
        let answer_limit = self.client.options().answer_timeout;
        loop {
            let Some(lane) = self.lanes.get_mut(slot) else {
                return Sent::All;
            };
            let overdue = lane.sent.first().map(|(_, at)| *at + answer_limit);
            if overdue.is_some_and(|at| at <= now)
                && let Some(connection) = &self.connection
            {
                tracing::debug!(stream = self.stream, "no answer in time: connecting anew");
                connection.close();
            }
            if !lane.queue.can_send(now) {
                return Sent::All;
            }
            let connection = match &self.connection {
                Some(connection) if connection.is_alive() => connection.clone(),
                _ => {
                    self.connect();
                    return Sent::Stalled;
                }
            };
            let permit = match self.permit.take() {
                Some(permit) => Some(permit),
                None => connection.window.clone().try_acquire_owned().ok(),
            };
            self.blocked = permit.is_none();
            if self.blocked {
                return Sent::Stalled;
            }
            self.send_one(slot, &connection, permit, now);
        }
    }

    fn send_one(
        &mut self,
        slot: usize,
        connection: &Connection,
        permit: Option<OwnedSemaphorePermit>,
        now: Instant,
    ) {
        let attempt = self.next_attempt;
        let Some(lane) = self.lanes.get_mut(slot) else {
            return;
        };
        let Some(batch) = lane.queue.send_next(attempt, now) else {
            return;
        };
        self.next_attempt += 1;
        lane.sent.push((attempt, now));
        let payload = batch.payload();
        let request = Request::PutBatches {
            stream: &self.stream,
            entries: vec![BatchEntry {
                shard: lane.lane.shard.id,
                len: payload.len as u32,
            }],
        };
        let commands = self.commands.clone();
        let waiter = Waiter::Call(Box::new(move |answer| {
            // A driver that has ended awaits nothing.
            drop(commands.send(Command::Answered {
                slot,
                attempt,
                answer,
            }));
        }));
        if let Err(error) = connection.send(&request, payload, waiter, permit) {
            self.answered(slot, attempt, Err(error), now);
        }
    }

    pub(super) fn connect(&mut self) {
        self.connection = None;
        self.permit = None;
        self.blocked = false;
        if self.connecting {
            return;
        }
        self.connecting = true;
        let (client, commands) = (self.client.clone(), self.commands.clone());
        tokio::spawn(async move {
            let connection = client.connection().await;
            drop(commands.send(Command::Connected(connection)));
        });
    }

    pub(super) fn answered(
        &mut self,
        slot: usize,
        attempt: u64,
        answer: connection::Answer,
        now: Instant,
    ) {
        let Some(lane) = self.lanes.get_mut(slot) else {
            return;
        };
        lane.sent.retain(|(sent, _)| *sent != attempt);
        let mut settled = Vec::new();
        let answer = meaning(answer);
        match &answer {
            Answer::Written { .. } => self.shared.stats().retrying = None,
            Answer::Failed(error) if error.code.retry() == Retry::Later => {
                self.shared.stats().retrying = Some(error.clone());
            }
            _ => {}
        }
        lane.queue.answer(attempt, answer, now, &mut settled);
        let (shard, gone) = (lane.lane.shard.index, lane.queue.is_gone());
        self.settle(shard, &mut settled);
        self.attend(slot);
        if gone {
            self.ask_map();
        }
    }
}

/// What an answer says of a batch.
fn meaning(answer: connection::Answer) -> Answer {
    let error = match answer {
        Ok((Response::Batches(answer), _)) => {
            return match answer.results.into_iter().next() {
                Some(BatchResult::Written {
                    first_sequence,
                    count,
                    ..
                }) => Answer::Written {
                    first: first_sequence,
                    count,
                },
                Some(BatchResult::Failed(error)) => Answer::Failed(error),
                None => Answer::Lost("the answer has no result".to_owned()),
            };
        }
        Ok((other, _)) => return Answer::Lost(unexpected(&other).to_string()),
        Err(error) => error,
    };
    match error {
        Error::Server(error) => Answer::Failed(error),
        Error::NotSent { .. } => Answer::NotSent(error.to_string()),
        error if error.outcome_unknown() => Answer::Lost(error.to_string()),
        error => Answer::Failed(ErrorAnswer::new(ErrorCode::BadRequest, error.to_string())),
    }
}
