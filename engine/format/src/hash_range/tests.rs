use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn even_ranges_cover_the_space_and_route_to_themselves(shards in 1u32..2000, key in any::<u128>()) {
        let ranges = HashRange::even(shards);
        prop_assert_eq!(ranges.len(), shards as usize);
        let router = ShardRouter::new(&ranges).expect("no gap, no overlap");
        let at = router.route(HashKey(key));
        prop_assert!(ranges[at].contains(HashKey(key)));
        let widths = ranges.iter().map(|r| r.end.0 - r.start.0);
        prop_assert!(widths.clone().max().unwrap() - widths.min().unwrap() <= 1);
    }
}

#[test]
fn four_shards_start_where_kinesis_starts_them() {
    let ranges = HashRange::even(4);
    assert_eq!(ranges[1].start.0, 1 << 126);
    assert_eq!(ranges[3].end.0, u128::MAX);
    assert_eq!(HashRange::even(0), []);
    assert_eq!(HashRange::even(1), [HashRange::ALL]);
}

#[test]
fn gaps_overlaps_and_disorder_make_no_router() {
    let ranges = HashRange::even(3);
    assert!(ShardRouter::new(&[]).is_none());
    assert!(ShardRouter::new(&ranges[..2]).is_none());
    assert!(ShardRouter::new(&ranges[1..]).is_none());
    assert!(ShardRouter::new(&[ranges[1], ranges[0], ranges[2]]).is_none());
    assert!(ShardRouter::new(&[ranges[0], ranges[0], ranges[1], ranges[2]]).is_none());
}
