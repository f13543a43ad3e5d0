//! What was asked of a shard and what it answered, and what may be found in it.

use std::collections::BTreeMap;

use millstream_engine::{Appended, Error};

use crate::{reading::Found, stand::mix};

/// How the process that had the store ended; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// It did not: the shard is read as it runs.
    Running,
    /// It closed the store.
    Closed,
    /// It was killed: nothing that the system has is lost.
    Killed,
    /// The power went.
    Power,
}

/// What became of an attempt, as far as whoever made it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is under way.
    Pending,
    /// It was acknowledged, or found after a recovery: it stays.
    There,
    /// It may be there or not.
    Unknown,
    /// It was refused, or not found after a recovery: it never appears.
    Void,
}

#[derive(Debug)]
struct Attempt {
    first: Option<u64>,
    count: usize,
    len: usize,
    put: Option<(u64, u64)>,
    outcome: Outcome,
}

#[derive(Debug)]
pub(super) struct Oracle {
    durable: bool,
    capped: bool,
    made: bool,
    attempts: Vec<Attempt>,
    /// What was acknowledged or read, by its number: attempt and record of it.
    seen: BTreeMap<u64, (usize, usize)>,
    /// Numbers that were seen, and what of them the power took.
    gone: BTreeMap<u64, (usize, usize)>,
    trimmed: u64,
    end: u64,
    producer: u64,
}

impl Oracle {
    pub(super) fn new(durable: bool, capped: bool) -> Oracle {
        Oracle {
            durable,
            capped,
            made: false,
            attempts: Vec::new(),
            seen: BTreeMap::new(),
            gone: BTreeMap::new(),
            trimmed: 0,
            end: 0,
            producer: 1,
        }
    }

    pub(super) fn was_made(&self) -> bool {
        self.made
    }

    pub(super) fn made(&mut self) {
        self.made = true;
    }

    pub(super) fn begin(&mut self, count: usize, len: usize, put: Option<(u64, u64)>) -> usize {
        self.attempts.push(Attempt {
            first: None,
            count,
            len,
            put,
            outcome: Outcome::Pending,
        });
        self.attempts.len() - 1
    }

    /// The records of an attempt: which it is, and bytes that follow from that.
    pub(super) fn datas(&self, attempt: usize) -> Vec<Vec<u8>> {
        let Attempt { count, len, .. } = self.attempts[attempt];
        (0..count).map(|index| data(attempt, index, len)).collect()
    }

    pub(super) fn assigned(&mut self, attempt: usize, assigned: Appended) {
        let known = &mut self.attempts[attempt];
        if matches!(known.outcome, Outcome::There | Outcome::Pending)
            && let Some(first) = known.first
        {
            assert_eq!(
                assigned.first.0, first,
                "a put is somewhere else, sent again"
            );
        }
        known.first = Some(assigned.first.0);
        if known.outcome != Outcome::There {
            known.outcome = Outcome::Pending;
        }
    }

    pub(super) fn refused(&mut self, attempt: usize, error: &Error) {
        let known = &mut self.attempts[attempt];
        let stranger = matches!(
            error,
            Error::UnknownProducer { .. } | Error::OutOfOrder { .. } | Error::TakenBefore { .. }
        );
        if known.first.is_none() {
            known.outcome = match error.outcome_unknown() {
                true => Outcome::Unknown,
                false => Outcome::Void,
            };
        }
        if stranger {
            // It begins again, as it is told to.
            self.producer += 1;
        }
    }

    pub(super) fn acknowledged(&mut self, attempt: usize, appended: Appended) {
        let known = &mut self.attempts[attempt];
        assert_eq!(
            Some(appended.first.0),
            known.first,
            "acknowledged elsewhere"
        );
        assert_eq!(appended.count as usize, known.count);
        known.outcome = Outcome::There;
        let count = known.count;
        for index in 0..count {
            self.see(appended.first.0 + index as u64, (attempt, index));
        }
        self.end = self.end.max(appended.first.0 + count as u64);
    }

    pub(super) fn failed(&mut self, attempt: usize, outcome: Outcome) {
        let known = &mut self.attempts[attempt];
        if known.outcome == Outcome::Pending {
            known.outcome = outcome;
        }
    }

    pub(super) fn trimmed(&mut self, before: u64) {
        self.trimmed = self.trimmed.max(before);
    }

    pub(super) fn last_acknowledged(&self) -> Option<u64> {
        self.seen.keys().next_back().copied()
    }

    /// The process has ended: what was under way may be there or not.
    pub(super) fn ended(&mut self) {
        for attempt in &mut self.attempts {
            if attempt.outcome == Outcome::Pending {
                attempt.outcome = Outcome::Unknown;
            }
        }
    }

    fn puts(&self) -> impl DoubleEndedIterator<Item = (usize, u64, &Attempt)> {
        let producer = self.producer;
        self.attempts
            .iter()
            .enumerate()
            .filter_map(move |(at, attempt)| {
                let (known, number) = attempt.put?;
                (known == producer).then_some((at, number, attempt))
            })
    }

    /// A put that is to be sent again: the last, when it is not known to be there, or any.
    pub(super) fn put_to_repeat(&self, more: usize) -> Option<(usize, u64, u64)> {
        let open = self
            .puts()
            .find(|(_, _, attempt)| attempt.outcome != Outcome::There);
        let again = self.puts().nth_back(more / 2).filter(|_| more & 1 == 1);
        let (attempt, number, _) = open.or(again)?;
        Some((attempt, self.producer, number))
    }

    pub(super) fn next_put(&self) -> (u64, u64) {
        let last = self.puts().map(|(_, number, _)| number).max();
        (self.producer, last.map_or(0, |last| last + 1))
    }

    fn see(&mut self, sequence: u64, what: (usize, usize)) {
        let before = self.seen.insert(sequence, what);
        let before = before.as_ref().or(self.gone.get(&sequence));
        assert!(
            before.is_none_or(|before| *before == what),
            "number {sequence} is used twice: {before:?}, {what:?}"
        );
    }

    /// Judges what was found in the shard, and takes note of it.
    pub(super) fn judge(&mut self, found: &Found, ending: Ending) {
        let live = ending == Ending::Running;
        assert!(
            found.gaps.is_empty() && found.read_only.is_none() && found.broken_off.is_none(),
            "damage is reported, and none was done: {:?}, {:?}, {:?}",
            found.gaps,
            found.read_only,
            found.broken_off
        );
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let mut last = None;
        for (sequence, (_, bytes)) in &found.records {
            let (attempt, index) = self.recognise(*sequence, bytes);
            *counts.entry(attempt).or_default() += 1;
            let follows = last.is_none_or(|last| *sequence == last + 1);
            let jumps = !self.durable && last.is_some_and(|last| sequence - last >= 1 << 32);
            assert!(follows || jumps, "a hole before {sequence}, after {last:?}");
            last = Some(*sequence);
            self.see(*sequence, (attempt, index));
        }
        let oldest = found.oldest;
        let dropped = self.seen.range(..oldest).next_back();
        assert!(
            self.capped || dropped.is_none_or(|(dropped, _)| *dropped < self.trimmed),
            "records below {oldest} were dropped, only those below {} may be",
            self.trimmed
        );
        let may_lose = !self.durable && ending == Ending::Power;
        let missing: Vec<u64> = self
            .seen
            .range(oldest..)
            .map(|(sequence, _)| *sequence)
            .filter(|sequence| !found.records.contains_key(sequence))
            .collect();
        assert!(
            missing.is_empty() || may_lose,
            "records {missing:?} were acknowledged or read, and are gone after {ending:?}; there are {oldest} to {}",
            found.end
        );
        assert!(
            found.end >= self.end,
            "the end was {}, and is {}",
            self.end,
            found.end
        );
        self.end = found.end;
        for (attempt, count) in counts {
            let known = &self.attempts[attempt];
            let cut = live || known.first.is_some_and(|first| first < oldest);
            assert!(count == known.count || cut, "an append is there in part");
        }
        for sequence in missing {
            if let Some(what) = self.seen.remove(&sequence) {
                self.attempts[what.0].outcome = Outcome::Void;
                self.gone.insert(sequence, what);
            }
        }
        if !live {
            self.settle(oldest);
        }
        self.judge_puts(found);
        // What retention has dropped is not asked for again.
        self.seen = self.seen.split_off(&oldest);
    }

    /// The attempt and record that bytes are of.
    fn recognise(&mut self, sequence: u64, bytes: &[u8]) -> (usize, usize) {
        let field = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.first_chunk());
            bytes.map_or(usize::MAX, |bytes| u32::from_le_bytes(*bytes) as usize)
        };
        let (attempt, index) = (field(0), field(4));
        let known = self.attempts.get_mut(attempt);
        let known =
            known.filter(|known| index < known.count && bytes == data(attempt, index, known.len));
        let Some(known) = known else {
            panic!("record {sequence} is nobody's");
        };
        assert_ne!(
            known.outcome,
            Outcome::Void,
            "attempt {attempt} was void, and is there"
        );
        let first = known.first.get_or_insert(sequence - index as u64);
        assert_eq!(
            sequence,
            *first + index as u64,
            "attempt {attempt} is elsewhere"
        );
        (attempt, index)
    }

    /// After a recovery it is known of each attempt whether it is there.
    fn settle(&mut self, oldest: u64) {
        for (at, attempt) in self.attempts.iter_mut().enumerate() {
            let open = matches!(attempt.outcome, Outcome::Unknown | Outcome::Pending);
            let first = attempt.first.unwrap_or(u64::MAX);
            if open && first >= oldest {
                // Its number may be another's by now.
                attempt.outcome = match self.seen.get(&first) == Some(&(at, 0)) {
                    true => Outcome::There,
                    false => Outcome::Void,
                };
            }
        }
    }

    /// A numbered put is there once, however often it was sent.
    fn judge_puts(&self, found: &Found) {
        let mut puts = BTreeMap::new();
        for sequence in found.records.keys() {
            let Some((attempt, _)) = self.seen.get(sequence) else {
                continue;
            };
            if let Some(put) = self.attempts[*attempt].put {
                let other = puts.insert(put, *attempt);
                assert!(
                    other.is_none_or(|other| other == *attempt),
                    "put {put:?} is there twice"
                );
            }
        }
    }
}

fn data(attempt: usize, index: usize, len: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(len + 8);
    data.extend_from_slice(&(attempt as u32).to_le_bytes());
    data.extend_from_slice(&(index as u32).to_le_bytes());
    let mut state = mix((attempt as u64) << 32 | index as u64);
    while data.len() < len {
        data.extend_from_slice(&state.to_le_bytes());
        state = state.rotate_left(7).wrapping_add(0x9e37_79b9);
    }
    data.truncate(len);
    data
}
