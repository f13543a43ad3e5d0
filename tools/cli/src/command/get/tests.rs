use super::*;

#[test]
fn the_limit_is_shared_and_never_exceeded() {
    let totals = Totals::new(Some(10));
    assert_eq!(totals.claim(4), 4);
    assert!(!totals.limit_reached());
    assert_eq!(totals.claim(100), 6);
    assert!(totals.limit_reached());
    assert_eq!(totals.claim(1), 0);
}

#[test]
fn without_a_limit_everything_is_claimed() {
    let totals = Totals::new(None);
    assert_eq!(totals.claim(1 << 40), 1 << 40);
    assert!(!totals.limit_reached());
}
