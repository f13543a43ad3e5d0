use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::*;

const MIB: usize = 1 << 20;

/// A clock that is set by hand.
#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Hand {
    fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn wall_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.wall_ms())
    }
}

fn capacity(profile: CapacityProfile) -> (Arc<Hand>, Capacity) {
    let hand = Arc::new(Hand::default());
    let clock = Arc::clone(&hand) as Arc<dyn Clock>;
    (hand, Capacity::new(profile, clock))
}

fn write(shard: &ShardCapacity, sizes: &[usize]) -> Vec<bool> {
    sizes.iter().map(|bytes| shard.write(*bytes)).collect()
}

#[test]
fn without_limits_there_is_nothing() {
    let (_, capacity) = capacity(CapacityProfile::default());
    assert!(capacity.shard(ShardId(1)).is_none());
    assert!((0..1000).all(|_| capacity.call("DescribeLimits", "")));
    let flow = capacity.fan_out();
    flow.sent(usize::MAX);
    assert_eq!(flow.wait(), Duration::ZERO);
}

#[test]
fn as_aws_a_shard_takes_a_thousand_records_a_second() {
    let (hand, capacity) = capacity(CapacityProfile::aws());
    let shard = capacity.shard(ShardId(1)).unwrap();
    let taken = write(&shard, &[100; 1500]);
    assert!(taken[..1000].iter().all(|t| *t) && !taken[1000..].iter().any(|t| *t));
    let other = capacity.shard(ShardId(2)).unwrap();
    assert_eq!(write(&other, &[100]), [true], "each shard has its own");
    hand.pass(1);
    let again = capacity.shard(ShardId(1)).unwrap();
    assert_eq!(write(&again, &[100, 100]), [true, false]);
}

#[test]
fn as_aws_a_shard_takes_a_mebibyte_a_second_and_ten_at_once() {
    let (hand, capacity) = capacity(CapacityProfile::aws());
    let shard = capacity.shard(ShardId(1)).unwrap();
    assert_eq!(write(&shard, &[10 * MIB, 1]), [true, false]);
    hand.pass(1000);
    assert_eq!(write(&shard, &[MIB + 1, MIB, 1]), [false, true, false]);
}

#[test]
fn as_aws_a_large_answer_is_followed_by_a_pause() {
    let (hand, capacity) = capacity(CapacityProfile::aws());
    let shard = capacity.shard(ShardId(1)).unwrap();
    assert!(shard.begin_read());
    shard.end_read(10 * MIB);
    assert!(!shard.begin_read());
    hand.pass(3999);
    assert!(!shard.begin_read());
    hand.pass(1);
    assert!(shard.begin_read());
}

#[test]
fn as_aws_a_shard_is_asked_five_times_a_second() {
    let (hand, capacity) = capacity(CapacityProfile::aws());
    let shard = capacity.shard(ShardId(1)).unwrap();
    let reads = (0..6).map(|_| shard.begin_read()).collect::<Vec<_>>();
    assert_eq!(reads, [true, true, true, true, true, false]);
    hand.pass(200);
    assert!(shard.begin_read() && !shard.begin_read());
}

#[test]
fn a_consumer_waits_for_what_it_was_sent() {
    let (hand, capacity) = capacity(CapacityProfile::aws());
    let flow = capacity.fan_out();
    assert_eq!(flow.wait(), Duration::ZERO);
    flow.sent(3 * MIB);
    assert_eq!(flow.wait(), Duration::from_millis(500));
    hand.pass(500);
    assert_eq!(flow.wait(), Duration::ZERO);
}

#[test]
fn calls_are_counted_for_each_resource() {
    let (hand, capacity) = capacity(CapacityProfile::aws());
    assert!(capacity.call("DescribeLimits", "account"));
    assert!(!capacity.call("DescribeLimits", "account"));
    assert!(capacity.call("DescribeLimits", "other"));
    hand.pass(1000);
    assert!(capacity.call("DescribeLimits", "account"));
    assert!(capacity.call("PutRecord", "account"), "AWS says no number");
}

#[test]
fn what_is_as_good_as_new_is_forgotten() {
    let (hand, capacity) = capacity(CapacityProfile::aws());
    let used = capacity.shard(ShardId(0)).unwrap();
    for id in 1..10 * SWEEP_AT as u64 {
        capacity.shard(ShardId(id));
        capacity.call("ListStreams", &id.to_string());
        hand.pass(1);
    }
    assert!(lock(&capacity.shards).map.len() <= 2 * SWEEP_AT);
    assert!(lock(&capacity.calls).map.len() <= 2 * SWEEP_AT);
    let again = capacity.shard(ShardId(0)).unwrap();
    assert!(Arc::ptr_eq(&used, &again), "it was in use");
}
