//! Reading a segment that may be cold: what holds data is asked for ahead of the walk, and
//! nothing else. A system that reads ahead by itself would read what was never written, for each
//! of thousands of shards.

use crate::io::device::{File, Map};

/// Bytes asked for at a time.
const WINDOW: u64 = 4 << 20;

/// A walk through a map from its front to its back.
pub(super) struct ReadAhead<'a> {
    map: &'a dyn Map,
    file: &'a dyn File,
    /// Where the run of data ends that the walk is in.
    run_end: u64,
    /// Up to where it was asked for.
    asked: u64,
}

impl<'a> ReadAhead<'a> {
    pub(super) fn new(map: &'a dyn Map, file: &'a dyn File) -> ReadAhead<'a> {
        map.read_nothing_ahead();
        ReadAhead {
            map,
            file,
            run_end: 0,
            asked: 0,
        }
    }

    /// The walk is at `offset` now.
    pub(super) fn at(&mut self, offset: u64) {
        if offset >= self.run_end {
            match self.file.next_data(offset) {
                Ok(Some((start, end))) if start <= offset => self.run_end = end,
                // Nothing here, or it cannot be told: each page is read when it is touched.
                _ => return,
            }
        }
        let asked = self.asked.max(offset);
        if asked < self.run_end && asked < offset + WINDOW / 2 {
            let len = WINDOW.min(self.run_end - asked);
            self.map.read_ahead(asked as usize, len as usize);
            self.asked = asked + len;
        }
    }
}
