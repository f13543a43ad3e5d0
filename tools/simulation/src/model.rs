//! The oracle: what was asked of a store and what it answered, and what may be found in it.

use std::collections::BTreeMap;

use millstream_engine::{Durability, Retention, ShardOptions};

use crate::{
    buffered::{BUFFER, BufferModel},
    found::Found,
    harm::Harm,
    payload::Identity,
};

/// What became of an attempt to append, as far as whoever made it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is under way.
    Pending,
    /// It was acknowledged, or found after a recovery: it has to stay.
    There,
    /// It may be there or not.
    Unknown,
    /// It was refused, or not found after a recovery: it must never appear.
    Void,
}

/// One call of an append.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// The sequence number that it was assigned.
    pub(crate) first: u64,
    pub(crate) count: u32,
    /// Bytes of each record.
    pub(crate) len: u32,
    pub(crate) producer: Option<(u64, u64)>,
    /// The wall clock when it was made.
    pub(crate) time_ms: u64,
    pub(crate) outcome: Outcome,
}

/// Where an attempt went is not known yet.
pub(crate) const NOWHERE: u64 = u64::MAX;

impl Attempt {
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.count.into())
    }
}

/// How the process that had the store ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It did not: the store is read as it runs.
    None,
    /// It closed the store.
    Closed,
    /// It was killed; nothing that it had handed to the system is lost.
    Killed,
    /// The power went.
    PowerCut,
}

/// Whether a shard is in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existence {
    /// It was asked for, without an answer.
    Making,
    Made,
    /// Its end was asked for, without an answer.
    Ending,
    Ended,
}

/// What is known of a shard.
#[derive(Debug, Clone)]
pub(crate) struct ShardModel {
    pub(crate) id: u64,
    pub(crate) durable: bool,
    pub(crate) options: ShardOptions,
    pub(crate) existence: Existence,
    /// Records below this may have been dropped because somebody asked for it.
    pub(crate) trimmed: u64,
    pub(crate) attempts: Vec<Attempt>,
    /// What somebody read, or was told to be durable, by sequence number.
    seen: BTreeMap<u64, Identity>,
    /// What a cut of the power took from a `Written` shard; its numbers stay used.
    gone: BTreeMap<u64, Identity>,
    /// The highest watermark that somebody saw.
    end_seen: u64,
    oldest_seen: u64,
}

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) shards: BTreeMap<u64, ShardModel>,
    /// The cursors of a buffer, where the store is one; its records are those of its shard.
    pub(crate) buffer: Option<BufferModel>,
}

impl Model {
    /// The process has ended: what was under way may be there or not.
    pub(crate) fn ended(&mut self) {
        for shard in self.shards.values_mut() {
            for attempt in &mut shard.attempts {
                if attempt.outcome == Outcome::Pending {
                    attempt.outcome = Outcome::Unknown;
                }
            }
        }
    }
}

impl ShardModel {
    pub(crate) fn new(id: u64, options: ShardOptions) -> ShardModel {
        ShardModel {
            id,
            durable: options.durability == Durability::Durable,
            options,
            existence: Existence::Making,
            trimmed: 0,
            attempts: Vec::new(),
            seen: BTreeMap::new(),
            gone: BTreeMap::new(),
            end_seen: 0,
            oldest_seen: 0,
        }
    }

    /// A record of an attempt.
    pub(crate) fn identity(&self, attempt: usize, index: u32) -> Identity {
        Identity {
            shard: self.id,
            attempt: attempt as u64,
            index,
            len: self.attempts[attempt].len,
        }
    }

    /// An attempt has ended well.
    pub(crate) fn acknowledged(&mut self, attempt: usize) -> Result<(), String> {
        self.attempts[attempt].outcome = Outcome::There;
        let Attempt { first, count, .. } = self.attempts[attempt];
        let mut seen = Ok(());
        for index in 0..count {
            let identity = self.identity(attempt, index);
            seen = seen.and(self.see(first + u64::from(index), identity));
        }
        self.end_seen = self.end_seen.max(first + u64::from(count));
        seen
    }

    fn see(&mut self, sequence: u64, identity: Identity) -> Result<(), String> {
        let before = self.seen.insert(sequence, identity);
        match before.as_ref().or(self.gone.get(&sequence)) {
            Some(before) if *before != identity => Err(format!(
                "number {sequence} was {before:?} once, and is {identity:?} now: it was used twice"
            )),
            _ => Ok(()),
        }
    }

    /// Whether retention may have dropped an attempt's records by a time.
    fn may_be_dropped(&self, attempt: &Attempt, now_ms: u64) -> bool {
        if attempt.end() <= self.trimmed {
            return true;
        }
        let Retention { age, bytes } = self.options.retention;
        let old =
            age.is_some_and(|age| attempt.time_ms.saturating_add(age.as_millis() as u64) < now_ms);
        // At most: each in a batch and a block of its own, with as much again in stamps.
        let most = |a: &Attempt| u64::from(a.count) * u64::from(a.len + 64) + 3 * 4096;
        // Whole segments go: what counts is all that was kept until then.
        let kept = |a: &&Attempt| a.end() > self.oldest_seen && a.first != NOWHERE;
        let kept = self.attempts.iter().filter(kept);
        let much = bytes.is_some_and(|cap| kept.map(most).sum::<u64>() > cap);
        old || much
    }

    /// The attempt that is about to be made.
    pub(crate) fn begin(&mut self, attempt: Attempt) -> usize {
        self.attempts.push(attempt);
        self.attempts.len() - 1
    }

    /// Judges what was found in the shard, and takes note of it.
    pub(crate) fn judge(
        &mut self,
        found: &Found,
        ending: Ending,
        harm: Option<&Harm>,
        now_ms: u64,
    ) -> Result<(), String> {
        self.judge_each(found, harm)?;
        self.judge_order(found)?;
        self.judge_reports(found, harm)?;
        self.judge_presence(found, ending, harm, now_ms)?;
        if harm.is_none() {
            self.judge_end(found, ending)?;
        }
        self.judge_retries(found)?;
        if ending != Ending::None && (harm.is_none() || !self.durable) {
            self.settle(found);
        }
        if !harm.is_some_and(Harm::hits_header) {
            for (sequence, identity, _) in &found.records {
                self.see(*sequence, *identity)?;
            }
        }
        if harm.is_none() {
            self.end_seen = self.end_seen.max(found.end);
            self.oldest_seen = found.oldest;
        }
        Ok(())
    }

    /// Judges what a buffer's cursor was lent, whose next record is `from`, and takes note of it.
    pub(crate) fn judge_lent(
        &mut self,
        found: &Found,
        from: u64,
        now_ms: u64,
    ) -> Result<(), String> {
        self.judge_each(found, None)?;
        self.judge_order(found)?;
        let mut lent = found.records.iter().map(|(s, i, _)| (*s, *i)).peekable();
        for (sequence, identity) in self.seen.range(from..found.end) {
            let dropped = *sequence < found.oldest
                && self.may_be_dropped(&self.attempts[identity.attempt as usize], now_ms);
            while lent.next_if(|(other, _)| other < sequence).is_some() {}
            if !dropped && lent.peek() != Some(&(*sequence, *identity)) {
                return Err(format!("record {sequence}, {identity:?}, is passed over"));
            }
        }
        for (sequence, identity, _) in &found.records {
            self.see(*sequence, *identity)?;
        }
        Ok(())
    }

    /// Every number that was given out is below.
    pub(crate) fn assigned(&self) -> u64 {
        let known = self.attempts.iter().filter(|a| a.first != NOWHERE);
        known.map(Attempt::end).max().unwrap_or(0)
    }

    /// Each record is one that was sent, and stands where it was said to go.
    fn judge_each(&mut self, found: &Found, harm: Option<&Harm>) -> Result<(), String> {
        if let Some(stranger) = &found.stranger {
            return Err(format!("a record that nobody sent was read: {stranger}"));
        }
        for (sequence, identity, _) in &found.records {
            let attempt = self
                .attempts
                .get_mut(identity.attempt as usize)
                .filter(|attempt| {
                    identity.shard == self.id
                        && identity.index < attempt.count
                        && identity.len == attempt.len
                })
                .ok_or_else(|| {
                    format!("a record that nobody sent was read at {sequence}: {identity:?}")
                })?;
            // Where a segment ended that was cut off is said by the header of the next: without it,
            // what was void and whole is read again.
            if attempt.outcome == Outcome::Void && !harm.is_some_and(Harm::hits_header) {
                return Err(format!("{identity:?} was void, and is there at {sequence}"));
            }
            if attempt.first == NOWHERE {
                attempt.first = sequence - u64::from(identity.index);
            }
            if *sequence != attempt.first + u64::from(identity.index) {
                return Err(format!(
                    "{identity:?} is at {sequence}, it was to go to {}",
                    attempt.first + u64::from(identity.index)
                ));
            }
        }
        Ok(())
    }

    /// The numbers go up one by one, but for damage and for the jumps of a `Written` shard; times
    /// do not go back.
    fn judge_order(&self, found: &Found) -> Result<(), String> {
        let mut before: Option<(u64, u64)> = None;
        for (sequence, _, time) in &found.records {
            if let Some((last, last_time)) = before {
                if *sequence <= last {
                    return Err(format!("record {sequence} comes after {last}"));
                }
                if *time < last_time {
                    return Err(format!("the time of {sequence} is before that of {last}"));
                }
                let jumps = !self.durable && sequence - last >= 1 << 32;
                let reported = found.gap_covers(last + 1);
                if *sequence != last + 1 && !jumps && !reported {
                    return Err(format!("record {sequence} comes after {last}: a hole"));
                }
            }
            before = Some((*sequence, *time));
        }
        let last = before.map_or(found.oldest, |(last, _)| last + 1);
        let ends = last >= found.end
            || found.gap_covers(last)
            || (!self.durable && found.end - last >= 1 << 32);
        if !ends {
            return Err(format!(
                "reading ends at {last}, the shard at {}",
                found.end
            ));
        }
        Ok(())
    }

    /// Nothing is reported that was not done.
    fn judge_reports(&self, found: &Found, harm: Option<&Harm>) -> Result<(), String> {
        let Some(report) = found.gaps.first() else {
            return Ok(());
        };
        let Some(harm) = harm else {
            return Err(format!(
                "damage is reported, and there is none: {report:?}; the shard goes from {} to {}, {:?}",
                found.oldest, found.end, found.state
            ));
        };
        for gap in &found.gaps {
            // A `Written` shard that is not recovered as usual shows the holes that it has.
            if self.durable && !harm.explains(gap) {
                return Err(format!(
                    "damage is reported where there is none: {gap:?}; done was {harm:?}"
                ));
            }
        }
        Ok(())
    }

    /// What was acknowledged, or seen by somebody, is there.
    fn judge_presence(
        &self,
        found: &Found,
        ending: Ending,
        harm: Option<&Harm>,
        now_ms: u64,
    ) -> Result<(), String> {
        let may_lose = !self.durable && ending == Ending::PowerCut;
        // A segment of a buffer that the power has emptied is acknowledged by everybody.
        let emptied = may_lose && self.id == BUFFER;
        for (sequence, identity) in self
            .seen
            .range(self.oldest_seen.min(found.oldest)..found.oldest)
        {
            let attempt = &self.attempts[identity.attempt as usize];
            let excused = harm.is_some() || emptied || found.gap_covers(*sequence);
            if !excused && !self.may_be_dropped(attempt, now_ms) {
                return Err(format!(
                    "record {sequence} was dropped before its time: the shard begins at {} by now, at {now_ms} ms; {attempt:?}",
                    found.oldest
                ));
            }
        }
        let mut lost = None;
        let mut at = found.records.iter().peekable();
        for (sequence, identity) in self.seen.range(found.oldest..) {
            while at.next_if(|(found, ..)| found < sequence).is_some() {}
            let there = at
                .peek()
                .is_some_and(|(found, other, _)| found == sequence && other == identity);
            if there {
                if let Some(lost) = lost {
                    return Err(format!(
                        "record {lost} is lost, and {sequence} behind it is not"
                    ));
                }
                continue;
            }
            if may_lose {
                if harm.is_none() {
                    lost = lost.or(Some(*sequence));
                }
                continue;
            }
            match harm {
                // Of what was only written, any part may be taken.
                Some(_) if !self.durable => {}
                Some(harm) if found.gap_covers(*sequence) => harm
                    .may_cover(*sequence)
                    .map_err(|what| format!("{what}; reported was {:?}", found.gaps))?,
                Some(harm) if harm.may_be_silent(*sequence) => {}
                _ => {
                    return Err(format!(
                        "record {sequence} ({identity:?}) was acknowledged or read, and is not there; the shard goes from {} to {}{}",
                        found.oldest,
                        found.end,
                        harm.map_or(String::new(), |harm| format!("; done was {harm:?}")),
                    ));
                }
            }
        }
        // An attempt is there wholly or not at all.
        let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
        for (_, identity, _) in &found.records {
            *counts.entry(identity.attempt).or_default() += 1;
        }
        for (id, count) in counts {
            let attempt = &self.attempts[id as usize];
            let cut = attempt.first < found.oldest || ending == Ending::None;
            if count != attempt.count && !cut {
                return Err(format!(
                    "attempt {id} has {count} of its {} records",
                    attempt.count
                ));
            }
        }
        Ok(())
    }

    /// The end does not go back.
    fn judge_end(&self, found: &Found, ending: Ending) -> Result<(), String> {
        let may_lose = !self.durable && ending == Ending::PowerCut;
        if found.end < self.end_seen && !may_lose {
            return Err(format!(
                "the end was {}, and is {}",
                self.end_seen, found.end
            ));
        }
        if may_lose && found.end < self.end_seen {
            return Err(format!(
                "the end was {}, and is {}: numbers would be used twice",
                self.end_seen, found.end
            ));
        }
        Ok(())
    }

    /// A numbered put is there once, however often it was sent.
    fn judge_retries(&self, found: &Found) -> Result<(), String> {
        let mut puts: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        for (_, identity, _) in &found.records {
            let attempt = &self.attempts[identity.attempt as usize];
            if let Some(put) = attempt.producer
                && let Some(other) = puts.insert(put, identity.attempt)
                && other != identity.attempt
            {
                return Err(format!(
                    "put {put:?} is there twice, by attempts {other} and {}",
                    identity.attempt
                ));
            }
        }
        Ok(())
    }

    /// After a recovery it is known of each attempt whether it is there.
    fn settle(&mut self, found: &Found) {
        let there: std::collections::BTreeSet<u64> = found
            .records
            .iter()
            .map(|(_, identity, _)| identity.attempt)
            .collect();
        for (id, attempt) in (0u64..).zip(&mut self.attempts) {
            match attempt.outcome {
                Outcome::Unknown | Outcome::Pending if there.contains(&id) => {
                    attempt.outcome = Outcome::There;
                }
                Outcome::Unknown | Outcome::Pending if attempt.end() > found.oldest => {
                    attempt.outcome = Outcome::Void;
                }
                _ => {}
            }
        }
        if !self.durable {
            // What the power took is gone, and its numbers are not used again.
            let present: BTreeMap<u64, ()> = found
                .records
                .iter()
                .map(|(sequence, ..)| (*sequence, ()))
                .collect();
            let lost: Vec<u64> = self
                .seen
                .range(found.oldest..)
                .map(|(sequence, _)| *sequence)
                .filter(|sequence| !present.contains_key(sequence))
                .collect();
            for sequence in lost {
                if let Some(identity) = self.seen.remove(&sequence) {
                    self.attempts[identity.attempt as usize].outcome = Outcome::Void;
                    self.gone.insert(sequence, identity);
                }
            }
        }
    }
}
