//! A store that is used as the input says, and crashes where the input says, beside a model of what
//! was asked and answered. What is found after each end is judged by that.
//!
//! ```text
//! byte 0   how the shard is: bits WRITTEN, ZSTD, SMALL
//! then     operations, each of one byte and what it takes
//! ```

mod oracle;

use millstream_engine::{
    CompressionChoice, Durability, Error, Position, ReadyBatch, Retention, SequenceNumber, Shard,
    ShardOptions, ShardState, Store, Ticket,
    format::{BatchBuilder, Record},
    io::simulated::Disk,
};

use crate::{
    dump,
    input::Input,
    patterns::{SHARD, options},
    reading::Found,
    stand::Stand,
};
use oracle::{Ending, Oracle, Outcome};

/// Acknowledged is written, and not flushed.
const WRITTEN: u8 = 1;
/// Batches are compressed.
const ZSTD: u8 = 2;
/// Old segments go by size.
const SMALL: u8 = 4;

const MOST_OPERATIONS: usize = 400;
const MOST_PROCESSES: u64 = 10;
/// Most bytes that are appended: a segment is 1 MiB.
const MOST_BYTES: usize = 8 << 20;
/// The cap of a shard whose segments go by size.
const CAP: u64 = 2 << 20;

/// Runs an input; panics where something does not hold.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let how = input.byte();
    let durability = match how & WRITTEN {
        0 => Durability::Durable,
        _ => Durability::Written,
    };
    let compression = match how & ZSTD {
        0 => CompressionChoice::None,
        _ => CompressionChoice::Zstd(1),
    };
    let retention = Retention {
        age: None,
        bytes: (how & SMALL != 0).then_some(CAP),
    };
    let options = ShardOptions {
        retention,
        ..options(durability, compression)
    };
    let mut life = Life {
        options,
        oracle: Oracle::new(durability == Durability::Durable, retention.bytes.is_some()),
        operations: 0,
        bytes: 0,
        number: 0,
    };
    let mut disk = Disk::default();
    let mut ending = Ending::Closed;
    let mut now_ms = None;
    while life.number < MOST_PROCESSES {
        life.number += 1;
        let stand = Stand::new(disk, life.number);
        if let Some(now_ms) = now_ms {
            stand.set_now_ms(now_ms);
        }
        (disk, ending) = life.process(&stand, &mut input, ending);
        now_ms = Some(stand.now_ms());
        if input.is_empty() || life.operations >= MOST_OPERATIONS {
            break;
        }
    }
    dump::when_asked(&disk);
    // Whatever became of it, it is judged once more.
    let stand = Stand::new(disk, 0);
    let opened = life.open(&stand).expect("a store opens");
    life.judge(&stand, &opened.1, ending);
}

struct Life {
    options: ShardOptions,
    oracle: Oracle,
    operations: usize,
    bytes: usize,
    number: u64,
}

/// An append under way.
struct Waiting {
    attempt: usize,
    ticket: Ticket,
}

/// How records are given to the shard.
#[derive(Debug, Clone, Copy)]
enum Lane {
    Staged,
    Leading,
    Ready,
    Numbered(u64, u64),
}

struct Process<'a> {
    stand: &'a Stand,
    store: Store,
    shard: Shard,
    waiting: Vec<Waiting>,
}

impl Life {
    fn open(&self, stand: &Stand) -> Result<(Store, Shard), Error> {
        let store = stand.open()?;
        let shard = match store.open_shard(SHARD, self.options) {
            Err(Error::NoShard { .. }) if !self.oracle.was_made() => {
                store.create_shard(SHARD, self.options)?
            }
            other => other?,
        };
        Ok((store, shard))
    }

    /// Judges what is in the shard, unless the device was cut off meanwhile; whether it did.
    fn judge(&mut self, stand: &Stand, shard: &Shard, ending: Ending) -> bool {
        let found = Found::read(shard);
        let alive = !stand.is_dead();
        if alive {
            self.oracle.judge(&found, ending);
        }
        alive
    }

    /// A process: it opens the store, does what the input says, and ends; what it leaves.
    fn process(&mut self, stand: &Stand, input: &mut Input<'_>, before: Ending) -> (Disk, Ending) {
        // An end may come while it opens.
        let first = input.byte();
        if first & 3 == 1 {
            stand.end_after(u64::from(first >> 2));
        }
        let (store, shard) = match self.open(stand) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(stand.is_dead(), "a store does not open: {error}");
                // Nothing was seen of it: what is judged next is the worse of two ends.
                let ending = if first & 128 == 0 {
                    Ending::Power
                } else {
                    Ending::Killed
                };
                let disk = self.leave(stand, ending);
                return (disk, ending.max(before));
            }
        };
        if stand.is_dead() {
            let disk = self.leave(stand, Ending::Power);
            return (disk, Ending::Power);
        }
        self.oracle.made();
        if !self.judge(stand, &shard, before) {
            let disk = self.leave(stand, Ending::Power);
            return (disk, Ending::Power);
        }
        let mut process = Process {
            stand,
            store,
            shard,
            waiting: Vec::new(),
        };
        let mut ending = Ending::Power;
        while !input.is_empty() && !stand.is_dead() && self.operations < MOST_OPERATIONS {
            self.operations += 1;
            if let Some(end) = self.operation(&mut process, input) {
                ending = end;
                break;
            }
            process.poll(&mut self.oracle);
        }
        if ending == Ending::Closed && !stand.is_dead() {
            process.store.close().expect("a store closes");
            process.poll(&mut self.oracle);
            let closed = !stand.is_dead();
            ending = if closed {
                Ending::Closed
            } else {
                Ending::Power
            };
        } else if ending == Ending::Closed {
            ending = Ending::Power;
        }
        let disk = stand.end();
        process.poll(&mut self.oracle);
        drop(process);
        self.oracle.ended();
        let disk = match ending {
            Ending::Closed => disk,
            Ending::Killed => stand.after_kill(disk),
            Ending::Running | Ending::Power => stand.after_power_cut(disk),
        };
        (disk, ending)
    }

    fn leave(&mut self, stand: &Stand, ending: Ending) -> Disk {
        self.oracle.ended();
        let disk = stand.end();
        match ending {
            Ending::Killed => stand.after_kill(disk),
            _ => stand.after_power_cut(disk),
        }
    }

    /// Does one thing; how the process ends, if that was it.
    fn operation(&mut self, process: &mut Process<'_>, input: &mut Input<'_>) -> Option<Ending> {
        let what = input.byte();
        let more = usize::from(what >> 4);
        let stand = process.stand;
        match what & 15 {
            0 | 1 => self.append(process, Lane::Staged, more),
            2 => self.append(process, Lane::Leading, more),
            3 => self.append(process, Lane::Ready, more),
            4 | 5 => self.put(process, more),
            6 | 7 => (0..=more).for_each(|_| stand.turn()),
            8 => {
                stand.pass(1 << more);
                stand.turn();
            }
            9 => {
                // What cannot be dropped now is dropped later.
                let _ = process.store.reap();
            }
            10 => {
                let back = u64::from(input.byte());
                let before = process.shard.end().0.saturating_sub(back);
                self.oracle.trimmed(before);
                let _ = process.shard.trim(SequenceNumber(before));
            }
            11 => drop(self.judge(stand, &process.shard, Ending::Running)),
            12 => self.reopen(process),
            13 => stand.fail_after(u64::from(input.byte() % 16)),
            14 => stand.end_after(u64::from(input.byte())),
            _ => {
                return Some(match more {
                    0..=3 => Ending::Closed,
                    4..=7 => Ending::Killed,
                    _ => Ending::Power,
                });
            }
        }
        None
    }

    fn append(&mut self, process: &mut Process<'_>, lane: Lane, size: usize) {
        let (count, len) = match size {
            0..=7 => (1 + size % 4, 16 + size * 37),
            8..=11 => (1 + size % 3, 1000 + (size - 8) * 2500),
            12 | 13 => (40, 100),
            _ => (1, 60_000 + (size - 14) * 140_000),
        };
        if self.bytes + count * len > MOST_BYTES {
            return;
        }
        self.bytes += count * len;
        let producer = match lane {
            Lane::Numbered(producer, number) => Some((producer, number)),
            _ => None,
        };
        let attempt = self.oracle.begin(count, len, producer);
        self.send(process, lane, attempt);
    }

    fn send(&mut self, process: &mut Process<'_>, lane: Lane, attempt: usize) {
        let datas = self.oracle.datas(attempt);
        let records: Vec<Record<'_>> = datas.iter().map(|data| Record::new("k", data)).collect();
        let shard = &process.shard;
        let sent = match lane {
            Lane::Staged => shard.try_append(&records),
            Lane::Leading => shard.try_append_leading(&records),
            Lane::Numbered(producer, number) => shard.try_append_from(producer, number, &records),
            Lane::Ready => ready(&process.store, &records)
                .and_then(|batch| shard.try_append_ready(batch).map_err(|(error, _)| error)),
        };
        match sent {
            Ok(ticket) => {
                self.oracle.assigned(attempt, ticket.assigned());
                process.waiting.push(Waiting { attempt, ticket });
            }
            Err(error) => self.oracle.refused(attempt, &error),
        }
    }

    /// The next put of a producer, or one that was sent before.
    fn put(&mut self, process: &mut Process<'_>, more: usize) {
        match self.oracle.put_to_repeat(more) {
            Some((attempt, producer, number)) => {
                self.send(process, Lane::Numbered(producer, number), attempt);
            }
            None => {
                let (producer, number) = self.oracle.next_put();
                self.append(process, Lane::Numbered(producer, number), more);
            }
        }
    }

    /// Opens a shard again whose write has failed.
    fn reopen(&mut self, process: &mut Process<'_>) {
        if !matches!(process.shard.status().state, ShardState::Poisoned(_)) {
            return;
        }
        for _ in 0..64 {
            process.stand.turn();
        }
        process.poll(&mut self.oracle);
        if let Ok(shard) = process.store.reopen_shard(SHARD) {
            process.shard = shard;
            if !process.stand.is_dead() {
                self.oracle.ended();
                process.waiting.clear();
                self.judge(process.stand, &process.shard, Ending::Killed);
            }
        }
    }
}

fn ready(store: &Store, records: &[Record<'_>]) -> Result<ReadyBatch, Error> {
    let bytes: usize = records.iter().map(Record::encoded_len).sum();
    let Some(buffer) = store.batch(bytes + 64 + 24) else {
        return Err(Error::Full { shard: SHARD });
    };
    let mut builder: BatchBuilder<_> = buffer;
    for record in records {
        builder.push(record);
    }
    ReadyBatch::from_builder(builder)
}

impl Process<'_> {
    /// Looks what became of the appends under way.
    fn poll(&mut self, oracle: &mut Oracle) {
        self.waiting.retain(|append| {
            match append.ticket.wait_timeout(std::time::Duration::ZERO) {
                None => return true,
                Some(Ok(appended)) => oracle.acknowledged(append.attempt, appended),
                Some(Err(error)) => {
                    let outcome = match error.outcome_unknown() {
                        true => Outcome::Unknown,
                        false => Outcome::Void,
                    };
                    oracle.failed(append.attempt, outcome);
                }
            }
            false
        });
        // Nobody reads what is not durable, and everybody what is.
        if let Some(last) = oracle.last_acknowledged()
            && !self.stand.is_dead()
            && last >= self.shard.oldest().0
            && let Ok(mut cursor) = self.shard.read(Position::At(SequenceNumber(last)))
            && let Ok(batch) = cursor.next_batch()
        {
            assert!(batch.is_some(), "record {last} is acknowledged, not read");
        }
    }
}
