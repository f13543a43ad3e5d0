//! What is known of a buffer: how it is opened, where its cursors stand, and what may be found of
//! them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use millstream_engine::{
    AcknowledgeMode, Buffer, BufferOpenReport, BufferOptions, CompressionChoice, CursorStatus,
    Durability, Environment, Error, Position, Retention, ShardId, ShardOptions, Store, WhenFull,
    io::simulated::{Disk, SimulatedDevice},
};

use crate::{
    choices::Choices,
    found::Found,
    life::{STORE, store_options},
    model::{Existence, Model},
    payload::Identity,
    weather::{Climate, Past, Weather},
    world::World,
};

/// The shard of a buffer.
pub(crate) const BUFFER: u64 = u64::from_be_bytes(*b"\0\0buffer");
/// The cursors that may be there.
pub(crate) const NAMES: [&str; 3] = ["first", "second", "third"];

/// How a buffer is opened, and its cursors.
#[derive(Debug, Clone)]
pub(crate) struct BufferModel {
    pub(crate) cap_bytes: u64,
    pub(crate) when_full: WhenFull,
    pub(crate) acknowledge: AcknowledgeMode,
    durability: Durability,
    compression: CompressionChoice,
    /// Much is pushed, and little is acknowledged.
    pub(crate) hoards: bool,
    pub(crate) cursors: BTreeMap<&'static str, CursorModel>,
}

/// What is known of a cursor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CursorModel {
    pub(crate) existence: Existence,
    /// All below was acknowledged, by a call that said that it is on the medium.
    pub(crate) floor: u64,
    /// Nobody has acknowledged this or more.
    pub(crate) asked: u64,
    /// Where it stands, as far as this process was told.
    pub(crate) next: u64,
    /// Where it was seen, and how many records it had lost at the cap.
    seen: u64,
    dropped: u64,
}

impl CursorModel {
    /// A cursor that is about to be made, at no more than `at`.
    pub(crate) fn making(at: u64) -> CursorModel {
        CursorModel {
            existence: Existence::Making,
            floor: 0,
            asked: at,
            next: at,
            seen: 0,
            dropped: 0,
        }
    }
}

impl BufferModel {
    pub(crate) fn choose(choices: &mut Choices) -> BufferModel {
        BufferModel {
            cap_bytes: (4 << 20) + choices.below(3 << 20),
            when_full: match choices.below(2) {
                0 => WhenFull::RejectNew,
                _ => WhenFull::DropOldest,
            },
            acknowledge: match choices.below(2) {
                0 => AcknowledgeMode::Durable,
                _ => AcknowledgeMode::Within(Duration::from_millis(100)),
            },
            durability: match choices.below(4) {
                0 => Durability::Written,
                _ => Durability::Durable,
            },
            compression: match choices.below(4) {
                0 => CompressionChoice::Zstd(1),
                _ => CompressionChoice::None,
            },
            hoards: choices.once_in(3),
            cursors: BTreeMap::new(),
        }
    }

    pub(crate) fn options(&self, environment: Environment) -> BufferOptions {
        BufferOptions {
            cap_bytes: self.cap_bytes,
            when_full: self.when_full,
            acknowledge: self.acknowledge,
            durability: self.durability,
            compression: self.compression,
            memory_budget: 4 << 20,
            environment,
            ..BufferOptions::default()
        }
    }

    /// What the oracle of shards is to know of the buffer's.
    pub(crate) fn shard(&self) -> ShardOptions {
        ShardOptions {
            durability: self.durability,
            compression: self.compression,
            retention: Retention {
                age: None,
                // Whether there was no room is seen when it happens.
                bytes: (self.when_full == WhenFull::DropOldest).then_some(0),
            },
            segment_bytes: 1 << 20,
            ..ShardOptions::default()
        }
    }

    /// All below may go: every cursor that is there for certain has been told to acknowledge it.
    fn may_go(&self) -> u64 {
        let asked = |made: bool| {
            let cursors = self.cursors.values();
            cursors
                .filter(move |c| (c.existence == Existence::Made) == made)
                .map(|c| c.asked)
        };
        // Of those that may be there any part may.
        let certain = asked(true).min();
        certain.or(asked(false).max()).unwrap_or(0)
    }
}

impl Model {
    /// Looks at and changes what is known of a cursor.
    pub(crate) fn cursor<T>(
        &mut self,
        name: &str,
        look: impl FnOnce(&mut CursorModel) -> T,
    ) -> Option<T> {
        let buffer = self.buffer.as_mut()?;
        let result = look(buffer.cursors.get_mut(name)?);
        self.note_trim();
        Some(result)
    }

    /// Takes note of what may go from now on.
    pub(crate) fn note_trim(&mut self) {
        let Some(buffer) = &self.buffer else {
            return;
        };
        let may_go = buffer.may_go();
        if let Some(shard) = self.shards.get_mut(&BUFFER) {
            shard.trimmed = shard.trimmed.max(may_go);
        }
    }

    /// All that was acknowledged is on the medium, as of a look before.
    pub(crate) fn flushed(&mut self, places: &[(&'static str, u64)]) {
        for (name, next) in places {
            self.cursor(name, |cursor| cursor.floor = cursor.floor.max(*next));
        }
    }

    /// Where each cursor that is there stands, as far as was told.
    pub(crate) fn places(&self) -> Vec<(&'static str, u64)> {
        let cursors = self.buffer.iter().flat_map(|buffer| &buffer.cursors);
        let made = cursors.filter(|(_, cursor)| cursor.existence == Existence::Made);
        made.map(|(name, cursor)| (*name, cursor.next)).collect()
    }

    /// Judges the cursors of a buffer that was opened, beside the records that are in it. Where
    /// it is `excused`, the medium has lost what was written to it; where a place was `unread`,
    /// an older one may count.
    pub(crate) fn judge_cursors(
        &mut self,
        cursors: &Cursors,
        found: &Found,
        excused: bool,
        unread: bool,
    ) -> Result<(), String> {
        let report = &cursors.report;
        let whole = report.mended.is_empty() && report.damaged.is_empty();
        if !excused && !(report.set_back.is_empty() && (whole || unread)) {
            return Err(format!("a cursor was damaged by nobody: {report:?}"));
        }
        let there: BTreeSet<&str> = { cursors.each.iter() }
            .map(|(status, ..)| status.name.as_str())
            .collect();
        let Some(model) = self.buffer.as_mut() else {
            return Ok(());
        };
        // A `Written` buffer skips numbers, which nobody has dropped.
        let durable = model.durability == Durability::Durable;
        let mut gone = Vec::new();
        for (name, cursor) in &mut model.cursors {
            match (cursor.existence, there.contains(name)) {
                (Existence::Made, false) if !excused => {
                    return Err(format!("cursor {name} is not there"));
                }
                (_, true) => cursor.existence = Existence::Made,
                (_, false) => gone.push(*name),
            }
        }
        for name in gone {
            model.cursors.remove(name);
        }
        let dropped = match model.when_full {
            WhenFull::DropOldest => Some(cursors.oldest),
            WhenFull::RejectNew => None,
        };
        for (status, most, lent) in &cursors.each {
            let name = status.name.as_str();
            let cursor = model.cursors.get_mut(name);
            let cursor = cursor.ok_or_else(|| format!("nobody made the cursor {name}"))?;
            if status.damaged {
                continue;
            }
            if unread {
                cursor.floor = cursor.floor.min(status.next.0);
            }
            cursor
                .judge(status, found, dropped, durable, excused)
                .map_err(|what| format!("cursor {name}: {what}; {cursor:?}, {status:?}"))?;
            judge_lent(status, *most, lent, found)
                .map_err(|what| format!("cursor {name}: {what}"))?;
        }
        self.note_trim();
        Ok(())
    }
}

impl CursorModel {
    fn judge(
        &mut self,
        status: &CursorStatus,
        found: &Found,
        dropped: Option<u64>,
        durable: bool,
        excused: bool,
    ) -> Result<(), String> {
        let next = status.next.0;
        self.next = next;
        // Whatever was done to the medium, it passes over nothing that it does not count as dropped
        // at the cap.
        let unasked = self.asked.max(self.seen).max(dropped.unwrap_or(0))..next;
        let numbers = found.records.iter().map(|(sequence, ..)| *sequence);
        let passed = numbers.filter(|sequence| unasked.contains(sequence));
        let counted = status.dropped.saturating_sub(self.dropped);
        let mut passed = passed.skip(counted as usize);
        if let Some(passed) = passed.next() {
            return Err(format!(
                "it passes over record {passed}, which nobody acknowledged"
            ));
        }
        if excused {
            return Ok(());
        }
        if next < self.floor {
            return Err("an acknowledgement is forgotten".into());
        }
        if next > found.end {
            return Err(format!("it is beyond the end, {}", found.end));
        }
        if status.dropped > 0 && dropped.is_none() {
            return Err("records were dropped, and none may be".into());
        }
        if status.dropped < self.dropped {
            return Err("it forgets what was dropped".into());
        }
        let range = self.asked.max(self.seen)..found.oldest;
        let lost = range.end.saturating_sub(range.start);
        if durable && status.dropped - self.dropped < lost {
            return Err(format!("{lost} records were dropped before it had them"));
        }
        self.seen = next;
        self.dropped = status.dropped;
        Ok(())
    }
}

/// What a cursor lends is what is there from its place on.
fn judge_lent(
    status: &CursorStatus,
    most: usize,
    lent: &Lent,
    found: &Found,
) -> Result<(), String> {
    let next = status.next.0;
    let expected: Vec<(u64, Identity)> = found
        .records
        .iter()
        .filter(|(sequence, ..)| *sequence >= next)
        .map(|(sequence, identity, _)| (*sequence, *identity))
        .collect();
    let lent = match lent {
        Ok(lent) => lent,
        Err(Error::Damaged { .. }) if !found.gaps.is_empty() => return Ok(()),
        Err(error) => return Err(format!("it lends nothing: {error}")),
    };
    let lent: Vec<(u64, Identity)> = lent.iter().map(|(s, i, _)| (*s, *i)).collect();
    // Before damage it ends.
    let least = match found.gaps.is_empty() {
        true => expected.len().min(most),
        false => 0,
    };
    if !expected.starts_with(&lent) || lent.len() < least {
        let at = lent.iter().zip(&expected).position(|(l, e)| l != e);
        return Err(format!(
            "it lends {} records where {} are there from {next} on; the first other one: {:?}, {:?}",
            lent.len(),
            expected.len(),
            at.map(|at| (lent[at], expected[at])),
            expected.get(lent.len()),
        ));
    }
    Ok(())
}

/// Records that are borrowed from a cursor which does not stand before all others.
const FEW: usize = 8;

/// What a cursor lends, or why it does not: number, record, time.
type Lent = Result<Vec<(u64, Identity, u64)>, Error>;

/// The cursors of a buffer just opened, with what each lends: the one that stands before all
/// others everything, others a little.
#[derive(Debug)]
pub(crate) struct Cursors {
    report: BufferOpenReport,
    /// The oldest record that was not dropped when it was opened.
    oldest: u64,
    each: Vec<(CursorStatus, usize, Lent)>,
}

impl Cursors {
    pub(crate) fn read(buffer: &Buffer) -> Result<Cursors, String> {
        let told = |error: Error| format!("the cursors cannot be looked at: {error}");
        let statuses = buffer.cursors().map_err(told)?;
        let first = statuses.iter().map(|status| status.next).min();
        let read = |status: CursorStatus| {
            let most = match Some(status.next) == first {
                true => usize::MAX,
                false => FEW,
            };
            let lent = match buffer.peek(&status.name, most, usize::MAX) {
                Ok(peek) => Ok(lent(&peek)?),
                Err(error) => Err(error),
            };
            Ok((status, most, lent))
        };
        Ok(Cursors {
            report: buffer.open_report().clone(),
            oldest: buffer.stats().map_or(0, |stats| stats.oldest.0),
            each: statuses
                .into_iter()
                .map(read)
                .collect::<Result<_, String>>()?,
        })
    }
}

/// Number, record, time of what is lent.
pub(crate) fn lent(peek: &millstream_engine::Peek) -> Result<Vec<(u64, Identity, u64)>, String> {
    let record = |record: Result<millstream_engine::PeekedRecord<'_>, Error>| {
        let record = record.map_err(|error| format!("a record cannot be read: {error}"))?;
        let identity = Identity::read(record.data)
            .ok_or_else(|| format!("a record that nobody pushed is lent: {}", record.sequence))?;
        Ok((record.sequence.0, identity, record.time_ms))
    };
    peek.records().map(record).collect()
}

/// What a recovery of a buffer's records finds.
#[derive(Debug)]
pub(crate) enum Look {
    /// They are there.
    Found(Found),
    /// The shard is not there.
    Missing,
    /// It cannot be opened for its damage.
    Damaged(String),
}

/// Recovers the records of a buffer on a disk of its own, past the buffer.
pub(crate) fn look(disk: Disk, options: ShardOptions, wall_ms: u64) -> Result<Look, String> {
    let weather = Weather::new(Climate::Fair, Past::default());
    let wall_ms = Arc::new(AtomicU64::new(wall_ms));
    let world = World::new(Choices::seeded(1), weather, wall_ms, 0);
    let device = SimulatedDevice::new(disk, Arc::clone(&world) as _);
    let store = Store::open(STORE, store_options(world.environment(&device)))
        .map_err(|e| format!("the store does not open: {e}"))?;
    match store.open_shard(ShardId(BUFFER), options) {
        Ok(shard) => Found::read(&shard, Position::Oldest).map(Look::Found),
        Err(Error::NoShard { .. }) => Ok(Look::Missing),
        Err(error @ Error::Damaged { .. }) => Ok(Look::Damaged(error.to_string())),
        Err(error) => Err(format!("the shard does not open: {error}")),
    }
}

#[cfg(test)]
mod tests;
