use std::{sync::Arc, sync::atomic::AtomicU64, thread};

use super::*;

#[test]
fn all_threads_of_a_batch_are_woken_by_one_call() {
    let (groups, durable) = (Arc::new(Groups::default()), Arc::new(AtomicU64::new(0)));
    let threads: Vec<_> = (0..32)
        .map(|_| {
            let (groups, durable) = (Arc::clone(&groups), Arc::clone(&durable));
            thread::spawn(move || {
                for batch in 0..200 {
                    let there = || (durable.load(Ordering::SeqCst) > batch).then_some(());
                    groups.wait(batch as u32, None, there);
                }
            })
        })
        .collect();
    for batch in 0..200 {
        durable.store(batch + 1, Ordering::SeqCst);
        groups.wake(batch as u32, 1);
        thread::yield_now();
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_wait_ends_with_its_time() {
    let groups = Groups::default();
    let mut looks = 0;
    let result: Option<()> = groups.wait(3, Some(Duration::from_millis(5)), || {
        looks += 1;
        None
    });
    assert!(result.is_none() && looks >= 1);
    assert_eq!(groups.0[3].waiting.load(Ordering::SeqCst), 0);
}

#[test]
fn whatever_changes_everyone_is_told() {
    let (groups, changed) = (Arc::new(Groups::default()), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..40)
        .map(|batch| {
            let (groups, changed) = (Arc::clone(&groups), Arc::clone(&changed));
            thread::spawn(move || {
                let looked = || (changed.load(Ordering::SeqCst) == 1).then_some(());
                groups.wait(batch, None, looked)
            })
        })
        .collect();
    changed.store(1, Ordering::SeqCst);
    groups.wake_all();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Some(()));
    }
}
