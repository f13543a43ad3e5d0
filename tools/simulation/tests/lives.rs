//! A few lives, and that the same choices give the same life.

use std::sync::{Arc, atomic::Ordering};

use millstream_simulation::{Choices, Manner, Totals, live};

fn lived(seed: u64, trial_rate: u64) -> (u64, Option<String>, u64) {
    let totals = Arc::new(Totals::default());
    let manner = Manner {
        trial_rate,
        log: false,
    };
    let outcome = live(Choices::seeded(seed), manner, &totals);
    let crashes = totals.crashes.load(Ordering::Relaxed);
    (outcome.trace, outcome.failure, crashes)
}

#[test]
fn a_life_is_the_same_each_time() {
    for seed in 0..5 {
        let (first, second) = (lived(seed, 16), lived(seed, 16));
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(first.0, lived(seed + 1000, 16).0);
    }
}

#[test]
fn what_is_left_of_a_few_lives_is_what_was_promised() {
    let mut crashes = 0;
    for seed in 5000..5008 {
        let (_, failure, ends) = lived(seed, 8);
        assert_eq!(failure, None, "seed {seed}");
        crashes += ends;
    }
    assert!(crashes > 200, "{crashes}");
}
