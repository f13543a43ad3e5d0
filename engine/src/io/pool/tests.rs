use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
    thread,
};

use proptest::prelude::*;

use super::*;
use crate::io::{aligned::BLOCK, fixture::ends};

#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn buffers_are_whole_blocks_of_zeros_at_first() {
    let pool = Pool::new(64 << 20);
    for len in [0, 1, BLOCK, BLOCK + 1, 100_000, (1 << 20) + 64, 16 << 20] {
        let buffer = pool.get(len).unwrap();
        assert_eq!(buffer.len(), round_up(len.max(1)), "{len}");
        assert!(buffer.as_ptr().addr().is_multiple_of(BLOCK), "{len}");
        assert!(buffer.iter().all(|byte| *byte == 0), "{len}");
    }
}

#[test]
fn a_full_body_and_its_header_waste_little() {
    for body in (16..=24).map(|shift| 1_usize << shift) {
        let class = CLASSES[class_of(body + 64).unwrap()];
        assert!(class <= body + body / 16, "{body} takes {class}");
    }
    assert!(CLASSES.is_sorted());
    assert!(CLASSES.iter().all(|size| size.is_multiple_of(BLOCK)));
}

#[test]
fn a_buffer_that_came_back_is_given_out_again() {
    let pool = Pool::new(1 << 20);
    let mut first = pool.get(20_000).unwrap();
    first[0] = 7;
    assert_eq!(pool.used(), 32 * KIB);
    drop(first);
    assert_eq!((pool.used(), pool.held()), (0, 32 * KIB));
    let second = pool.get(30_000).unwrap();
    assert_eq!(second[0], 7);
    assert_eq!(pool.held(), 32 * KIB);
}

#[test]
fn idle_buffers_of_other_classes_make_room() {
    let pool = Pool::new(2 << 20);
    let small: Vec<_> = std::iter::from_fn(|| pool.get(10_000)).collect();
    assert_eq!(small.len(), (2 << 20) / (16 * KIB));
    assert!(pool.get(1 << 20).is_none());
    drop(small);
    let large = pool.get(1 << 20).unwrap();
    assert_eq!(large.len(), 1 << 20);
    assert!(pool.held() <= pool.budget());
}

#[test]
fn what_can_never_fit_is_not_granted() {
    let pool = Pool::new(2 << 20);
    assert_eq!(pool.largest(), 1632 * KIB);
    assert!(pool.get(pool.largest()).is_some());
    assert!(pool.get(pool.largest() + 1).is_none());
    assert!(Pool::new(1 << 30).get(LARGEST_BUFFER + 1).is_none());
    assert!(Pool::new(1 << 30).get(usize::MAX).is_none());
}

#[test]
fn a_length_changes_within_the_capacity_only() {
    let pool = Pool::new(1 << 20);
    let mut buffer = pool.get(64 * KIB).unwrap();
    assert!(buffer.set_len(5000));
    assert_eq!(buffer.len(), 2 * BLOCK);
    assert!(buffer.set_len(buffer.capacity()));
    assert!(!buffer.set_len(buffer.capacity() + 1));
    assert_eq!(buffer.len(), 68 * KIB);
}

/// A tail: it lets go of its oldest buffer when it is asked.
#[derive(Default)]
struct Tail {
    buffers: Mutex<VecDeque<PoolBuffer>>,
    asked: AtomicUsize,
}

impl Reclaim for Tail {
    fn reclaim(&self, _bytes: usize) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let oldest = lock(&self.buffers).pop_front();
        oldest.is_some()
    }
}

#[test]
fn the_reclaimer_is_asked_until_there_is_room_or_it_has_no_more() {
    let pool = Pool::new(1088 * KIB);
    let tail = Arc::new(Tail::default());
    let reclaimer: Arc<dyn Reclaim> = tail.clone();
    pool.set_reclaimer(Arc::downgrade(&reclaimer));
    while let Some(buffer) = pool.get_idle(10_000) {
        lock(&tail.buffers).push_back(buffer);
    }
    assert_eq!(tail.asked.load(Ordering::SeqCst), 0);

    let large = pool.get(64 * KIB).unwrap();
    assert_eq!(
        tail.asked.load(Ordering::SeqCst),
        5,
        "68 KiB are five of 16"
    );
    assert!(pool.get(1 << 20).is_none());
    assert!(lock(&tail.buffers).is_empty());
    drop((large, reclaimer, tail));
    assert!(pool.get(512 * KIB).is_some(), "without a reclaimer");
}

#[test]
fn a_waiter_is_woken_once_for_each_registration() {
    let pool = Pool::new(16 * KIB);
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let buffer = pool.get(1).unwrap();
    assert!(pool.get(1).is_none());
    pool.register_waiter(&waker);
    pool.register_waiter(&waker);
    assert_eq!(alarm.0.load(Ordering::SeqCst), 0);
    drop(buffer);
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
    drop(pool.get(1));
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
}

#[test]
fn waiters_without_end_are_not_kept() {
    let pool = Pool::new(16 * KIB);
    let alarms: Vec<_> = (0..=MAX_WAITERS)
        .map(|_| Arc::new(Alarm::default()))
        .collect();
    for alarm in &alarms {
        pool.register_waiter(&Waker::from(Arc::clone(alarm)));
    }
    let woken = |alarm: &&Arc<Alarm>| alarm.0.load(Ordering::SeqCst) == 1;
    assert_eq!(alarms.iter().filter(woken).count(), MAX_WAITERS);
    assert_eq!(lock(&pool.waiters).len(), 1);
}

#[test]
fn no_wake_is_lost_between_threads() {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    ends(|| {
        let pool = Pool::new(3 * 16 * KIB);
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    let waker = Waker::from(Arc::new(Unpark(thread::current())));
                    for round in 0..3000 {
                        let len = if (number + round) % 3 == 0 {
                            32 * KIB
                        } else {
                            1
                        };
                        while pool.get(len).is_none() {
                            pool.register_waiter(&waker);
                            if pool.get(len).is_some() {
                                break;
                            }
                            thread::park();
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(pool.used(), 0);
        assert!(pool.held() <= pool.budget());
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_budget_is_never_exceeded(
        budget in 0_usize..8 << 20,
        steps in prop::collection::vec((any::<bool>(), 0_usize..3 << 20), 1..200),
    ) {
        let pool = Pool::new(budget);
        let mut out: VecDeque<PoolBuffer> = VecDeque::new();
        for (take, len) in steps {
            if take {
                let granted = pool.get(len);
                if out.is_empty() {
                    prop_assert_eq!(granted.is_some(), len <= pool.largest());
                }
                out.extend(granted);
            } else {
                out.pop_front();
            }
            let used: usize = out.iter().map(PoolBuffer::capacity).sum();
            prop_assert_eq!(pool.used(), used);
            prop_assert!(used <= pool.held());
            prop_assert!(pool.held() <= budget);
        }
    }
}
