//! Whoever uses a buffer: pushes, consumes, makes cursors and removes them.

use std::sync::atomic::Ordering;

use millstream_engine::{
    AcknowledgeMode, Buffer, CursorStart, Error, Peek, SequenceNumber, ShardState, clock::Clock,
    format::Record,
};

use super::Caller;
use crate::{
    buffered::{BUFFER, CursorModel, NAMES, lent},
    found::Found,
    harm::Harm,
    model::Existence,
    sizes,
    weather::Climate,
    world::{CURSORS, PREPARER, WRITER, lock},
};

/// Pushes under way, in bytes, that never let another one wait.
const UNDER_WAY: usize = 200_000;
/// A segment with its index, and as much again in blocks as anybody may need.
const SEGMENT: u64 = (1 << 20) + (64 << 10);

impl Caller {
    pub(crate) fn set_buffer(&self, buffer: Buffer) {
        *lock(&self.buffer) = Some(buffer);
    }

    pub(crate) fn buffer(&self) -> Option<Buffer> {
        lock(&self.buffer).clone()
    }

    /// Lets go of the buffer and of what it has lent.
    pub(crate) fn release_buffer(&self) {
        lock(&self.lent).clear();
        lock(&self.buffer).take();
    }

    /// Turns the writer, while acknowledgements may go to the medium between its operations.
    pub(crate) fn turn_writer(&self) {
        self.flusher_may.store(true, Ordering::Relaxed);
        self.world.turn(WRITER);
        self.flusher_may.store(false, Ordering::Relaxed);
    }

    /// Runs while the user of the buffer, or a worker of it, is between two operations.
    pub(super) fn interrupt_buffer(&self) {
        match self.world.pick(8) {
            0..=3 => drop(self.world.turn(WRITER)),
            4 | 5 => drop(self.world.turn(PREPARER)),
            6 if self.flusher_may.load(Ordering::Relaxed) => drop(self.world.turn(CURSORS)),
            _ => {}
        }
    }

    /// Whether something that fails now is no fault of the engine's.
    fn excuses(&self) -> bool {
        self.world.is_dead()
            || self
                .world
                .with_weather(|weather| weather.climate() == Climate::Errors || weather.past.lied)
    }

    fn harm(&self) -> Option<Harm> {
        let past = self.world.with_weather(|weather| weather.past);
        let model = lock(&self.model);
        let durable = model.shards.get(&BUFFER).is_some_and(|shard| shard.durable);
        past.harm(durable, Harm::unknown)
    }

    pub(crate) fn push(&self) -> Result<(), String> {
        let Some(buffer) = self.buffer() else {
            return Ok(());
        };
        let bulky = self.bulky || self.hoards();
        let (count, len) = sizes::choose(&self.world, bulky);
        if !self.never_waits(&buffer, count as usize * (len as usize + 64))
            && !self.settle_pushes()?
        {
            return Ok(());
        }
        let full = self.push_records(&buffer, count, len)?;
        if full && self.is_all_acknowledged(&buffer) && self.settle_pushes()? {
            // What was in the way may have been a header that was not on the medium.
            let full = self.push_records(&buffer, count, len)?;
            if full && !self.excuses() {
                return Err("the buffer is full, and all was acknowledged".into());
            }
        }
        Ok(())
    }

    /// Pushes so many records; whether it was refused for want of room.
    fn push_records(&self, buffer: &Buffer, count: u32, len: u32) -> Result<bool, String> {
        let Some(attempt) = self.begin(BUFFER, count, len, None) else {
            return Ok(false);
        };
        let datas = self.datas(BUFFER, attempt);
        let records: Vec<Record<'_>> = datas.iter().map(|data| Record::new("", data)).collect();
        self.world
            .tell(|| format!("push attempt {attempt}: {count} records of {len} bytes"));
        let before = self.alone(|| buffer.stats());
        let sent = self.alone(|| buffer.push_later(&records));
        let after = self.alone(|| buffer.stats());
        if let (Ok(before), Ok(after)) = (before, after) {
            if after.dropped > before.dropped && before.held_bytes + SEGMENT <= before.cap_bytes {
                return Err(format!(
                    "the oldest was dropped, and there was room: {before:?}"
                ));
            }
            // With all that the segment that is written to may still take.
            if sent.is_ok() && after.held_bytes > after.cap_bytes {
                return Err(format!("pushed beyond the cap: {after:?}"));
            }
        }
        let full = matches!(&sent, Err(Error::BufferFull { .. }));
        if let Err(error) = &sent {
            self.world.tell(|| format!("not taken: {error}"));
        }
        self.sent(BUFFER, attempt, sent)?;
        Ok(full)
    }

    /// Whether a push does not wait for one before it: nobody would turn the writer meanwhile.
    fn never_waits(&self, buffer: &Buffer, bytes: usize) -> bool {
        let under_way: usize = {
            let (waiting, model) = (lock(&self.waiting), lock(&self.model));
            let attempts = model.shards.get(&BUFFER).map(|shard| &shard.attempts);
            let of =
                |attempt: usize| attempts.map_or(0, |all| all[attempt].count * all[attempt].len);
            if waiting.is_empty() {
                return true;
            }
            waiting.iter().map(|w| of(w.attempt) as usize + 8192).sum()
        };
        let near = match self.alone(|| buffer.stats()) {
            Ok(stats) => stats.held_bytes + SEGMENT > stats.cap_bytes,
            Err(_) => true,
        };
        under_way + bytes < UNDER_WAY && !near
    }

    /// Waits for the pushes under way; whether there are none any more.
    fn settle_pushes(&self) -> Result<bool, String> {
        for _ in 0..400 {
            if self.world.is_dead() || lock(&self.waiting).is_empty() {
                break;
            }
            self.turn_writer();
            self.world.turn(PREPARER);
            self.world.pass(1);
            self.poll()?;
        }
        let settled = lock(&self.waiting).is_empty();
        let fair = self
            .world
            .with_weather(|weather| weather.climate() == Climate::Fair);
        match !settled && fair && !self.world.is_dead() {
            true => Err("pushes do not end".into()),
            false => Ok(settled && !self.world.is_dead()),
        }
    }

    /// Whether every cursor has acknowledged everything, and nobody holds any of it.
    fn is_all_acknowledged(&self, buffer: &Buffer) -> bool {
        let Ok(stats) = self.alone(|| buffer.stats()) else {
            return false;
        };
        let model = lock(&self.model);
        let cursors = model
            .buffer
            .iter()
            .flat_map(|buffer| buffer.cursors.values());
        let all = |c: &CursorModel| c.existence == Existence::Made && c.next >= stats.end.0;
        !stats.cursors.is_empty() && { cursors }.all(all) && !self.excuses()
    }

    fn hoards(&self) -> bool {
        let model = lock(&self.model);
        model.buffer.as_ref().is_some_and(|buffer| buffer.hoards)
    }

    /// Looks at what a cursor has not acknowledged, and acknowledges some of it.
    pub(crate) fn consume(&self) -> Result<(), String> {
        if self.hoards() && !self.world.once_in(6) {
            return self.push();
        }
        let (Some(buffer), Some((name, next))) = (self.buffer(), self.some_cursor()) else {
            return Ok(());
        };
        self.poll()?;
        let most = 1 + self.world.pick(40) as usize;
        let bytes = 1 << (10 + self.world.pick(12));
        let peek = match self.alone(|| buffer.peek(name, most, bytes)) {
            Ok(peek) => peek,
            Err(_) if self.excuses() => return Ok(()),
            Err(Error::Damaged { damage, .. }) if self.harm().is_some() => {
                return match damage.resume {
                    Some(resume) if resume < buffer_end(&buffer) => {
                        self.acknowledge(&buffer, name, resume.0.saturating_sub(1))
                    }
                    _ => Ok(()),
                };
            }
            Err(error) => return Err(format!("cursor {name} cannot be read: {error}")),
        };
        let records = lent(&peek)?;
        self.judge_lent(next, records.clone())
            .map_err(|what| format!("cursor {name}, read live: {what}"))?;
        let Some((last, first)) = peek.last().zip(records.first().copied()) else {
            return Ok(());
        };
        if self.world.once_in(5) && lock(&self.lent).len() < 2 {
            lock(&self.lent).push((peek, first.1));
        }
        match self.world.pick(8) {
            0 => Ok(()),
            // Once more what was acknowledged before.
            1 if next > 0 => self.acknowledge(&buffer, name, next - 1),
            2 => {
                let at = self.world.pick(records.len() as u64) as usize;
                self.acknowledge(&buffer, name, records[at].0)
            }
            _ => self.acknowledge(&buffer, name, last.0),
        }
    }

    fn judge_lent(
        &self,
        next: u64,
        records: Vec<(u64, crate::payload::Identity, u64)>,
    ) -> Result<(), String> {
        if self.harm().is_some() || self.world.is_dead() {
            return Ok(());
        }
        let found = Found {
            state: String::new(),
            oldest: records.first().map_or(next, |(first, ..)| *first),
            end: records.last().map_or(next, |(last, ..)| last + 1),
            records,
            gaps: Vec::new(),
            stranger: None,
        };
        let now_ms = self.world.wall_ms();
        let mut model = lock(&self.model);
        match model.shards.get_mut(&BUFFER) {
            Some(shard) => shard.judge_lent(&found, next, now_ms),
            None => Ok(()),
        }
    }

    fn acknowledge(&self, buffer: &Buffer, name: &'static str, last: u64) -> Result<(), String> {
        self.world
            .tell(|| format!("cursor {name} acknowledges up to {last}"));
        let mode = {
            let mut model = lock(&self.model);
            model.cursor(name, |cursor| {
                cursor.asked = cursor.asked.max(last + 1);
                cursor.next = cursor.next.max(last + 1);
            });
            model.buffer.as_ref().map(|buffer| buffer.acknowledge)
        };
        let outcome = self.alone(|| buffer.acknowledge(name, SequenceNumber(last)));
        if self.world.is_dead() {
            return Ok(());
        }
        match outcome {
            Ok(()) if mode == Some(AcknowledgeMode::Durable) => {
                let mut model = lock(&self.model);
                model.cursor(name, |cursor| cursor.floor = cursor.floor.max(last + 1));
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(_) if self.excuses() => Ok(()),
            Err(error) => Err(format!("cursor {name} is not set to {last}: {error}")),
        }
    }

    /// Puts lazy acknowledgements on the medium.
    pub(crate) fn flush_acknowledgements(&self) -> Result<(), String> {
        let Some(buffer) = self.buffer() else {
            return Ok(());
        };
        let places = lock(&self.model).places();
        self.world.tell(|| "flush the acknowledgements".into());
        let outcome = self.alone(|| buffer.flush_acknowledgements());
        if self.world.is_dead() {
            return Ok(());
        }
        match outcome {
            Ok(()) => lock(&self.model).flushed(&places),
            Err(_) if self.excuses() => {}
            Err(error) => return Err(format!("acknowledgements are not flushed: {error}")),
        }
        Ok(())
    }

    /// Some cursor that is there, and its next record.
    fn some_cursor(&self) -> Option<(&'static str, u64)> {
        let places = lock(&self.model).places();
        let at = self.world.pick(places.len() as u64) as usize;
        places.get(at).copied()
    }

    /// Makes a cursor that is not there, or removes one that is.
    pub(crate) fn make_or_remove_cursor(&self) -> Result<(), String> {
        let name = NAMES[self.world.pick(NAMES.len() as u64) as usize];
        let there = lock(&self.model)
            .places()
            .iter()
            .any(|(known, _)| *known == name);
        match there {
            true if self.world.once_in(4) => self.remove_cursor(name),
            true => Ok(()),
            false => self.make_cursor(name),
        }
    }

    pub(crate) fn make_cursor(&self, name: &'static str) -> Result<(), String> {
        let Some(buffer) = self.buffer() else {
            return Ok(());
        };
        let start = match self.world.pick(4) {
            0 => CursorStart::AfterLatest,
            _ => CursorStart::Oldest,
        };
        let Ok(stats) = self.alone(|| buffer.stats()) else {
            return Ok(());
        };
        {
            let mut model = lock(&self.model);
            let assigned = model
                .shards
                .get(&BUFFER)
                .map_or(0, |shard| shard.assigned());
            let at = match start {
                CursorStart::Oldest => stats.oldest.0,
                CursorStart::AfterLatest => assigned.max(stats.end.0),
            };
            let Some(buffer) = model.buffer.as_mut() else {
                return Ok(());
            };
            // One whose removal has failed, and whose place is known, is there or not.
            let cursor = buffer.cursors.entry(name);
            let cursor = cursor.or_insert(CursorModel::making(at));
            cursor.asked = cursor.asked.max(at);
            model.note_trim();
        }
        self.world.tell(|| format!("make cursor {name}, {start:?}"));
        let made = self.alone(|| buffer.create_cursor(name, start));
        if self.world.is_dead() {
            return Ok(());
        }
        match made {
            Ok(()) => {}
            Err(Error::CursorExists { .. }) => return Ok(()),
            Err(Error::Io { .. }) if self.may_fail() => return Ok(()),
            Err(error) => return Err(format!("cursor {name} is not made: {error}")),
        }
        let Ok(statuses) = self.alone(|| buffer.cursors()) else {
            return Ok(());
        };
        let status = statuses.iter().find(|status| status.name == name);
        let next = status.ok_or("a cursor that was made is not there")?.next.0;
        let mut model = lock(&self.model);
        model.cursor(name, |cursor| {
            *cursor = CursorModel::making(next);
            cursor.existence = Existence::Made;
            cursor.floor = next;
        });
        Ok(())
    }

    /// Whether a write that needs room may fail.
    fn may_fail(&self) -> bool {
        self.excuses() || self.world.with_weather(|weather| weather.full)
    }

    fn remove_cursor(&self, name: &'static str) -> Result<(), String> {
        let Some(buffer) = self.buffer() else {
            return Ok(());
        };
        self.world.tell(|| format!("remove cursor {name}"));
        lock(&self.model).cursor(name, |cursor| cursor.existence = Existence::Ending);
        let removed = self.alone(|| buffer.remove_cursor(name));
        if self.world.is_dead() {
            return Ok(());
        }
        match removed {
            Ok(()) => {
                let mut model = lock(&self.model);
                if let Some(buffer) = model.buffer.as_mut() {
                    buffer.cursors.remove(name);
                }
                model.note_trim();
                Ok(())
            }
            Err(_) if self.excuses() => Ok(()),
            Err(error) => Err(format!("cursor {name} is not removed: {error}")),
        }
    }

    /// Looks at what it holds, and at what was lent long ago.
    pub(crate) fn look(&self) -> Result<(), String> {
        let Some(buffer) = self.buffer() else {
            return Ok(());
        };
        let kept = std::mem::take(&mut *lock(&self.lent));
        if self.harm().is_none() {
            for (peek, first) in &kept {
                let now = lent(peek)?.first().map(|(_, identity, _)| *identity);
                if now != Some(*first) || !peek.is_intact() {
                    return Err(format!(
                        "what was lent began with {first:?}, and is {now:?} now"
                    ));
                }
            }
        }
        if !self.world.once_in(4) {
            *lock(&self.lent) = kept;
        }
        match self.alone(|| buffer.stats()) {
            Err(error) if !self.excuses() && self.harm().is_none() => {
                Err(format!("the buffer cannot be looked at: {error}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it takes no pushes any more, and is to be opened again.
    pub(crate) fn is_poisoned(&self) -> bool {
        let buffer = self.buffer();
        buffer.is_some_and(|buffer| matches!(buffer.state(), ShardState::Poisoned(_)))
    }

    /// Pushes a record after a recovery and acknowledges one, to see that the buffer lives.
    pub(crate) fn push_one(&self) -> Result<(), String> {
        let Some(buffer) = self.buffer() else {
            return Ok(());
        };
        self.push_records(&buffer, 1, 24 + self.world.pick(300) as u32)?;
        self.settle_pushes()?;
        self.consume()
    }
}

fn buffer_end(buffer: &Buffer) -> SequenceNumber {
    buffer.stats().map_or(SequenceNumber(0), |stats| stats.end)
}

/// What was lent, and the first record of it.
pub(super) type LentBefore = (Peek, crate::payload::Identity);
