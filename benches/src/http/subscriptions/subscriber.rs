//! A consumer: one connection, a subscription to each shard.

use std::{sync::atomic::Ordering, thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{BATCH, CHARACTERS, DIGITS, Propagation, SHARDS, SIZE, Shared};
use crate::{
    error::BenchError,
    http::{
        line::find,
        mux::{Mux, Piece},
        puts::Form,
    },
};

/// What a subscription may be sent ahead: as KCL sets up its client.
const WINDOW: u32 = 512 << 10;
/// The lengths in front of an event, and the checksum behind it.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
const DATA: &[u8] = b"\"Data\":\"";

/// The consumer that does not even read its socket while it is slow. Others read theirs, but give
/// their streams no room: another request of the connection would still be answered.
const STILL: usize = 1;

pub(super) struct Subscriber<'a> {
    mux: Mux,
    number: usize,
    shared: &'a Shared,
    /// One for each shard, in their order.
    subscriptions: Vec<Subscription>,
    came: Propagation,
}

struct Subscription {
    is_answered: bool,
    /// Events that came.
    events: u64,
    /// What came of the next event.
    part: Vec<u8>,
    /// The number of the next record.
    next: u64,
    /// Bytes that may be sent again.
    taken: u32,
}

impl<'a> Subscriber<'a> {
    pub(super) fn new(
        address: &str,
        number: usize,
        arn: &str,
        shared: &'a Shared,
    ) -> Result<Subscriber<'a>, BenchError> {
        let mut mux = Mux::connect(address, WINDOW)?;
        let mut subscriptions = Vec::new();
        for shard in 0..SHARDS {
            let wanted = json!({
                "ConsumerARN": arn,
                "ShardId": format!("shardId-{shard:012}"),
                "StartingPosition": {"Type": "LATEST"},
            });
            let body = wanted.to_string();
            let stream = mux.ask(
                "SubscribeToShard",
                Form::Json.content_type(),
                body.as_bytes(),
            )?;
            debug_assert_eq!(u64::from(stream), 2 * shard + 1);
            subscriptions.push(Subscription {
                is_answered: false,
                events: 0,
                part: Vec::new(),
                next: shard,
                taken: 0,
            });
        }
        Ok(Subscriber {
            mux,
            number,
            shared,
            subscriptions,
            came: Propagation::new()?,
        })
    }

    /// Until it is stopped: how long records took to come.
    pub(super) fn run(mut self) -> Result<Propagation, BenchError> {
        let mut was_slow = false;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let is_slow = self.number < self.shared.slow.load(Ordering::Relaxed);
            if was_slow && !is_slow {
                self.give_all();
            }
            was_slow = is_slow;
            if is_slow && self.number == STILL {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            self.receive(is_slow)?;
        }
        Ok(self.came)
    }

    fn receive(&mut self, is_slow: bool) -> Result<(), BenchError> {
        let Subscriber {
            mux,
            number,
            shared,
            subscriptions,
            came,
            ..
        } = self;
        let (mut held, mut records) = (0, 0);
        mux.receive(|stream, piece| {
            let subscription = subscriptions.get_mut(stream as usize / 2);
            let subscription =
                subscription.ok_or_else(|| BenchError::wrong("a stream that nobody asked for"))?;
            let bytes = match piece {
                Piece::Answered(is_good) => {
                    subscription.is_answered = is_good;
                    return Ok(0);
                }
                Piece::Bytes(bytes) if subscription.is_answered => bytes,
                Piece::Bytes(bytes) => {
                    let said = String::from_utf8_lossy(bytes);
                    return Err(BenchError::wrong(format!("SubscribeToShard: {said}")));
                }
                Piece::End => return Err(BenchError::wrong("a subscription has ended")),
            };
            subscription.part.extend_from_slice(bytes);
            let before = subscription.events;
            records += subscription.take_events(|number| {
                if let Some(put) = shared.puts.get((number / BATCH) as usize) {
                    came.add(put, shared.since());
                }
            })?;
            // The initial response comes before the first one.
            held += u64::from(before < 2 && subscription.events >= 2);
            subscription.taken += bytes.len() as u32;
            if is_slow || subscription.taken < WINDOW / 2 {
                return Ok(0);
            }
            Ok(std::mem::take(&mut subscription.taken))
        })?;
        shared.held[*number].fetch_add(held, Ordering::Relaxed);
        shared.received[*number].fetch_add(records, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what was not while it was slow.
    fn give_all(&mut self) {
        for (at, subscription) in self.subscriptions.iter_mut().enumerate() {
            if subscription.taken > 0 {
                self.mux.give(2 * at as u32 + 1, subscription.taken);
                subscription.taken = 0;
            }
        }
    }
}

impl Subscription {
    /// Takes the events that are whole; `each` is told the numbers of their records. How many there
    /// were.
    fn take_events(&mut self, mut each: impl FnMut(u64)) -> Result<u64, BenchError> {
        let (mut at, mut records) = (0, 0);
        while let Some(prelude) = self.part[at..].first_chunk::<PRELUDE>() {
            let number = |at: usize| {
                let bytes = [0, 1, 2, 3].map(|byte| prelude[at + byte]);
                u32::from_be_bytes(bytes) as usize
            };
            let (total, headers) = (number(0), number(4));
            let Some(event) = self.part[at..].get(..total) else {
                break;
            };
            let (headers, payload) = event
                .get(PRELUDE..total.saturating_sub(CHECKSUM))
                .and_then(|rest| rest.split_at_checked(headers))
                .ok_or_else(|| BenchError::wrong("an event with strange lengths"))?;
            if find(headers, b"exception").is_some() {
                let said = String::from_utf8_lossy(payload);
                return Err(BenchError::wrong(format!("a subscription ends: {said}")));
            }
            let mut rest = payload;
            while let Some(found) = find(rest, DATA) {
                let number = number_of(&rest[found + DATA.len()..])?;
                if number != self.next {
                    return Err(BenchError::wrong(format!(
                        "record {number} came where {} is the next one",
                        self.next
                    )));
                }
                self.next += SHARDS;
                records += 1;
                each(number);
                rest = &rest[found + DATA.len() + SIZE.div_ceil(3) * 4..];
            }
            self.events += 1;
            at += total;
        }
        self.part.drain(..at);
        Ok(records)
    }
}

/// The number in the data of a record, whose end is where it should be.
fn number_of(data: &[u8]) -> Result<u64, BenchError> {
    let digits = data.get(..CHARACTERS);
    let digits = digits.and_then(|text| STANDARD.decode(text).ok());
    let digits = digits.filter(|digits| digits.len() == DIGITS);
    let number = digits.and_then(|digits| String::from_utf8(digits).ok()?.parse().ok());
    let is_whole = data.get(SIZE.div_ceil(3) * 4) == Some(&b'"');
    number
        .filter(|_| is_whole)
        .ok_or_else(|| BenchError::wrong("an event with a strange record"))
}
