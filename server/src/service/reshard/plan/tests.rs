use super::*;

/// Carries out a way, round for round; the shards at its end, and the most that were open.
fn walk(mut now: Vec<(u32, HashRange)>, target: u32) -> (Vec<(u32, HashRange)>, usize) {
    let mut next = now.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
    let mut most = now.len();
    for _ in 0..64 {
        let children = toward(&now, target);
        if children.is_empty() {
            return (now, most);
        }
        for child in &children {
            for parent in child.parents.iter().flatten() {
                now.retain(|(number, _)| number != parent);
            }
            now.push((next, child.range));
            next += 1;
        }
        now.sort_unstable_by_key(|(_, range)| range.start);
        let ranges: Vec<HashRange> = now.iter().map(|(_, range)| *range).collect();
        let router = millstream_engine::format::ShardRouter::new(&ranges);
        assert!(router.is_some(), "the space is covered after each round");
        most = most.max(now.len());
    }
    panic!("no end");
}

fn numbered(ranges: Vec<HashRange>) -> Vec<(u32, HashRange)> {
    (0u32..).zip(ranges).collect()
}

#[test]
fn every_count_is_reached_from_every_other() {
    for from in 1..=17 {
        for to in 1..=17 {
            let now = numbered(HashRange::even(from));
            let promised = rounds(&now, to);
            let (there, most) = walk(now, to);
            let ranges: Vec<HashRange> = there.iter().map(|(_, range)| *range).collect();
            assert_eq!(ranges, HashRange::even(to), "{from} to {to}");
            assert!(most <= promised, "{from} to {to}: {most} of {promised}");
        }
    }
}

#[test]
fn uneven_shards_are_brought_in_line() {
    let cut = |at: &[u128]| {
        let mut start = 0;
        let mut ranges = Vec::new();
        for at in at {
            ranges.push(HashRange {
                start: HashKey(start),
                end: HashKey(at - 1),
            });
            start = *at;
        }
        ranges.push(HashRange {
            start: HashKey(start),
            end: HashKey(u128::MAX),
        });
        numbered(ranges)
    };
    for target in 1..9 {
        let (there, _) = walk(cut(&[1, 2, 10, u128::MAX / 2, u128::MAX]), target);
        let ranges: Vec<HashRange> = there.iter().map(|(_, range)| *range).collect();
        assert_eq!(ranges, HashRange::even(target));
    }
}

#[test]
fn a_double_is_a_split_of_each() {
    let now = numbered(HashRange::even(3));
    let children = toward(&now, 6);
    assert_eq!(children.len(), 6);
    assert!(children.iter().all(|child| child.parents[1].is_none()));
    assert!(toward(&now, 3).is_empty(), "nothing to do");
}

#[test]
fn neighbours_merge_in_either_order_and_others_do_not() {
    let now = numbered(HashRange::even(3));
    let whole = |child: Child| (child.parents, child.range.start, child.range.end);
    let (low, high) = (now[0].1.start, now[1].1.end);
    let merged = merge(now[0], now[1]).map(whole);
    assert_eq!(merged, Some(([Some(0), Some(1)], low, high)));
    let merged = merge(now[1], now[0]).map(whole);
    assert_eq!(merged, Some(([Some(1), Some(0)], low, high)));
    assert_eq!(merge(now[0], now[2]), None);
    assert_eq!(merge(now[0], now[0]), None);
}
