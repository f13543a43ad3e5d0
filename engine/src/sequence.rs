//! Numbers that must not be mixed up.

use std::{fmt, str::FromStr};

/// How far the numbers of a `Written` shard jump that was not closed cleanly: more records than
/// can have been readable and are gone.
pub(crate) const JUMP: u64 = 1 << 32;

/// Place of a record in its shard: dense from 0, never used again, never going back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SequenceNumber(pub u64);

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A shard of a store. Numbers are the caller's, and should not be used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u64);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ShardId {
    /// The name of the shard's directory: 16 hexadecimal digits.
    #[must_use]
    pub fn dir_name(self) -> String {
        format!("{:016x}", self.0)
    }

    /// The shard of a directory name.
    #[must_use]
    pub fn from_dir_name(name: &str) -> Option<ShardId> {
        let id = u64::from_str_radix(name, 16).ok().map(ShardId)?;
        (id.dir_name() == name).then_some(id)
    }
}

impl FromStr for SequenceNumber {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(SequenceNumber)
    }
}
