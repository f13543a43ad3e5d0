//! The index of a segment as a file beside it, with the producers that its shard remembered.
//! Written now and then, so that opening scans little; when it is missing, damaged or of another
//! epoch, the segment is scanned from its start.

use std::path::Path;

use millstream_format::crc32c;

use super::{Entry, SparseIndex};
use crate::{
    error::Error,
    io::device::{Access, Device},
    segment::file_name,
    shard::producers::{Producers, RecentPut},
};

const MAGIC: u64 = u64::from_le_bytes(*b"MSINDEX1");
const HEADER_LEN: usize = 64;
const ENTRY_LEN: usize = 24;
const PRODUCER_LEN: usize = 40;
/// No index of a 4 GiB segment is longer.
const MAX_LEN: u64 = 16 << 20;

/// What a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Of the segment.
    pub epoch: u64,
    /// Of the segment.
    pub ordinal: u64,
    /// The index covers the segment up to this byte offset.
    pub end_offset: u64,
    /// Sequence number after the last record covered.
    pub end_sequence: u64,
    /// Time of the last record covered.
    pub last_time_ms: u64,
    /// The entries.
    pub index: SparseIndex,
    /// The producers that the shard remembered at that point.
    pub producers: Producers,
}

impl Checkpoint {
    fn encode(&self, block: usize) -> Vec<u8> {
        let puts = self.producers.to_puts();
        let entries = self.index.entries();
        let len = HEADER_LEN + entries.len() * ENTRY_LEN + puts.len() * PRODUCER_LEN;
        let mut out = Vec::with_capacity(len.next_multiple_of(block));
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[0; 8]); // checksum, zero
        for field in [
            self.epoch,
            self.ordinal,
            self.end_offset,
            self.end_sequence,
            self.last_time_ms,
            entries.len() as u64 | (puts.len() as u64) << 32,
        ] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for entry in entries {
            for field in [entry.sequence, entry.offset, entry.time_ms] {
                out.extend_from_slice(&field.to_le_bytes());
            }
        }
        for put in puts {
            for field in [put.producer, put.number, put.first, u64::from(put.count), 0] {
                out.extend_from_slice(&field.to_le_bytes());
            }
        }
        let crc = crc32c(&out[16..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out.resize(out.len().next_multiple_of(block), 0);
        out
    }

    /// Reads a checkpoint; `None` when it is not wholly good.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Checkpoint> {
        let u64_at = |at: usize| {
            let b = bytes.get(at..at + 8)?;
            Some(u64::from_le_bytes(b.try_into().ok()?))
        };
        if u64_at(0)? != MAGIC {
            return None;
        }
        let counts = u64_at(56)?;
        let (entries, puts) = ((counts & 0xffff_ffff) as usize, (counts >> 32) as usize);
        let puts_at = HEADER_LEN.checked_add(entries.checked_mul(ENTRY_LEN)?)?;
        let end = puts_at.checked_add(puts.checked_mul(PRODUCER_LEN)?)?;
        if u64::from(crc32c(bytes.get(16..end)?)) != u64_at(8)? {
            return None;
        }
        let (rows, _) = bytes[HEADER_LEN..puts_at].as_chunks::<ENTRY_LEN>();
        let field = |row: &[u8], i: usize| {
            let mut b = [0; 8];
            b.copy_from_slice(&row[8 * i..8 * i + 8]);
            u64::from_le_bytes(b)
        };
        let index = rows.iter().map(|row| Entry {
            sequence: field(row, 0),
            offset: field(row, 1),
            time_ms: field(row, 2),
        });
        let (rows, _) = bytes[puts_at..end].as_chunks::<PRODUCER_LEN>();
        let mut producers = Producers::default();
        for row in rows {
            producers.note(RecentPut {
                producer: field(row, 0),
                number: field(row, 1),
                first: field(row, 2),
                count: u32::try_from(field(row, 3)).ok()?,
            });
        }
        Some(Checkpoint {
            epoch: u64_at(16)?,
            ordinal: u64_at(24)?,
            end_offset: u64_at(32)?,
            end_sequence: u64_at(40)?,
            last_time_ms: u64_at(48)?,
            index: SparseIndex::from_entries(index.collect())?,
            producers,
        })
    }

    /// Writes the checkpoint of a segment in `dir`. One that does not become durable is found
    /// whole, or damaged, or not at all after a crash, which costs a scan.
    pub(crate) fn store(
        &self,
        device: &dyn Device,
        dir: &Path,
        durable: bool,
    ) -> Result<(), Error> {
        let partial = dir.join(file_name::partial_index(self.ordinal));
        let path = dir.join(file_name::index(self.ordinal));
        let block = device.report().block;
        let written = (|| {
            let file = match device.open(&partial, Access::Create) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    device.remove_file(&partial)?;
                    device.open(&partial, Access::Create)?
                }
                other => other?,
            };
            let bytes = self.encode(block);
            match durable {
                true => file.write_durable_at(&bytes, 0)?,
                false => file.write_at(&bytes, 0)?,
            }
            device.rename(&partial, &path)?;
            match durable {
                true => device.sync_dir(dir),
                false => Ok(()),
            }
        })();
        written.map_err(Error::io("writing the index", path))
    }

    /// Loads the checkpoint of a segment, if there is a good one of that epoch.
    pub(crate) fn load(
        device: &dyn Device,
        dir: &Path,
        ordinal: u64,
        epoch: u64,
    ) -> Option<Checkpoint> {
        Checkpoint::of(device, dir, ordinal).filter(|c| c.epoch == epoch)
    }

    /// The same, whatever the epoch.
    pub(crate) fn of(device: &dyn Device, dir: &Path, ordinal: u64) -> Option<Checkpoint> {
        let path = dir.join(file_name::index(ordinal));
        Checkpoint::read(device, &path).filter(|c| c.ordinal == ordinal)
    }

    /// The checkpoint in a file, if it is wholly good.
    pub(crate) fn read(device: &dyn Device, path: &Path) -> Option<Checkpoint> {
        let file = device.open(path, Access::Read).ok()?;
        let len = file.len().ok().filter(|len| *len <= MAX_LEN)?;
        let mut bytes = vec![0; len as usize];
        file.read_at(&mut bytes, 0).ok()?;
        Checkpoint::decode(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_and_damage_makes_it_nothing() {
        let entry = |i| Entry {
            sequence: i,
            offset: 4096 * i,
            time_ms: i,
        };
        let mut producers = Producers::default();
        producers.note(RecentPut {
            producer: 7,
            number: 3,
            first: 40,
            count: 2,
        });
        let checkpoint = Checkpoint {
            epoch: 1,
            ordinal: 2,
            end_offset: 3,
            end_sequence: 4,
            last_time_ms: 5,
            index: SparseIndex::from_entries((1..100).map(entry).collect()).unwrap(),
            producers,
        };
        let mut bytes = checkpoint.encode(4096);
        assert_eq!(bytes.len() % 4096, 0);
        assert_eq!(Checkpoint::decode(&bytes), Some(checkpoint));
        let end = HEADER_LEN + 99 * ENTRY_LEN + PRODUCER_LEN;
        for at in 0..end {
            bytes[at] ^= 1;
            assert_eq!(Checkpoint::decode(&bytes), None, "byte {at}");
            bytes[at] ^= 1;
        }
        for cut in 0..end {
            assert_eq!(Checkpoint::decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
