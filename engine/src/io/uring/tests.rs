//! What is special to the ring; `write/tests.rs` has what both queues promise.

use std::{path::Path, sync::Mutex, thread};

use super::*;
use crate::io::{
    device::{Access, File},
    file::{SystemFile, Traits},
    fixture::{ends, pattern, write},
    lock::SystemLock,
    pool::Pool,
};

/// A queue in `directory`, where the system grants one.
fn queue(directory: &Path) -> Option<UringQueue> {
    probe(&fs::File::open(directory).unwrap()).ok()?;
    let lock = SystemLock::take(&directory.join("LOCK"), Duration::ZERO).unwrap();
    let lock: Arc<dyn Lock> = Arc::new(lock);
    Some(UringQueue::new(&lock).unwrap())
}

fn file(directory: &Path) -> Arc<dyn File> {
    let traits = Arc::new(Traits::new(false));
    Arc::new(SystemFile::open(&directory.join("a"), Access::Create, &traits).unwrap())
}

#[test]
fn the_ring_belongs_to_the_thread_that_first_uses_it() {
    ends(|| {
        let directory = tempfile::tempdir().unwrap();
        let Some(mut queue) = queue(directory.path()) else {
            return;
        };
        let waker = queue.waker();
        waker.wake();
        assert!(queue.ring.is_none());
        let path = directory.path().to_owned();
        thread::spawn(move || {
            let mut done = Vec::new();
            queue.wait(None, &mut done).unwrap();
            let pool = Pool::new(1 << 20);
            let bytes = pattern(1, 4096);
            queue
                .submit(write(&pool, &file(&path), 1, 0, &[&bytes]))
                .unwrap();
            queue.wait(None, &mut done).unwrap();
            assert!(done[0].result.is_ok());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_queue_whose_thread_has_ended_is_dropped_elsewhere_without_harm() {
    ends(|| {
        let directory = tempfile::tempdir().unwrap();
        let Some(mut queue) = queue(directory.path()) else {
            return;
        };
        let pool = Pool::new(64 << 20);
        let using = Arc::clone(&pool);
        let path = directory.path().to_owned();
        let queue = thread::spawn(move || {
            let timeout = Some(Duration::from_millis(1));
            queue.wait(timeout, &mut Vec::new()).unwrap();
            let file = file(&path);
            for number in 0..16 {
                let bytes = pattern(number, 1 << 20);
                let op = write(&using, &file, number, number << 20, &[&bytes]);
                queue.submit(op).unwrap();
            }
            queue
        })
        .join()
        .unwrap();
        drop(queue);
        // The kernel has let go of every buffer, or they are kept from being used again.
        assert!(pool.used() == 0 || pool.used() >= 1 << 20);
        let lock = SystemLock::take(&directory.path().join("LOCK"), Duration::ZERO);
        assert_eq!(lock.is_ok(), pool.used() == 0);
    });
}

/// A lock whose descriptor is closed without letting go, as when a process is killed.
#[derive(Debug)]
struct Abandoned(Mutex<Option<fs::File>>);

impl Lock for Abandoned {
    fn descriptor(&self) -> Option<i32> {
        self.0.lock().unwrap().as_ref().map(AsRawFd::as_raw_fd)
    }
}

#[test]
fn the_ring_itself_holds_the_lock() {
    ends(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("LOCK");
        let Some(first) = queue(directory.path()) else {
            return;
        };
        drop(first);
        let held = fs::File::open(&path).unwrap();
        held.try_lock().unwrap();
        let abandoned = Arc::new(Abandoned(Mutex::new(Some(held))));
        let lock: Arc<dyn Lock> = abandoned.clone();
        let mut queue = UringQueue::new(&lock).unwrap();
        queue.wait(Some(Duration::ZERO), &mut Vec::new()).unwrap();
        *abandoned.0.lock().unwrap() = None;
        let error = SystemLock::take(&path, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(queue);
        SystemLock::take(&path, Duration::from_secs(60)).unwrap();
    });
}
