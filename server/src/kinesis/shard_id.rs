//! The names of shards: `shardId-` and twelve digits.

use std::fmt;

const PREFIX: &str = "shardId-";

/// A shard's number in its stream, shown as its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardName(pub u32);

impl ShardName {
    /// The shard of a name. As AWS does, this takes fewer digits, too.
    pub(crate) fn parse(name: &str) -> Option<ShardName> {
        let digits = name.strip_prefix(PREFIX)?;
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().map(ShardName)
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:012}", self.0)
    }
}

#[cfg(test)]
mod tests;
