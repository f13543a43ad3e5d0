use millstream_engine::clock::SystemClock;

use super::*;
use crate::capacity::CapacityProfile;

fn capacity(profile: CapacityProfile) -> Capacity {
    Capacity::new(profile, Arc::new(SystemClock::default()))
}

fn consumer(name: &str) -> ConsumerKey {
    ConsumerKey {
        stream: 1,
        name: name.to_owned(),
        created_s: 5,
    }
}

#[tokio::test(start_paused = true)]
async fn a_seat_is_taken_over_after_five_seconds() {
    let (registry, capacity) = (Registry::default(), capacity(CapacityProfile::default()));
    let sit = |name: &str, shard| registry.sit(consumer(name), shard, &capacity);
    let mut first = sit("a", 0).unwrap();
    assert_eq!(sit("a", 0).unwrap_err(), InUse);
    assert!(
        sit("a", 1).is_ok() && sit("b", 0).is_ok(),
        "these are other seats"
    );
    tokio::time::advance(Duration::from_millis(4999)).await;
    assert_eq!(sit("a", 0).unwrap_err(), InUse);
    assert!(!first.is_lost());
    tokio::time::advance(Duration::from_millis(1)).await;
    let second = sit("a", 0).unwrap();
    first.lost().await;
    assert!(first.is_lost() && !second.is_lost());
    drop(second);
    assert_eq!(
        sit("a", 0).unwrap_err(),
        InUse,
        "it was taken, whatever became of it"
    );
}

#[tokio::test(start_paused = true)]
async fn what_went_to_a_consumer_counts_for_its_next_subscription() {
    let (registry, capacity) = (Registry::default(), capacity(CapacityProfile::aws()));
    let first = registry.sit(consumer("a"), 0, &capacity).unwrap();
    first.flow.sent(100 << 20);
    tokio::time::advance(PAUSE).await;
    let second = registry.sit(consumer("a"), 0, &capacity).unwrap();
    assert!(second.flow.wait() > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn empty_seats_are_forgotten() {
    let (registry, capacity) = (Registry::default(), capacity(CapacityProfile::default()));
    let mut kept = Vec::new();
    for n in 0..10 * SWEEP_AT as u32 {
        let seat = registry.sit(consumer("a"), n, &capacity).unwrap();
        if n % 100 == 0 {
            kept.push(seat);
        }
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!(registry.seats().taken.len() <= 2 * SWEEP_AT);
    assert!(kept.iter().all(|seat| !seat.is_lost()));
    let again = registry.sit(consumer("a"), 0, &capacity).unwrap();
    assert!(kept[0].is_lost() && !again.is_lost(), "its seat was kept");
}

#[tokio::test]
async fn memory_is_bounded_and_events_shrink() {
    let (registry, capacity) = (Registry::default(), capacity(CapacityProfile::default()));
    assert_eq!(registry.page_bytes(), MOST_A_PAGE);
    let mut seats: Vec<Seat> = Vec::new();
    for (count, bytes) in [(2000, EVENT_BYTES / 8 / 2000), (5000, LEAST_A_PAGE)] {
        let more = seats.len() as u32..count;
        seats.extend(more.map(|n| registry.sit(consumer("a"), n, &capacity).unwrap()));
        assert_eq!(registry.page_bytes(), bytes);
    }
    drop(seats);
    let mut all = registry.memory(usize::MAX).await.unwrap();
    let more = registry.memory(1);
    tokio::pin!(more);
    let none = tokio::time::timeout(Duration::from_millis(20), &mut more).await;
    assert!(none.is_err());
    shrink(&mut all, EVENT_BYTES - EVENT_UNIT);
    assert!(more.await.is_some());
}
