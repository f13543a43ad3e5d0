use super::*;

#[test]
fn medians_are_of_the_middle() {
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(median(&[]), None);
}

#[test]
fn a_spread_has_the_outermost_values() {
    let spread = Spread::of(&[2.0, 9.0, 1.0]).unwrap();
    let expected = Spread {
        median: 2.0,
        low: 1.0,
        high: 9.0,
    };
    assert_eq!(spread, expected);
    assert_eq!(Spread::of(&[]), None);
}

#[test]
fn throughputs_are_added_before_they_are_divided() {
    let slow = Throughput {
        bytes: 1_000_000,
        elapsed: Duration::from_secs(1),
    };
    let fast = Throughput {
        bytes: 8_000_000,
        elapsed: Duration::from_secs(2),
    };
    assert_eq!(slow.plus(fast).mb_per_second(), 3.0);
}
