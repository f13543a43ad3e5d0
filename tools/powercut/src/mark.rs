//! What the writer tells the outside, in the order in which it comes to know it: a block of 512
//! bytes on a disk of its own, whose writes are recorded in one order with those that are cut.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use millstream_engine::ShardId;

/// Bytes of a mark.
pub(crate) const MARK_BYTES: usize = 512;
const MAGIC: u64 = u64::from_le_bytes(*b"MSMARK01");
const O_DIRECT: i32 = 0x4000;
const ALIGNMENT: usize = 4096;

/// What is told. An intent is told before the first byte of it is written, a promise after it was
/// given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Intent: the shard is going to be made.
    Creating(ShardId),
    /// Promise: it is there.
    Created(ShardId),
    /// Intent: no record of this number or above is appended before the next such mark.
    Below(ShardId, u64),
    /// Promise: all records below this number are there.
    Acknowledged(ShardId, u64),
    /// Promise: this put (number, first record, records) was taken.
    Put(ShardId, u64, u64, u64),
    /// Promise: the shard was closed, and all records below this number are on the medium.
    Closed(ShardId, u64),
    /// Intent: the shard is going to be deleted.
    Deleting(ShardId),
    /// Promise: it is gone.
    Deleted(ShardId),
    /// Intent: the cursor is going to acknowledge all records below this number.
    Passing(u64, u64),
    /// Promise: it has.
    Passed(u64, u64),
}

impl Mark {
    pub(crate) fn encode(self, out: &mut [u8]) {
        let words = match self {
            Mark::Creating(shard) => [1, shard.0, 0, 0, 0],
            Mark::Created(shard) => [2, shard.0, 0, 0, 0],
            Mark::Below(shard, end) => [3, shard.0, end, 0, 0],
            Mark::Acknowledged(shard, end) => [4, shard.0, end, 0, 0],
            Mark::Put(shard, number, first, count) => [5, shard.0, number, first, count],
            Mark::Closed(shard, end) => [6, shard.0, end, 0, 0],
            Mark::Deleting(shard) => [7, shard.0, 0, 0, 0],
            Mark::Deleted(shard) => [8, shard.0, 0, 0, 0],
            Mark::Passing(cursor, end) => [9, cursor, end, 0, 0],
            Mark::Passed(cursor, end) => [10, cursor, end, 0, 0],
        };
        out[..8].copy_from_slice(&MAGIC.to_le_bytes());
        for (place, word) in out[8..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&u64::to_le_bytes(word));
        }
    }

    /// The mark in a block; `None` when it holds something else.
    pub(crate) fn decode(block: &[u8]) -> Option<Mark> {
        let mut words = block.chunks_exact(8).map(|bytes| {
            bytes
                .iter()
                .rev()
                .fold(0u64, |word, byte| word << 8 | u64::from(*byte))
        });
        if words.next()? != MAGIC {
            return None;
        }
        let (kind, a, b) = (words.next()?, words.next()?, words.next()?);
        let (c, d) = (words.next()?, words.next()?);
        Some(match kind {
            1 => Mark::Creating(ShardId(a)),
            2 => Mark::Created(ShardId(a)),
            3 => Mark::Below(ShardId(a), b),
            4 => Mark::Acknowledged(ShardId(a), b),
            5 => Mark::Put(ShardId(a), b, c, d),
            6 => Mark::Closed(ShardId(a), b),
            7 => Mark::Deleting(ShardId(a)),
            8 => Mark::Deleted(ShardId(a)),
            9 => Mark::Passing(a, b),
            10 => Mark::Passed(a, b),
            _ => return None,
        })
    }
}

/// The disk of the marks, for one thread: it returns when the mark was recorded.
#[derive(Debug)]
pub(crate) struct Marker {
    disk: File,
    memory: Vec<u8>,
    /// Where direct I/O takes a block from in there.
    aligned: usize,
    /// A block of its own, or the system would make one write of two threads'.
    offset: u64,
}

impl Marker {
    pub(crate) fn open(disk: &Path, thread: u64) -> io::Result<Marker> {
        let memory = vec![0; 2 * ALIGNMENT];
        let aligned = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Ok(Marker {
            disk: OpenOptions::new()
                .write(true)
                .custom_flags(O_DIRECT)
                .open(disk)?,
            memory,
            aligned,
            offset: thread * 8192,
        })
    }

    pub(crate) fn tell(&mut self, mark: Mark) -> io::Result<()> {
        let block = &mut self.memory[self.aligned..self.aligned + MARK_BYTES];
        mark.encode(block);
        self.disk.write_all_at(block, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for mark in [
            Mark::Creating(ShardId(1)),
            Mark::Created(ShardId(2)),
            Mark::Below(ShardId(3), 4),
            Mark::Acknowledged(ShardId(5), u64::MAX),
            Mark::Put(ShardId(6), 7, 8, 9),
            Mark::Closed(ShardId(10), 11),
            Mark::Deleting(ShardId(12)),
            Mark::Deleted(ShardId(13)),
            Mark::Passing(0, 14),
            Mark::Passed(1, 15),
        ] {
            let mut block = [0; MARK_BYTES];
            mark.encode(&mut block);
            assert_eq!(Mark::decode(&block), Some(mark));
        }
        assert_eq!(Mark::decode(&[0; MARK_BYTES]), None);
    }
}
