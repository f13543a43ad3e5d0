//! Which shards are to be split and merged: numbers and ranges in, children out.

use millstream_engine::format::{HashKey, HashRange};

/// A shard to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Child {
    pub parents: [Option<u32>; 2],
    pub range: HashRange,
}

/// The halves of a shard, the second of which begins at `at`: a key in its range, but the first.
pub(super) fn split(parent: u32, range: HashRange, at: HashKey) -> Vec<Child> {
    let parents = [Some(parent), None];
    let before = HashKey(at.0.saturating_sub(1));
    let halves = [(range.start, before), (at, range.end)];
    halves
        .into_iter()
        .map(|(start, end)| Child {
            parents,
            range: HashRange { start, end },
        })
        .collect()
}

/// What becomes of two shards; `None` when they do not touch.
pub(super) fn merge(one: (u32, HashRange), other: (u32, HashRange)) -> Option<Child> {
    let touch = |low: HashRange, high: HashRange| low.end.0.checked_add(1) == Some(high.start.0);
    let (low, high) = if touch(one.1, other.1) {
        (one.1, other.1)
    } else if touch(other.1, one.1) {
        (other.1, one.1)
    } else {
        return None;
    };
    Some(Child {
        parents: [Some(one.0), Some(other.0)],
        range: HashRange {
            start: low.start,
            end: high.end,
        },
    })
}

/// The next round on the way from the open shards `now`, in the order of their ranges, to
/// `target` of equal ranges; nothing when they are there.
///
/// Every shard that reaches over an end of a range to be is split there; then those that share a
/// range are merged, two by two.
pub(super) fn toward(now: &[(u32, HashRange)], target: u32) -> Vec<Child> {
    let wanted = HashRange::even(target);
    let mut splits = Vec::new();
    for (number, range) in now {
        let inside = starts_inside(&wanted, *range);
        if let Some(at) = inside.get(inside.len() / 2) {
            splits.append(&mut split(*number, *range, at.start));
        }
    }
    if !splits.is_empty() {
        return splits;
    }
    let mut merges = Vec::new();
    let mut rest = now.iter();
    for wanted in &wanted {
        let within = rest
            .as_slice()
            .partition_point(|(_, range)| range.end <= wanted.end);
        let (within, after) = rest.as_slice().split_at(within);
        rest = after.iter();
        for pair in within.chunks(2) {
            if let [one, other] = pair {
                merges.extend(merge(*one, *other));
            }
        }
    }
    merges
}

/// The most shards that are open at a time on that way.
pub(super) fn rounds(now: &[(u32, HashRange)], target: u32) -> usize {
    let wanted = HashRange::even(target);
    let cuts: usize = now
        .iter()
        .map(|(_, range)| starts_inside(&wanted, *range).len())
        .sum();
    now.len() + cuts
}

/// Those of `ranges`, which are sorted, that begin within `range` but not with it.
fn starts_inside(ranges: &[HashRange], range: HashRange) -> &[HashRange] {
    let from = ranges.partition_point(|r| r.start <= range.start);
    let to = ranges.partition_point(|r| r.start <= range.end);
    ranges.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests;
