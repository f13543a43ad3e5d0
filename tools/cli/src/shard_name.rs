//! The names of shards, as Kinesis writes them: `shardId-` and twelve digits of the index.

use thiserror::Error;

const PREFIX: &str = "shardId-";

/// The name of the shard of that index.
pub(crate) fn shard_name(index: u32) -> String {
    format!("{PREFIX}{index:012}")
}

/// Not a shard.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("neither an index such as 0 nor a name such as shardId-000000000000")]
pub(crate) struct ShardNameError;

/// The index that a name or number stands for.
///
/// # Errors
/// When it is neither.
pub(crate) fn parse_shard(text: &str) -> Result<u32, ShardNameError> {
    let digits = text.strip_prefix(PREFIX).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ShardNameError);
    }
    digits.parse().map_err(|_| ShardNameError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_indexes_are_the_same_shard() {
        assert_eq!(shard_name(42), "shardId-000000000042");
        assert_eq!(parse_shard("shardId-000000000042"), Ok(42));
        assert_eq!(parse_shard("42"), Ok(42));
        assert_eq!(parse_shard(&shard_name(u32::MAX)), Ok(u32::MAX));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "shardId-", "-1", "+1", "0x2", "4294967296", "shard-1"] {
            assert_eq!(parse_shard(text), Err(ShardNameError), "{text:?}");
        }
    }
}
