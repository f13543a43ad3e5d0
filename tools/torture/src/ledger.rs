//! The oracle: which record is at which number, whoever said so, once and for all.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::record::Identity;

/// How far the numbers of a `Written` stream jump when it was not closed cleanly.
pub(crate) const JUMP: u64 = 1 << 32;

/// Bits of a record's number in a slot; the writer is above.
const NUMBER_BITS: u32 = 40;
/// Bits of a sequence number in a place; the shard is above.
const SEQUENCE_BITS: u32 = 48;

/// Sent; nobody has said where it is.
const SENT: u64 = 0;
/// Refused: it must not be anywhere.
const REFUSED: u64 = 1;

/// What is known of one stream. Each word that is said of a record, by an acknowledgement or by a
/// read, is held against all that was said before.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) stream: u32,
    pub(crate) name: String,
    pub(crate) shards: u32,
    /// Its numbers may jump after a kill.
    pub(crate) jumps: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shards: Vec<Numbers>,
    writers: Vec<Writer>,
    acknowledged: u64,
}

/// The records of a shard by their numbers, in pieces of 2^32 numbers.
#[derive(Debug, Default)]
struct Numbers {
    pieces: BTreeMap<u64, Vec<u64>>,
    /// After the highest number that was spoken of.
    end: u64,
}

#[derive(Debug)]
struct Writer {
    /// Every record of it has to be there in the end.
    certain: bool,
    places: Vec<u64>,
}

impl Ledger {
    pub(crate) fn new(stream: u32, name: String, shards: u32, jumps: bool) -> Ledger {
        let numbers = (0..shards).map(|_| Numbers::default()).collect();
        Ledger {
            stream,
            name,
            shards,
            jumps,
            state: Mutex::new(State {
                shards: numbers,
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new writer; `certain` when it sends again until each record is acknowledged.
    pub(crate) fn writer(&self, certain: bool) -> u32 {
        let mut state = self.state();
        state.writers.push(Writer {
            certain,
            places: Vec::new(),
        });
        state.writers.len() as u32 - 1
    }

    /// Takes note that the writer's next record is about to be sent.
    pub(crate) fn sends(&self, writer: u32) -> Identity {
        let mut state = self.state();
        let places = &mut state.writers[writer as usize].places;
        places.push(SENT);
        Identity {
            stream: self.stream,
            writer,
            number: places.len() as u64 - 1,
        }
    }

    /// Takes note that the record was not written, and will not be.
    pub(crate) fn refused(&self, who: Identity) -> Result<(), String> {
        let mut state = self.state();
        let place = &mut state.writers[who.writer as usize].places[who.number as usize];
        if *place > REFUSED {
            let place = place_text(*place);
            return Err(format!("{who} was refused, but is at {place}"));
        }
        *place = REFUSED;
        Ok(())
    }

    /// Takes note that the record is durable at this place.
    pub(crate) fn acknowledged(
        &self,
        who: Identity,
        shard: u32,
        sequence: u64,
    ) -> Result<(), String> {
        let mut state = self.state();
        state.acknowledged += 1;
        let said = state.claim(who, shard, sequence);
        said.map_err(|error| format!("an acknowledgement: {error}"))
    }

    /// Takes note of records that were read, in order.
    pub(crate) fn read(&self, shard: u32, records: &[(u64, Identity)]) -> Result<(), String> {
        let mut state = self.state();
        for (sequence, who) in records {
            if who.stream != self.stream {
                let stream = who.stream;
                return Err(format!("{sequence} is {who} of stream number {stream}"));
            }
            state.claim(*who, shard, *sequence)?;
        }
        Ok(())
    }

    /// After the highest number of the shard that was acknowledged or read.
    pub(crate) fn end(&self, shard: u32) -> u64 {
        self.state().shards[shard as usize].end
    }

    /// The first number in a range at which a record is known.
    pub(crate) fn first_known(&self, shard: u32, from: u64, to: u64) -> Option<u64> {
        let state = self.state();
        let pieces = state.shards[shard as usize].pieces.range(from / JUMP..);
        for (piece, slots) in pieces {
            let base = piece * JUMP;
            let skip = from.saturating_sub(base) as usize;
            let known = slots.iter().skip(skip).position(|slot| *slot != 0);
            if let Some(at) = known {
                let sequence = base + (skip + at) as u64;
                return (sequence < to).then_some(sequence);
            }
            if base >= to {
                break;
            }
        }
        None
    }

    /// Records that were acknowledged so far.
    pub(crate) fn count(&self) -> u64 {
        self.state().acknowledged
    }

    /// Whether every record that must be somewhere is, once all writers have ended.
    pub(crate) fn check_complete(&self) -> Result<(), String> {
        let state = self.state();
        let certain = state.writers.iter().enumerate();
        for (writer, sent) in certain.filter(|(_, writer)| writer.certain) {
            if let Some(number) = sent.places.iter().position(|place| *place <= REFUSED) {
                return Err(format!(
                    "record {number} of writer {writer} was sent until it was acknowledged, and is nowhere"
                ));
            }
        }
        Ok(())
    }
}

impl State {
    fn claim(&mut self, who: Identity, shard: u32, sequence: u64) -> Result<(), String> {
        let Some(numbers) = self.shards.get_mut(shard as usize) else {
            return Err(format!("{who} is in shard {shard}, which there is not"));
        };
        let place = self
            .writers
            .get_mut(who.writer as usize)
            .and_then(|writer| writer.places.get_mut(who.number as usize));
        let Some(place) = place else {
            return Err(format!("{who} at {sequence} was never sent"));
        };
        let here = ((u64::from(shard) + 1) << SEQUENCE_BITS) | sequence;
        match *place {
            SENT => *place = here,
            REFUSED => {
                return Err(format!("{who} at {sequence} of shard {shard} was refused"));
            }
            known if known == here => {}
            known => {
                let (known, here) = (place_text(known), place_text(here));
                return Err(format!("{who} is there twice: at {known} and at {here}"));
            }
        }
        let slot = ((u64::from(who.writer) + 1) << NUMBER_BITS) | who.number;
        let slots = numbers.pieces.entry(sequence / JUMP).or_default();
        let at = (sequence % JUMP) as usize;
        if slots.len() <= at {
            slots.resize(at + 1, 0);
        }
        let known = slots[at];
        if known != 0 && known != slot {
            let (writer, number) = ((known >> NUMBER_BITS) - 1, known & ((1 << NUMBER_BITS) - 1));
            return Err(format!(
                "number {sequence} of shard {shard} was that of record {number} of writer {writer}, and now is that of {who}"
            ));
        }
        slots[at] = slot;
        numbers.end = numbers.end.max(sequence + 1);
        Ok(())
    }
}

fn place_text(place: u64) -> String {
    let shard = (place >> SEQUENCE_BITS) - 1;
    let sequence = place & ((1 << SEQUENCE_BITS) - 1);
    format!("{sequence} of shard {shard}")
}

/// Holds what one pass over a shard reads against the order in which it has to be.
#[derive(Debug)]
pub(crate) struct Sequence<'a> {
    ledger: &'a Ledger,
    shard: u32,
    next: u64,
    last: HashMap<u32, u64>,
    records: Vec<(u64, Identity)>,
}

impl<'a> Sequence<'a> {
    /// A pass that begins at a number.
    pub(crate) fn new(ledger: &'a Ledger, shard: u32, next: u64) -> Sequence<'a> {
        Sequence {
            ledger,
            shard,
            next,
            last: HashMap::new(),
            records: Vec::new(),
        }
    }

    /// The number that comes next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Takes the next record.
    pub(crate) fn take(&mut self, sequence: u64, who: Identity) -> Result<(), String> {
        self.skip_to(sequence)?;
        self.next = sequence + 1;
        // A writer's records of a shard are in the order in which they were sent.
        if let Some(last) = self.last.insert(who.writer, who.number)
            && last >= who.number
        {
            return Err(format!("{who} at {sequence} comes after record {last}"));
        }
        self.records.push((sequence, who));
        Ok(())
    }

    /// Holds what was taken against the ledger.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.ledger.read(self.shard, &self.records)?;
        self.records.clear();
        Ok(())
    }

    fn skip_to(&self, sequence: u64) -> Result<(), String> {
        let next = self.next;
        if sequence == next {
            return Ok(());
        }
        if sequence < next {
            return Err(format!("{sequence} comes where {next} should"));
        }
        if !self.ledger.jumps || !(sequence - next).is_multiple_of(JUMP) {
            return Err(format!("numbers {next} to {} are missing", sequence - 1));
        }
        match self.ledger.first_known(self.shard, next, sequence) {
            Some(known) => Err(format!("{known} was there, and is missing")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
