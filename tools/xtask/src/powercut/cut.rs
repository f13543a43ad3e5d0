//! What a cut of the power may leave: what a flush had promised, and of what came later any part,
//! sector by sector.
//!
//! A flush promises the writes that had ended before it began, from when it has ended. Everything
//! else that had begun by the cut may be there or not, and where it is there, not in order.

use std::{collections::BTreeMap, fmt, fs::File, os::unix::fs::FileExt, path::Path};

use super::record::{Event, Kind, Record};
use crate::failure::Failure;

/// What is written whole or not at all.
pub(super) const SECTOR: usize = 512;
/// Bytes of the image that are written at a time, where they are not zeros.
const CHUNK: usize = 64 << 10;

/// SplitMix64.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// The dice of one choice of many.
    pub(super) fn of(seed: u64, choice: u64) -> Dice {
        let mut dice = Dice(seed);
        Dice(dice.next() ^ choice.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// A write that no flush has promised yet.
#[derive(Debug, Clone, Copy)]
struct Write {
    event: Event,
    ended: Option<usize>,
}

/// The disk at a place of the record: moves forward only.
pub(super) struct Cutter<'a> {
    record: &'a Record,
    at: usize,
    /// What was promised.
    image: Vec<u8>,
    /// What was not, in the order in which it began; by id.
    loose: BTreeMap<u64, Write>,
    /// Where the open flushes began.
    flushes: BTreeMap<u64, usize>,
}

/// What of the loose writes a cut leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    /// Sectors, to be written over what was promised one after another.
    sectors: Vec<(u64, Vec<u8>)>,
    /// How it was chosen.
    how: &'static str,
    loose: usize,
    loose_sectors: usize,
}

impl Left {
    /// How many sectors are left, of how many that no flush had promised.
    pub(super) fn sectors(&self) -> (usize, usize) {
        (self.sectors.len(), self.loose_sectors)
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} sectors of {} loose writes are left, {}",
            self.sectors.len(),
            self.loose_sectors,
            self.loose,
            self.how
        )
    }
}

impl<'a> Cutter<'a> {
    /// The disk before the first event.
    pub(super) fn new(record: &'a Record, image: Vec<u8>) -> Cutter<'a> {
        Cutter {
            record,
            at: 0,
            image,
            loose: BTreeMap::new(),
            flushes: BTreeMap::new(),
        }
    }

    /// Goes on to just before an event.
    pub(super) fn advance(&mut self, to: usize) -> Result<(), Failure> {
        while self.at < to {
            let event = self.record.events[self.at];
            match event.kind {
                Kind::WriteBegan => {
                    self.loose.insert(event.id, Write { event, ended: None });
                }
                Kind::WriteEnded => {
                    if let Some(write) = self.loose.get_mut(&event.id) {
                        write.ended = Some(self.at);
                    }
                }
                Kind::FlushBegan => {
                    self.flushes.insert(event.id, self.at);
                }
                Kind::FlushEnded => {
                    if let Some(began) = self.flushes.remove(&event.id) {
                        self.promise(began)?;
                    }
                }
                Kind::Mark => {}
            }
            self.at += 1;
        }
        Ok(())
    }

    /// What ended before a flush began is on the medium, in the order in which it ended.
    fn promise(&mut self, began: usize) -> Result<(), Failure> {
        let mut ended: Vec<_> = self
            .loose
            .extract_if(.., |_, write| {
                write.ended.is_some_and(|ended| ended < began)
            })
            .map(|(_, write)| write)
            .collect();
        ended.sort_by_key(|write| write.ended);
        for write in ended {
            let data = self.record.data(&write.event)?;
            let start = write.event.offset as usize;
            let Some(place) = self.image.get_mut(start..start + data.len()) else {
                let reason = "the record writes beyond the end of the disk";
                return Err(Failure::Wrong(reason.to_owned()));
            };
            place.copy_from_slice(&data);
        }
        Ok(())
    }

    /// Cuts here: some of the loose sectors, or all, or none.
    pub(super) fn cut(&self, dice: &mut Dice) -> Result<Left, Failure> {
        let way = dice.below(8);
        let how = match way {
            0 => "none",
            1 => "all",
            2 | 3 => "whole writes",
            4 => "the first ones, the last of them torn",
            _ => "any sectors",
        };
        let share = 1 + dice.below(99);
        let torn = dice.below(self.loose.len() as u64) as usize;
        let (mut sectors, mut loose_sectors) = (Vec::new(), 0);
        for (number, write) in self.loose.values().enumerate() {
            let data = self.record.data(&write.event)?;
            let whole = dice.below(100) < share;
            let tear = dice.below((data.len() / SECTOR) as u64 + 1) as usize;
            for (place, sector) in data.chunks(SECTOR).enumerate() {
                loose_sectors += 1;
                let is_left = match way {
                    0 => false,
                    1 => true,
                    2 | 3 => whole,
                    4 => number < torn || (number == torn && place < tear),
                    _ => dice.below(100) < share,
                };
                if is_left {
                    let offset = write.event.offset + (place * SECTOR) as u64;
                    sectors.push((offset, sector.to_vec()));
                }
            }
        }
        Ok(Left {
            sectors,
            how,
            loose: self.loose.len(),
            loose_sectors,
        })
    }

    /// Writes the disk that is left, sparse.
    pub(super) fn write(&self, left: &Left, path: &Path) -> Result<(), Failure> {
        let written = (|| {
            let file = File::create(path)?;
            file.set_len(self.image.len() as u64)?;
            for (number, chunk) in self.image.chunks(CHUNK).enumerate() {
                if !is_zeros(chunk) {
                    file.write_all_at(chunk, (number * CHUNK) as u64)?;
                }
            }
            for (offset, sector) in &left.sectors {
                file.write_all_at(sector, *offset)?;
            }
            Ok(())
        })();
        written.map_err(Failure::io("write", path))
    }
}

fn is_zeros(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests;
