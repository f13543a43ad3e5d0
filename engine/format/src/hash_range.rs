//! Hash ranges of shards, and the choice of a shard for a hash key.

use crate::HashKey;

/// The hash keys of one shard, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashRange {
    /// First hash key.
    pub start: HashKey,
    /// Last hash key.
    pub end: HashKey,
}

impl HashRange {
    /// The whole space.
    pub const ALL: HashRange = HashRange {
        start: HashKey(0),
        end: HashKey(u128::MAX),
    };

    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(&self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// Splits the whole space into `shards` ranges that differ by at most one hash key.
    /// Zero shards give no ranges.
    #[must_use]
    pub fn even(shards: u32) -> Vec<HashRange> {
        let n = u128::from(shards);
        if n <= 1 {
            return vec![HashRange::ALL; shards as usize];
        }
        // 2^128 = width × n + rest; the first `rest` ranges are one longer.
        let (mut width, mut rest) = (u128::MAX / n, u128::MAX % n + 1);
        if rest == n {
            (width, rest) = (width + 1, 0);
        }
        let mut start = 0u128;
        (0..n)
            .map(|i| {
                let last = start + (width - 1) + u128::from(i < rest);
                let range = HashRange {
                    start: HashKey(start),
                    end: HashKey(last),
                };
                start = last.wrapping_add(1);
                range
            })
            .collect()
    }
}

/// Chooses among shards that together cover the hash space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRouter {
    /// Last hash key of each range, ascending.
    ends: Vec<u128>,
}

impl ShardRouter {
    /// A router over `ranges`, which must be sorted and cover the space without gap or overlap;
    /// `None` when they do not.
    #[must_use]
    pub fn new(ranges: &[HashRange]) -> Option<ShardRouter> {
        let mut next = Some(0u128);
        let mut ends = Vec::with_capacity(ranges.len());
        for range in ranges {
            if next != Some(range.start.0) || range.end < range.start {
                return None;
            }
            next = range.end.0.checked_add(1);
            ends.push(range.end.0);
        }
        (next.is_none() && !ends.is_empty()).then_some(ShardRouter { ends })
    }

    /// Index of the range that holds `key`.
    #[must_use]
    pub fn route(&self, key: HashKey) -> usize {
        self.ends.partition_point(|end| *end < key.0)
    }
}

#[cfg(test)]
mod tests;
