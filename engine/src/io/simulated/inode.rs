//! A simulated file: what the system shows of it, and what of that is on the medium.

use std::{collections::BTreeMap, io, sync::Arc};

use super::{Nature, disk::SECTOR, memory::Memory};
use crate::io::aligned::BLOCK;

type SectorBytes = [u8; SECTOR];

/// What a sector held before writes that are not on the medium for certain; the first is what is
/// there for certain.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) before: Vec<SectorBytes>,
    /// A flush of it has failed: no later one takes it up, unless it is written again.
    pub(super) given_up: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) memory: Arc<Memory>,
    /// Blocks that were ever written.
    touched: Blocks,
    /// Blocks that were given room.
    given: Blocks,
    pub(super) len: u64,
    pub(super) durable_len: u64,
    pub(super) history: BTreeMap<u64, History>,
    /// Byte ranges that cannot be read.
    pub(super) unreadable: Vec<(u64, u64)>,
    /// Its memory belongs to the disk that this one was forked from.
    pub(super) borrowed: bool,
}

/// Some blocks of a file, a bit each.
#[derive(Debug, Clone, Default)]
struct Blocks(Vec<u64>);

impl Blocks {
    /// Adds the blocks that a range of bytes lies in.
    fn add(&mut self, offset: u64, len: usize) {
        let first = offset as usize / BLOCK;
        let last = (offset as usize + len.max(1) - 1) / BLOCK;
        if self.0.len() <= last / 64 {
            self.0.resize(last / 64 + 1, 0);
        }
        for block in first..=last {
            self.0[block / 64] |= 1 << (block % 64);
        }
    }

    fn has(&self, block: usize) -> bool {
        let bits = self.0.get(block / 64);
        bits.is_some_and(|bits| bits & (1 << (block % 64)) != 0)
    }

    /// The first run of them at or after a block, as (first, after the last).
    fn run(&self, from: usize) -> Option<(usize, usize)> {
        let blocks = self.0.len() * 64;
        let first = (from..blocks).find(|block| self.has(*block))?;
        let end = (first..blocks).find(|block| !self.has(*block));
        Some((first, end.unwrap_or(blocks)))
    }

    /// Takes out all from a block on.
    fn cut(&mut self, end: usize) {
        for (at, bits) in self.0.iter_mut().enumerate().skip(end / 64) {
            let kept = end.saturating_sub(at * 64).min(64);
            *bits &= !(u64::MAX.checked_shl(kept as u32).unwrap_or(0));
        }
    }
}

impl Inode {
    /// An empty file.
    pub(super) fn new(memory: Memory) -> Inode {
        Inode {
            memory: Arc::new(memory),
            touched: Blocks::default(),
            given: Blocks::default(),
            len: 0,
            durable_len: 0,
            history: BTreeMap::new(),
            unreadable: Vec::new(),
            borrowed: false,
        }
    }

    pub(super) fn is_touched(&self, block: usize) -> bool {
        self.touched.has(block)
    }

    /// The first run of touched blocks at or after one, as (first, after the last).
    pub(super) fn run(&self, from: usize) -> Option<(usize, usize)> {
        self.touched.run(from)
    }

    /// Gives room to a range of bytes.
    pub(super) fn give(&mut self, offset: u64, len: u64) {
        self.given.add(offset, len as usize);
    }

    /// Bytes of the blocks that have room.
    pub(super) fn room(&self) -> u64 {
        let words = self.touched.0.len().max(self.given.0.len());
        let word = |of: &Blocks, at: usize| of.0.get(at).copied().unwrap_or(0);
        let blocks =
            (0..words).map(|at| (word(&self.touched, at) | word(&self.given, at)).count_ones());
        u64::from(blocks.sum::<u32>()) * BLOCK as u64
    }

    /// Memory of its own, with room for `len` bytes.
    pub(super) fn own(&mut self, len: usize) -> io::Result<()> {
        if !self.borrowed && len <= self.memory.len() {
            return Ok(());
        }
        let memory = Memory::zeroed(len.max(self.memory.len()))?;
        let mut from = 0;
        while let Some((first, end)) = self.run(from) {
            let (start, len) = (first * BLOCK, (end - first) * BLOCK);
            memory.write(start, self.memory.bytes(start, len));
            from = end;
        }
        self.memory = Arc::new(memory);
        self.borrowed = false;
        Ok(())
    }

    fn sectors(offset: u64, len: usize) -> impl Iterator<Item = u64> {
        let size = SECTOR as u64;
        offset / size..(offset + len as u64).div_ceil(size)
    }

    fn sector(&self, sector: u64) -> SectorBytes {
        let mut bytes = [0; SECTOR];
        let held = self.memory.bytes(sector as usize * SECTOR, SECTOR);
        bytes[..held.len()].copy_from_slice(held);
        bytes
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64, durable: bool) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        self.own(end as usize)?;
        for sector in Inode::sectors(offset, bytes.len()) {
            if durable {
                self.history.remove(&sector);
            } else {
                let before = self.sector(sector);
                let history = self.history.entry(sector).or_default();
                history.before.push(before);
                // It is to be flushed again.
                history.given_up = false;
            }
        }
        self.memory.write(offset as usize, bytes);
        self.touched.add(offset, bytes.len());
        self.len = self.len.max(end);
        if durable {
            self.durable_len = self.durable_len.max(end);
        }
        Ok(())
    }

    /// What a cut of the power leaves.
    pub(super) fn cut(&mut self, nature: &dyn Nature) -> io::Result<()> {
        let history = std::mem::take(&mut self.history);
        if !history.is_empty() {
            self.own(self.len as usize)?;
        }
        for (sector, history) in history {
            let versions = history.before.len() as u64 + 1;
            let kept = nature.choose(versions) as usize;
            if let Some(bytes) = history.before.get(kept) {
                self.memory.write(sector as usize * SECTOR, &bytes[..]);
            }
        }
        if self.len != self.durable_len && nature.choose(2) == 0 {
            self.len = self.durable_len;
        }
        self.durable_len = self.len;
        // What lies behind the end is gone, and is zeros should the file grow again.
        let end = (self.len as usize).div_ceil(BLOCK);
        if self.run(end).is_some() {
            self.own(self.memory.len())?;
            let mut from = end;
            while let Some((first, last)) = self.run(from) {
                for block in first..last {
                    self.memory.write(block * BLOCK, &[0; BLOCK]);
                }
                from = last;
            }
            self.touched.cut(end);
        }
        self.given.cut(end);
        Ok(())
    }
}
