//! Pushes to the buffer, and the consumers that acknowledge them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use millstream_engine::{Buffer, Error, SequenceNumber, format::Record};

use super::Failure;
use crate::{
    mark::{Mark, Marker},
    plan::{BUFFER, CURSORS, Style},
    record::{Dice, record},
};

const AHEAD: u64 = 400;
/// How far the second consumer stays behind.
const FAR: usize = 300;

pub(super) struct Pusher {
    marker: Marker,
    dice: Dice,
    next: u64,
    below: u64,
}

impl Pusher {
    pub(super) fn new(marker: Marker, seed: u64) -> Pusher {
        Pusher {
            marker,
            dice: Dice(seed),
            next: 0,
            below: 0,
        }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn run(&mut self, buffer: &Buffer, stop: &AtomicBool) -> Result<(), Failure> {
        while !stop.load(Ordering::SeqCst) {
            let count = 1 + self.dice.below(Style::Buffer.most_records());
            if self.next + count > self.below {
                self.below = self.next + count + AHEAD;
                self.marker.tell(Mark::Below(BUFFER, self.below))?;
            }
            let records: Vec<_> = (self.next..self.next + count)
                .map(|sequence| record(BUFFER, SequenceNumber(sequence)))
                .collect();
            let records: Vec<_> = records.iter().map(|(k, d)| Record::new(k, d)).collect();
            let ticket = match buffer.push_later(&records) {
                Err(Error::BufferFull { .. }) => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
                other => other?,
            };
            let appended = ticket.wait()?;
            if appended.first.0 != self.next {
                let next = self.next;
                return Err(format!("buffer: {next} is next, and it gave {appended:?}").into());
            }
            self.next += count;
            self.marker.tell(Mark::Acknowledged(BUFFER, self.next))?;
        }
        Ok(())
    }
}

pub(super) struct Consumer {
    cursor: u64,
    marker: Marker,
}

impl Consumer {
    pub(super) fn new(cursor: u64, marker: Marker) -> Consumer {
        Consumer { cursor, marker }
    }

    pub(super) fn run(&mut self, buffer: &Buffer, stop: &AtomicBool) -> Result<(), Failure> {
        let name = CURSORS[self.cursor as usize];
        let keep = self.cursor as usize * FAR;
        while !stop.load(Ordering::SeqCst) {
            let peek = buffer.peek(name, 64 + keep, 8 << 20)?;
            let take = peek.len().saturating_sub(keep);
            let Some(last) = peek.records().take(take).last().transpose()? else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            let last = last.sequence;
            drop(peek);
            self.marker.tell(Mark::Passing(self.cursor, last.0 + 1))?;
            buffer.acknowledge(name, last)?;
            self.marker.tell(Mark::Passed(self.cursor, last.0 + 1))?;
        }
        Ok(())
    }
}
