use super::*;

const SHARD: ShardId = ShardId(1);

fn put(number: u64) -> RecentPut {
    RecentPut {
        producer: 7,
        number,
        first: number * 10,
        count: 10,
    }
}

#[test]
fn a_producers_puts_are_taken_once_and_in_order() {
    let mut producers = Producers::default();
    assert_eq!(producers.admit(SHARD, 7, 0).unwrap(), Admission::New);
    producers.note(put(0));
    producers.note(put(1));
    assert_eq!(
        producers.admit(SHARD, 7, 0).unwrap(),
        Admission::Duplicate(put(0))
    );
    assert_eq!(producers.admit(SHARD, 7, 2).unwrap(), Admission::New);
    let skipped = producers.admit(SHARD, 7, 3);
    assert!(matches!(
        skipped,
        Err(Error::OutOfOrder { expected: 2, .. })
    ));
}

#[test]
fn what_is_forgotten_is_told_and_not_guessed() {
    let mut producers = Producers::default();
    assert!(matches!(
        producers.admit(SHARD, 7, 5),
        Err(Error::UnknownProducer { .. })
    ));
    for number in 0..100 {
        producers.note(put(number));
    }
    assert!(matches!(
        producers.admit(SHARD, 7, 5),
        Err(Error::TakenBefore { .. })
    ));
    let kept = 100 - RECENT_PUTS as u64;
    assert_eq!(
        producers.admit(SHARD, 7, kept).unwrap(),
        Admission::Duplicate(put(kept))
    );
}

#[test]
fn what_is_taken_back_may_come_again() {
    let mut producers = Producers::default();
    (0..4).for_each(|number| producers.note(put(number)));
    producers.roll_back(20);
    assert_eq!(producers.admit(SHARD, 7, 2).unwrap(), Admission::New);
    producers.roll_back(0);
    assert_eq!(producers.admit(SHARD, 7, 0).unwrap(), Admission::New);
}

#[test]
fn a_producer_is_known_when_all_its_unanswered_puts_are_taken_back() {
    let mut producers = Producers::default();
    (0..100).for_each(|number| producers.note(put(number)));
    let unanswered = 100 - RECENT_PUTS as u64;
    producers.roll_back(put(unanswered).first);
    assert_eq!(
        producers.admit(SHARD, 7, unanswered - 1).unwrap(),
        Admission::Duplicate(put(unanswered - 1))
    );
    assert_eq!(
        producers.admit(SHARD, 7, unanswered).unwrap(),
        Admission::New
    );
}

#[test]
fn memory_is_bounded_and_the_longest_silent_goes_first() {
    let mut producers = Producers::default();
    for producer in 1..=RECENT_PRODUCERS as u64 + 1 {
        producers.note(RecentPut {
            producer,
            number: 0,
            first: producer,
            count: 1,
        });
    }
    assert_eq!(producers.to_puts().len(), RECENT_PRODUCERS);
    assert!(producers.admit(SHARD, 1, 1).is_err());
    assert!(producers.admit(SHARD, 2, 1).is_ok());
}
