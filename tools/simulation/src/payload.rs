//! Records that say which they are, so that each can be told from every other and from garbage.

use crate::choices::mix;

/// Bytes of a record's identity.
pub(crate) const IDENTITY: usize = 24;

/// Which record: of a shard, the attempt to append it, its place therein.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub(crate) shard: u64,
    pub(crate) attempt: u64,
    pub(crate) index: u32,
    pub(crate) len: u32,
}

impl Identity {
    /// Appends the bytes of the record.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.shard.to_le_bytes());
        out.extend_from_slice(&self.attempt.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        let filler = self.filler().to_le_bytes();
        while out.len() < start + self.len as usize {
            out.extend_from_slice(&filler);
        }
        out.truncate(start + (self.len as usize).max(IDENTITY));
    }

    fn filler(self) -> u64 {
        mix(mix(self.shard ^ self.attempt << 20) ^ u64::from(self.index))
    }

    /// Which record the bytes are; `None` when they are none that was ever made.
    pub(crate) fn read(data: &[u8]) -> Option<Identity> {
        let u64_at = |at: usize| Some(u64::from_le_bytes(data.get(at..at + 8)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?));
        let identity = Identity {
            shard: u64_at(0)?,
            attempt: u64_at(8)?,
            index: u32_at(16)?,
            len: u32_at(20)?,
        };
        let filler = identity.filler().to_le_bytes();
        let rest = &data[IDENTITY..];
        let whole = data.len() == (identity.len as usize).max(IDENTITY)
            && rest.chunks(8).all(|chunk| *chunk == filler[..chunk.len()]);
        whole.then_some(identity)
    }
}
