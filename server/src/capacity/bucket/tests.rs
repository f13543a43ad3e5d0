use proptest::prelude::*;

use super::*;

const MIB: u32 = 1 << 20;

#[test]
fn it_is_full_at_first_and_fills_up_to_its_burst() {
    let mut bucket = Bucket::new(
        Rate {
            per_second: 10,
            burst: 20,
        },
        1000,
    );
    assert!(!bucket.take(21, 1000));
    assert!(bucket.take(20, 1000));
    assert!(!bucket.take(1, 1099));
    assert!(bucket.take(1, 1100));
    assert!(!bucket.is_full(3099));
    assert!(bucket.is_full(3100));
    assert!(bucket.take(20, 100_000) && !bucket.take(1, 100_000));
}

#[test]
fn a_debt_is_worked_off_at_the_rate() {
    let mut bucket = Bucket::new(Rate::per_second(2 * MIB), 0);
    assert!(bucket.take(u64::from(2 * MIB), 0));
    bucket.charge(u64::from(10 * MIB), 0);
    assert_eq!(bucket.debt_ms(0), 5000);
    assert_eq!(bucket.debt_ms(4999), 1);
    assert_eq!(bucket.debt_ms(5000), 0);
    assert!(!bucket.has(1, 5000));
    assert!(bucket.has(1, 5001));
}

#[test]
fn a_rate_of_nothing_stays_in_debt() {
    let mut bucket = Bucket::new(Rate::per_second(0), 0);
    assert_eq!(bucket.debt_ms(u64::MAX), 0);
    bucket.charge(1, 0);
    assert_eq!(bucket.debt_ms(1_000_000), u64::MAX);
}

proptest! {
    /// Whatever is asked for when, no more is given in any while than came in it and the burst.
    #[test]
    fn no_more_is_given_than_came(
        per_second in 1u32..5000,
        burst in 1u32..5000,
        asks in proptest::collection::vec((0u64..300, 0u64..400), 1..200),
    ) {
        let mut bucket = Bucket::new(Rate { per_second, burst }, 0);
        let (mut now, mut given) = (0, 0);
        for (passed, tokens) in asks {
            now += passed;
            if bucket.take(tokens, now) {
                given += tokens;
            }
            prop_assert!(given * 1000 <= u64::from(burst) * 1000 + now * u64::from(per_second));
        }
    }

    /// The time at which it is asked in between changes nothing.
    #[test]
    fn looking_at_it_costs_nothing(
        per_second in 0u32..5000,
        looks in proptest::collection::vec(0u64..100, 0..50),
    ) {
        let mut looked_at = Bucket::new(Rate { per_second, burst: 100_000 }, 0);
        looked_at.charge(200_000, 0);
        let mut left_alone = looked_at;
        let mut now = 0;
        for passed in looks {
            now += passed;
            looked_at.has(1, now);
        }
        prop_assert_eq!(looked_at.debt_ms(now), left_alone.debt_ms(now));
    }

    #[test]
    fn no_number_overflows(ops in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..20)) {
        let mut bucket = Bucket::new(Rate::per_second(u32::MAX), 0);
        for (tokens, now) in ops {
            bucket.charge(tokens, now);
            bucket.debt_ms(now);
            bucket.take(tokens, now);
        }
    }
}
