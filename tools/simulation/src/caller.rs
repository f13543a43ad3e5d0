//! Whoever uses the store: appends, reads, and remembers what was answered.

mod buffer;
mod held;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    Batch, Buffer, Error, Position, ReadyBatch, SequenceNumber, Shard, ShardId, ShardState, Store,
    Ticket,
    clock::Clock,
    format::{BatchBuilder, Record},
};

use crate::{
    choices::Choices,
    found::Found,
    harm::Harm,
    model::{Attempt, Ending, Existence, Model, NOWHERE, Outcome},
    payload::{IDENTITY, Identity},
    sizes,
    weather::Climate,
    world::{PREPARER, REAPER, WRITER, World, lock},
};

/// An append under way.
struct Waiting {
    shard: u64,
    attempt: usize,
    ticket: Ticket,
}

pub(crate) struct Caller {
    world: Arc<World>,
    model: Arc<Mutex<Model>>,
    store: Mutex<Option<Store>>,
    shards: Mutex<BTreeMap<u64, Shard>>,
    waiting: Mutex<Vec<Waiting>>,
    /// Batches that a reader keeps, each with its first record.
    held: Mutex<Vec<(Batch, Identity)>>,
    /// Whether it appends so much that segments are filled.
    bulky: bool,
    /// Whether the reaper would wait for what the caller does.
    alone: AtomicBool,
    /// The buffer, where it is one that is used.
    buffer: Mutex<Option<Buffer>>,
    lent: Mutex<Vec<buffer::LentBefore>>,
    /// Whether acknowledgements may go to the medium between two operations.
    flusher_may: AtomicBool,
}

/// How an append is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Staged,
    Leading,
    Ready,
    Numbered(u64, u64),
}

impl Caller {
    pub(crate) fn new(world: &Arc<World>, model: &Arc<Mutex<Model>>) -> Arc<Caller> {
        Arc::new(Caller {
            world: Arc::clone(world),
            model: Arc::clone(model),
            store: Mutex::default(),
            shards: Mutex::default(),
            waiting: Mutex::default(),
            held: Mutex::default(),
            bulky: world.once_in(3),
            alone: AtomicBool::new(false),
            buffer: Mutex::default(),
            lent: Mutex::default(),
            flusher_may: AtomicBool::new(false),
        })
    }

    pub(crate) fn set_store(&self, store: &Store) {
        *lock(&self.store) = Some(store.clone());
    }

    pub(crate) fn hold(&self, id: u64, shard: Shard) {
        lock(&self.shards).insert(id, shard);
    }

    /// Lets go of everything.
    pub(crate) fn release(&self) {
        lock(&self.waiting).clear();
        lock(&self.held).clear();
        lock(&self.shards).clear();
        lock(&self.store).take();
        self.release_buffer();
    }

    /// Does something during which the reaper does not run.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        self.alone.store(true, Ordering::Relaxed);
        let result = work();
        self.alone.store(false, Ordering::Relaxed);
        result
    }

    /// Runs while somebody else is between two operations.
    pub(crate) fn interrupt(&self) {
        if lock(&self.buffer).is_some() {
            return self.interrupt_buffer();
        }
        match self.world.pick(8) {
            0..=3 => drop(self.world.turn(WRITER)),
            4 => drop(self.world.turn(PREPARER)),
            5 if !self.alone.load(Ordering::Relaxed) => drop(self.world.turn(REAPER)),
            _ => {
                // What comes of it is seen by the next poll.
                let _ = self.append(false);
            }
        }
    }

    /// Whether what cannot be read now may be read another time.
    fn reads_fail(&self) -> bool {
        self.world
            .with_weather(|weather| weather.climate() == Climate::Errors)
    }

    fn some_shard(&self) -> Option<(u64, Shard)> {
        let shards = lock(&self.shards);
        let at = self.world.pick(shards.len() as u64) as usize;
        shards
            .iter()
            .nth(at)
            .map(|(id, shard)| (*id, shard.clone()))
    }

    /// Appends some records to some shard.
    pub(crate) fn append(&self, leading: bool) -> Result<(), String> {
        let lane = if leading { Lane::Leading } else { Lane::Staged };
        match self.some_shard() {
            Some((id, shard)) => {
                self.append_to(id, &shard, lane, sizes::choose(&self.world, self.bulky))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn append_ready(&self) -> Result<(), String> {
        match self.some_shard() {
            Some((id, shard)) => self.append_to(
                id,
                &shard,
                Lane::Ready,
                sizes::choose(&self.world, self.bulky),
            ),
            None => Ok(()),
        }
    }

    fn append_to(
        &self,
        id: u64,
        shard: &Shard,
        lane: Lane,
        (count, len): (u32, u32),
    ) -> Result<(), String> {
        let producer = match lane {
            Lane::Numbered(producer, number) => Some((producer, number)),
            _ => None,
        };
        let Some(attempt) = self.begin(id, count, len, producer) else {
            return Ok(());
        };
        self.send(id, shard, lane, attempt)
    }

    fn begin(&self, id: u64, count: u32, len: u32, producer: Option<(u64, u64)>) -> Option<usize> {
        let mut model = lock(&self.model);
        let shard = model.shards.get_mut(&id)?;
        Some(shard.begin(Attempt {
            first: NOWHERE,
            count,
            len,
            producer,
            time_ms: self.world.wall_ms(),
            outcome: Outcome::Pending,
        }))
    }

    /// The data of the records of an attempt.
    fn datas(&self, id: u64, attempt: usize) -> Vec<Vec<u8>> {
        let model = lock(&self.model);
        let Some(shard) = model.shards.get(&id) else {
            return Vec::new();
        };
        let data = |index| {
            let mut data = Vec::new();
            shard.identity(attempt, index).write(&mut data);
            data
        };
        (0..shard.attempts[attempt].count).map(data).collect()
    }

    /// Sends the records of an attempt, for the first time or again.
    fn send(&self, id: u64, shard: &Shard, lane: Lane, attempt: usize) -> Result<(), String> {
        let datas = self.datas(id, attempt);
        if datas.is_empty() {
            return Ok(());
        }
        let count = datas.len();
        let key = format!("k{}", attempt % 5);
        let records: Vec<Record<'_>> = datas.iter().map(|data| Record::new(&key, data)).collect();
        self.world.tell(|| {
            format!(
                "append attempt {attempt} to shard {id}: {count} records of {} bytes, {lane:?}",
                datas[0].len()
            )
        });
        let sent = match lane {
            Lane::Staged => shard.try_append(&records),
            Lane::Leading => shard.try_append_leading(&records),
            Lane::Numbered(producer, number) => shard.try_append_from(producer, number, &records),
            Lane::Ready => self
                .ready(&records)
                .and_then(|batch| shard.try_append_ready(batch).map_err(|(error, _)| error)),
        };
        self.sent(id, attempt, sent)
    }

    /// Takes note of what an append is answered at once.
    fn sent(&self, id: u64, attempt: usize, sent: Result<Ticket, Error>) -> Result<(), String> {
        let outcome = match sent {
            Ok(ticket) => {
                let assigned = ticket.assigned();
                // The end may be lost without a word when a write was dropped.
                let lied = self.world.with_weather(|weather| weather.past.lied);
                let mut model = lock(&self.model);
                if let Some(model) = model.shards.get_mut(&id) {
                    let known = &mut model.attempts[attempt];
                    if known.first != NOWHERE
                        && known.first != assigned.first.0
                        && known.outcome == Outcome::There
                        && !lied
                    {
                        return Err(format!(
                            "attempt {attempt} is at {}, sent again it is said to be at {}",
                            known.first, assigned.first
                        ));
                    }
                    known.first = assigned.first.0;
                    if known.outcome != Outcome::There {
                        known.outcome = Outcome::Pending;
                    }
                }
                drop(model);
                lock(&self.waiting).push(Waiting {
                    shard: id,
                    attempt,
                    ticket,
                });
                return Ok(());
            }
            Err(error) if error.outcome_unknown() => Outcome::Unknown,
            // Where it went is forgotten, but it is there.
            Err(Error::TakenBefore { .. }) => Outcome::Unknown,
            Err(_) => Outcome::Void,
        };
        let mut model = lock(&self.model);
        if let Some(model) = model.shards.get_mut(&id) {
            let known = &mut model.attempts[attempt];
            // A put that is refused now may have been taken when it was sent before.
            if known.outcome == Outcome::Pending && known.first == NOWHERE {
                known.outcome = outcome;
            }
        }
        Ok(())
    }

    fn ready(&self, records: &[Record<'_>]) -> Result<ReadyBatch, Error> {
        let bytes: usize = records.iter().map(Record::encoded_len).sum();
        let store = lock(&self.store).clone();
        let builder = store.and_then(|store| store.batch(bytes + 64 + 24));
        let Some(mut builder): Option<BatchBuilder<_>> = builder else {
            return Err(Error::Full { shard: ShardId(0) });
        };
        for record in records {
            builder.push(record);
        }
        ReadyBatch::from_builder(builder)
    }

    /// The next put of some producer, or the last one again when its outcome is not known.
    pub(crate) fn append_numbered(&self) -> Result<(), String> {
        let Some((id, shard)) = self.some_shard() else {
            return Ok(());
        };
        let producer = 1 + self.world.pick(3);
        let last = {
            let model = lock(&self.model);
            let attempts = model
                .shards
                .get(&id)
                .map_or(&[][..], |shard| &shard.attempts);
            let of = |a: &&Attempt| a.producer.is_some_and(|(known, _)| known == producer);
            let puts: Vec<(usize, Attempt)> = attempts
                .iter()
                .enumerate()
                .filter(|(_, a)| of(a))
                .map(|(at, a)| (at, a.clone()))
                .collect();
            puts
        };
        // One at a time: an earlier one whose outcome is open comes first, and again.
        let open = last.iter().find(|(_, a)| a.outcome != Outcome::There);
        if let Some((attempt, known)) = open {
            let Some((producer, number)) = known.producer else {
                return Ok(());
            };
            if known.outcome == Outcome::Void {
                // It was refused, or did not survive: it takes its place anew.
                let mut model = lock(&self.model);
                if let Some(shard) = model.shards.get_mut(&id) {
                    shard.attempts[*attempt].first = NOWHERE;
                    shard.attempts[*attempt].outcome = Outcome::Pending;
                    shard.attempts[*attempt].time_ms = self.world.wall_ms();
                }
            }
            return self.send(id, &shard, Lane::Numbered(producer, number), *attempt);
        }
        let number = last
            .iter()
            .filter_map(|(_, a)| a.producer)
            .map(|(_, n)| n + 1)
            .max()
            .unwrap_or(0);
        if number > 0 && self.world.once_in(4) {
            // Once more what was answered long ago.
            let again = self.world.pick(last.len() as u64) as usize;
            let (attempt, known) = &last[again];
            if let Some((producer, number)) = known.producer {
                return self.send(id, &shard, Lane::Numbered(producer, number), *attempt);
            }
        }
        self.append_to(
            id,
            &shard,
            Lane::Numbered(producer, number),
            sizes::choose(&self.world, self.bulky),
        )
    }

    /// Looks what became of the appends under way.
    pub(crate) fn poll(&self) -> Result<(), String> {
        if self.world.is_dead() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        let mut left = Vec::new();
        for append in waiting {
            let Some(outcome) = append.ticket.wait_timeout(Duration::ZERO) else {
                left.push(append);
                continue;
            };
            let mut model = lock(&self.model);
            let Some(shard) = model.shards.get_mut(&append.shard) else {
                continue;
            };
            let Waiting { attempt, .. } = append;
            match outcome {
                Ok(appended) => {
                    let known = &shard.attempts[attempt];
                    if appended.first.0 != known.first || appended.count != known.count {
                        return Err(format!(
                            "attempt {attempt} went to {}, and is acknowledged as {appended:?}",
                            known.first
                        ));
                    }
                    self.world.tell(|| {
                        format!(
                            "attempt {attempt} of shard {} is acknowledged at {}",
                            append.shard, appended.first
                        )
                    });
                    let seen = shard.acknowledged(attempt);
                    // The end may be lost without a word when a write was dropped.
                    let lied = self.world.with_weather(|weather| weather.past.lied);
                    if let Err(what) = seen
                        && !lied
                    {
                        return Err(format!("shard {}: {what}", append.shard));
                    }
                }
                Err(error) => {
                    let unknown = error.outcome_unknown();
                    self.world.tell(|| {
                        format!(
                            "attempt {attempt} of shard {} has failed: {error}",
                            append.shard
                        )
                    });
                    let known = &mut shard.attempts[attempt];
                    if known.outcome == Outcome::Pending {
                        known.outcome = if unknown {
                            Outcome::Unknown
                        } else {
                            Outcome::Void
                        };
                    }
                }
            }
        }
        lock(&self.waiting).append(&mut left);
        Ok(())
    }

    /// Reads a shard from its oldest record on.
    pub(crate) fn read(&self) -> Result<(), String> {
        let Some((id, shard)) = self.some_shard() else {
            return Ok(());
        };
        self.poll()?;
        let mut found = match Found::read(&shard, Position::Oldest) {
            Ok(found) => found,
            // Whatever could not be read now is judged another time.
            Err(_) => return Ok(()),
        };
        if self.world.is_dead() {
            return Ok(());
        }
        found.oldest = shard.oldest().0;
        found
            .records
            .retain(|(sequence, ..)| *sequence >= found.oldest);
        let past = self.world.with_weather(|weather| weather.past);
        let now_ms = self.world.wall_ms();
        let mut model = lock(&self.model);
        let Some(model) = model.shards.get_mut(&id) else {
            return Ok(());
        };
        let harm = past.harm(model.durable, Harm::unknown);
        // While faults come and go, what cannot be read is not lost.
        let errors = !found.gaps.is_empty() && harm.is_none();
        if errors && self.reads_fail() {
            return Ok(());
        }
        model
            .judge(&found, Ending::None, harm.as_ref(), now_ms)
            .map_err(|what| format!("shard {id}, read live: {what}"))
    }

    pub(crate) fn reap(&self) -> Result<(), String> {
        let store = lock(&self.store).clone();
        if let Some(store) = store {
            // What fails now is tried again by the reaper.
            let _ = self.alone(|| store.reap());
        }
        Ok(())
    }

    /// Drops what is old, as somebody who has read it may.
    pub(crate) fn trim(&self) -> Result<(), String> {
        let Some((id, shard)) = self.some_shard() else {
            return Ok(());
        };
        if !self.world.once_in(3) {
            return Ok(());
        }
        let before = self.world.pick(shard.end().0 + 1);
        if let Some(model) = lock(&self.model).shards.get_mut(&id) {
            model.trimmed = model.trimmed.max(before);
        }
        self.world
            .tell(|| format!("trim shard {id} before {before}"));
        let _ = self.alone(|| shard.trim(SequenceNumber(before)));
        Ok(())
    }

    /// Opens a shard again whose writes have failed.
    pub(crate) fn reopen_failed(&self) -> Result<(), String> {
        let Some((id, shard)) = self.some_shard() else {
            return Ok(());
        };
        let failed = matches!(shard.status().state, ShardState::Poisoned(_));
        let store = lock(&self.store).clone();
        let Some(store) = store.filter(|_| failed) else {
            return Ok(());
        };
        // Whoever opens it again waits for what is in flight.
        for _ in 0..64 {
            self.world.turn(WRITER);
        }
        self.poll()?;
        self.world.tell(|| format!("reopen shard {id}"));
        match store.reopen_shard(ShardId(id)) {
            Ok(shard) => {
                if self.world.is_dead() {
                    return Ok(());
                }
                let calm = self
                    .world
                    .with_weather(|weather| std::mem::replace(&mut weather.calm, true));
                // Nobody else has it yet: what is there is what the recovery has left.
                let found = Found::read(&shard, Position::Oldest);
                self.hold(id, shard);
                self.world.with_weather(|weather| weather.calm = calm);
                if self.world.is_dead() {
                    return Ok(());
                }
                let found = found.map_err(|what| format!("shard {id}, reopened: {what}"))?;
                if !found.gaps.is_empty() && self.reads_fail() {
                    return Ok(());
                }
                let past = self.world.with_weather(|weather| weather.past);
                let mut model = lock(&self.model);
                let Some(model) = model.shards.get_mut(&id) else {
                    return Ok(());
                };
                let harm = past.harm(model.durable, Harm::unknown);
                for attempt in &mut model.attempts {
                    if attempt.outcome == Outcome::Pending {
                        attempt.outcome = Outcome::Unknown;
                    }
                }
                model
                    .judge(&found, Ending::Killed, harm.as_ref(), self.world.wall_ms())
                    .map_err(|what| format!("shard {id}, reopened: {what}"))
            }
            Err(_) => Ok(()),
        }
    }

    /// Deletes a shard, or makes one anew.
    pub(crate) fn delete_or_make(&self) -> Result<(), String> {
        let Some(store) = lock(&self.store).clone() else {
            return Ok(());
        };
        let Some((id, shard)) = self.some_shard() else {
            return Ok(());
        };
        if !self.world.once_in(4) || lock(&self.shards).len() < 2 {
            return Ok(());
        }
        for _ in 0..64 {
            self.world.turn(WRITER);
        }
        self.poll()?;
        if self.world.is_dead() {
            return Ok(());
        }
        self.world.tell(|| format!("delete shard {id}"));
        if let Some(model) = lock(&self.model).shards.get_mut(&id) {
            model.existence = Existence::Ending;
        }
        lock(&self.shards).remove(&id);
        drop(shard);
        let deleted = store.delete_shard(ShardId(id));
        self.poll()?;
        if deleted.is_ok()
            && !self.world.is_dead()
            && let Some(model) = lock(&self.model).shards.get_mut(&id)
        {
            model.existence = Existence::Ended;
        }
        Ok(())
    }
}

/// Appends a record after a recovery, to see that the shard lives.
pub(crate) fn append_one(
    world: &Arc<World>,
    id: u64,
    shard: &Shard,
    model: &Arc<Mutex<Model>>,
    choices: &mut Choices,
) -> Result<(), String> {
    let caller = Caller::new(world, model);
    let len = IDENTITY as u32 + choices.below(300) as u32;
    caller.append_to(id, shard, Lane::Staged, (1, len))?;
    for _ in 0..200 {
        world.turn(WRITER);
        world.turn(PREPARER);
        caller.poll()?;
        if lock(&caller.waiting).is_empty() {
            break;
        }
    }
    match lock(&caller.waiting).is_empty() {
        true => Ok(()),
        false => Err(format!(
            "shard {id}: an append after a recovery does not end"
        )),
    }
}
