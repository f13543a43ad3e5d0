//! Waiting for a position, for a batch, for a ring: no wake is lost.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    thread,
    time::Duration,
};

use crate::{
    io::device::Wake,
    segment::list::lock,
    shard::{
        groups::Groups,
        watermark::{Place, Watermark, wait_until},
    },
    signal::{Inbox, Signal},
};

/// Waits for a position as tickets do.
fn wait_for(watermark: &Watermark, position: u64) {
    let mut place = Place::default();
    let there = |_: &Waker| (watermark.get() >= position).then_some(());
    wait_until(None, |waker| {
        there(waker).or_else(|| {
            watermark.register(position, &mut place, waker);
            there(waker)
        })
    });
    watermark.leave(&mut place);
}

/// The writer and a thread that leads publish one after the other, and wake beside each other.
pub fn a_wait_for_a_position_ends() {
    let watermark = Arc::new(Watermark::new(0));
    let log = Arc::new(Mutex::new(0));
    let waiters: Vec<_> = [1, 2, 2]
        .map(|position| {
            let watermark = Arc::clone(&watermark);
            thread::spawn(move || wait_for(&watermark, position))
        })
        .into();
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let (watermark, log) = (Arc::clone(&watermark), Arc::clone(&log));
            thread::spawn(move || {
                let mut next = lock(&log);
                *next += 1;
                watermark.publish(*next);
                drop(next);
                watermark.wake_reached();
            })
        })
        .collect();
    for thread in waiters.into_iter().chain(writers) {
        thread.join().unwrap();
    }
}

struct Counted;

impl std::task::Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

/// A future that is dropped while its position is reached leaves no waker behind, and takes no
/// other with it.
pub fn whoever_leaves_takes_nobody_along() {
    let watermark = Arc::new(Watermark::new(0));
    let counted = Arc::new(Counted);
    let leaver = {
        let (watermark, counted) = (Arc::clone(&watermark), Arc::clone(&counted));
        thread::spawn(move || {
            let mut place = Place::default();
            let waker = Waker::from(counted);
            watermark.register(5, &mut place, &waker);
            watermark.register(1, &mut place, &waker);
            watermark.leave(&mut place);
        })
    };
    let waiter = {
        let watermark = Arc::clone(&watermark);
        thread::spawn(move || wait_for(&watermark, 1))
    };
    watermark.publish(1);
    watermark.wake_reached();
    leaver.join().unwrap();
    waiter.join().unwrap();
    assert_eq!(Arc::strong_count(&counted), 1, "a waker is kept for nobody");
}

/// Threads that wait for batches, two of which have the same place.
pub fn a_wait_for_a_batch_ends() {
    let groups = Arc::new(Groups::default());
    let durable = Arc::new(AtomicU64::new(0));
    let waiters: Vec<_> = [0u32, 16, 16]
        .map(|batch| {
            let (groups, durable) = (Arc::clone(&groups), Arc::clone(&durable));
            thread::spawn(move || {
                let look = || (durable.load(Ordering::SeqCst) > u64::from(batch)).then_some(());
                assert_eq!(groups.wait(batch, None, look), Some(()));
            })
        })
        .into();
    for batch in [0, 16] {
        durable.store(u64::from(batch) + 1, Ordering::SeqCst);
        groups.wake(batch, 1);
    }
    for waiter in waiters {
        waiter.join().unwrap();
    }
}

/// What changes for all of them, as a failed write does.
pub fn a_wait_for_any_batch_ends_when_all_are_woken() {
    let groups = Arc::new(Groups::default());
    let failed = Arc::new(AtomicBool::new(false));
    let waiters: Vec<_> = [3u32, 7]
        .map(|batch| {
            let (groups, failed) = (Arc::clone(&groups), Arc::clone(&failed));
            thread::spawn(move || {
                let look = || failed.load(Ordering::SeqCst).then_some(());
                groups.wait(batch, None, look);
            })
        })
        .into();
    failed.store(true, Ordering::SeqCst);
    groups.wake_all();
    for waiter in waiters {
        waiter.join().unwrap();
    }
}

/// Callers put themselves into an inbox once, as shards do; the worker takes itself out before it
/// looks at what is to be done.
pub fn a_worker_does_all_it_is_called_for() {
    const CALLS: u64 = 2;
    struct Caller {
        to_do: AtomicU64,
        called: AtomicBool,
    }
    let signal = Arc::new(Signal::default());
    let inbox = Arc::new(Inbox::default());
    inbox.connect(Arc::clone(&signal) as Arc<dyn Wake>);
    let caller = Arc::new(Caller {
        to_do: AtomicU64::new(0),
        called: AtomicBool::new(false),
    });
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (inbox, caller) = (Arc::clone(&inbox), Arc::clone(&caller));
            thread::spawn(move || {
                for _ in 0..CALLS {
                    caller.to_do.fetch_add(1, Ordering::SeqCst);
                    if !caller.called.swap(true, Ordering::SeqCst) {
                        inbox.send(Arc::clone(&caller));
                    }
                }
            })
        })
        .collect();
    let mut done = 0;
    while done < 2 * CALLS {
        if inbox.is_empty() {
            signal.wait(Duration::MAX);
        }
        while let Some(caller) = inbox.take() {
            caller.called.store(false, Ordering::SeqCst);
            done += caller.to_do.swap(0, Ordering::SeqCst);
        }
    }
    for caller in callers {
        caller.join().unwrap();
    }
}
