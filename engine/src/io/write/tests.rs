//! What both queues promise.

use std::{fs, sync::atomic::AtomicU64, thread, time::Duration};

use rustix::io::Errno;

use super::*;
use crate::io::{
    aligned::round_up,
    device::{Access, Completion, WriteQueue},
    file::{SystemFile, Traits},
    fixture::{Place, ends, pattern, places, write},
    pool::Pool,
};

const LONG: Option<Duration> = Some(Duration::from_secs(60));

/// Waits for `count` ends.
fn collect(queue: &mut dyn WriteQueue, count: usize) -> Vec<Completion> {
    let mut done = Vec::new();
    while done.len() < count {
        let before = done.len();
        queue.wait(LONG, &mut done).unwrap();
        assert!(done.len() > before, "a write does not end");
    }
    done
}

fn each_place(test: impl Fn(&Place) + Send + 'static) {
    ends(move || {
        for place in places() {
            println!("{}", place.name);
            test(&place);
        }
    });
}

#[test]
fn what_was_written_is_there() {
    each_place(|place| {
        let pool = Pool::new(64 << 20);
        let file = place.create("a");
        let mut queue = place.queue();
        let mut expected = Vec::new();
        for (token, lens) in [&[1][..], &[3, 1, 40], &[256], &[1; MAX_SLICES]]
            .into_iter()
            .enumerate()
        {
            let slices: Vec<_> = lens
                .iter()
                .map(|blocks| pattern(expected.len() as u64 + blocks, *blocks as usize * BLOCK))
                .collect();
            let slices: Vec<_> = slices.iter().map(Vec::as_slice).collect();
            let mut op = write(&pool, &file, token as u64, expected.len() as u64, &slices);
            op.durable = token % 2 == 0;
            queue.submit(op).unwrap();
            expected.extend(slices.concat());
        }
        for end in collect(queue.as_mut(), 4) {
            end.result.unwrap();
        }
        assert_eq!(pool.used(), 0, "the buffers are let go");
        assert!(fs::read(place.path("a")).unwrap() == expected);
    });
}

#[test]
fn as_many_as_the_depth_are_in_flight_and_each_ends_once() {
    each_place(|place| {
        let pool = Pool::new(64 << 20);
        let file = place.create("a");
        let mut queue = place.queue();
        let depth = queue.depth() as u64;
        for round in 0..3 {
            for number in 0..depth {
                let bytes = pattern(round * depth + number, 16 * BLOCK);
                let offset = number * bytes.len() as u64;
                queue
                    .submit(write(&pool, &file, number, offset, &[&bytes]))
                    .unwrap();
            }
            let over = queue.submit(write(&pool, &file, depth, 0, &[&[0; BLOCK]]));
            assert_eq!(over.unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let mut tokens: Vec<_> = collect(queue.as_mut(), depth as usize)
                .into_iter()
                .map(|end| end.result.map(|()| end.token).unwrap())
                .collect();
            tokens.sort_unstable();
            assert_eq!(tokens, (0..depth).collect::<Vec<_>>());
        }
        let expected: Vec<_> = (0..depth)
            .flat_map(|number| pattern(2 * depth + number, 16 * BLOCK))
            .collect();
        assert!(fs::read(place.path("a")).unwrap() == expected);
    });
}

#[test]
fn a_wake_before_the_wait_is_not_lost() {
    each_place(|place| {
        let mut queue = place.queue();
        let waker = queue.waker();
        let mut done = Vec::new();
        waker.wake();
        waker.wake();
        queue.wait(None, &mut done).unwrap();
        thread::spawn(move || waker.wake()).join().unwrap();
        queue.wait(None, &mut done).unwrap();
        assert!(done.is_empty());
    });
}

#[test]
fn no_wake_is_lost_while_writes_end() {
    each_place(|place| {
        const CALLS: u64 = 5000;
        let pool = Pool::new(64 << 20);
        let file = place.create("a");
        let mut queue = place.queue();
        let waker = queue.waker();
        let count = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&count);
        let caller = thread::spawn(move || {
            for call in 1..=CALLS {
                counting.store(call, Ordering::Relaxed);
                waker.wake();
                if call % 7 == 0 {
                    thread::yield_now();
                }
                // Most calls meet a sleeper only when they wait for it to fall asleep.
                if call % 100 == 0 {
                    thread::sleep(Duration::from_micros(200));
                }
            }
        });
        let (mut done, mut started, mut ended) = (Vec::new(), 0, 0);
        while count.load(Ordering::Relaxed) < CALLS {
            if started == ended && started < 200 {
                let mut op = write(&pool, &file, started, 0, &[&[1; BLOCK]]);
                op.durable = false;
                queue.submit(op).unwrap();
                started += 1;
            }
            queue.wait(None, &mut done).unwrap();
            ended += done.drain(..).count() as u64;
        }
        caller.join().unwrap();
        assert!(started >= ended && started - ended <= 1);
    });
}

#[test]
fn a_wait_ends_with_its_timeout() {
    each_place(|place| {
        let mut queue = place.queue();
        let mut done = Vec::new();
        for timeout in [0, 1, 3_000_000] {
            let timeout = Duration::from_nanos(timeout);
            queue.wait(Some(timeout), &mut done).unwrap();
        }
        assert!(done.is_empty());
        // The longest timeout there is must not be taken for none, or for an error.
        queue.waker().wake();
        queue.wait(Some(Duration::MAX), &mut done).unwrap();
        let waker = queue.waker();
        let caller = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            waker.wake();
        });
        queue.wait(Some(Duration::MAX), &mut done).unwrap();
        caller.join().unwrap();
    });
}

#[test]
fn looking_without_waiting_finds_what_has_ended() {
    each_place(|place| {
        let pool = Pool::new(1 << 20);
        let file = place.create("a");
        let mut queue = place.queue();
        queue
            .submit(write(&pool, &file, 3, 0, &[&[1; BLOCK]]))
            .unwrap();
        let mut done = Vec::new();
        while done.is_empty() {
            queue.wait(Some(Duration::ZERO), &mut done).unwrap();
            thread::yield_now();
        }
        assert_eq!(done[0].token, 3);
    });
}

#[test]
fn a_write_that_fails_is_told_by_its_completion() {
    each_place(|place| {
        let pool = Pool::new(1 << 20);
        drop(place.create("a"));
        let read_only = place.device.open(&place.path("a"), Access::Read).unwrap();
        let traits = Arc::new(Traits::new(false));
        let full = SystemFile::open("/dev/full".as_ref(), Access::Write, &traits).unwrap();
        let full: Arc<dyn File> = Arc::new(full);
        let mut queue = place.queue();
        queue
            .submit(write(&pool, &read_only, 1, 0, &[&[1; BLOCK]]))
            .unwrap();
        queue
            .submit(write(&pool, &full, 2, 0, &[&[1; BLOCK]]))
            .unwrap();
        let mut ends = collect(queue.as_mut(), 2);
        ends.sort_by_key(|end| end.token);
        let [refused, no_space] = ends.try_into().unwrap();
        assert_eq!(
            Errno::from_io_error(&refused.result.unwrap_err()),
            Some(Errno::BADF)
        );
        assert_eq!(
            no_space.result.unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        let good = place.create("b");
        queue
            .submit(write(&pool, &good, 3, 0, &[&[1; BLOCK]]))
            .unwrap();
        collect(queue.as_mut(), 1).remove(0).result.unwrap();
    });
}

#[test]
fn what_the_system_would_not_take_is_refused_at_once() {
    each_place(|place| {
        let pool = Pool::new(8 << 20);
        let file = place.create("a");
        let mut queue = place.queue();
        let block = [1; BLOCK];
        let good = || write(&pool, &file, 1, 0, &[&block]);
        let mut ops = [good(), good(), good(), good(), good()];
        ops[0].offset = 512;
        ops[1].slices[0].len = 512;
        ops[2].slices[0].len = 2 * BLOCK;
        ops[3].slices.clear();
        ops[4].slices = vec![ops[4].slices[0].clone(); MAX_SLICES + 1];
        for op in ops {
            let error = queue.submit(op).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        queue.submit(good()).unwrap();
        collect(queue.as_mut(), 1).remove(0).result.unwrap();
    });
}

#[test]
fn a_queue_that_is_dropped_waits_for_its_writes() {
    each_place(|place| {
        let pool = Pool::new(64 << 20);
        let file = place.create("a");
        let mut queue = place.queue();
        // So that the read that wakes is in flight as well.
        queue
            .wait(Some(Duration::from_millis(1)), &mut Vec::new())
            .unwrap();
        let expected = pattern(1, 16 << 20);
        for (number, bytes) in expected.chunks(1 << 20).enumerate() {
            let offset = (number << 20) as u64;
            queue
                .submit(write(&pool, &file, number as u64, offset, &[bytes]))
                .unwrap();
        }
        let waker = queue.waker();
        drop(queue);
        assert_eq!(pool.used(), 0);
        assert!(fs::read(place.path("a")).unwrap() == expected);
        // Nobody is there to be woken; that is no error.
        waker.wake();
    });
}

#[test]
fn a_short_write_goes_on_at_the_block_where_it_ended() {
    let place = places().remove(0);
    let pool = Pool::new(1 << 20);
    let file = place.create("a");
    let bytes = pattern(5, 5 * BLOCK);
    let (first, second) = bytes.split_at(2 * BLOCK);
    let op = write(&pool, &file, 1, 8 * BLOCK as u64, &[first, second]);
    let mut write = Write::new(op).unwrap();
    let more = |progress| matches!(progress, Progress::More);
    let mut ended = 0;
    for (written, whole) in [(BLOCK, 1), (2 * BLOCK + 100, 2), (100, 0), (BLOCK, 1)] {
        assert!(more(write.advance(Ok(written))));
        ended += whole * BLOCK;
        assert_eq!(write.offset(), (8 * BLOCK + ended) as u64);
        let remaining: Vec<_> = write.remaining().flatten().copied().collect();
        assert!(remaining == bytes[ended..]);
    }
    assert!(more(write.advance(Err(io::ErrorKind::Interrupted.into()))));
    assert!(matches!(write.advance(Ok(BLOCK)), Progress::Ended(Ok(()))));
    assert_eq!(round_up(ended), 4 * BLOCK);
}

#[test]
fn a_write_that_never_goes_on_fails() {
    let place = places().remove(0);
    let pool = Pool::new(1 << 20);
    let file = place.create("a");
    let mut stuck = Write::new(write(&pool, &file, 1, 0, &[&[1; BLOCK]])).unwrap();
    let error = (0..=MAX_STALLS).find_map(|_| match stuck.advance(Ok(0)) {
        Progress::Ended(result) => Some(result.unwrap_err()),
        Progress::More => None,
    });
    assert_eq!(error.unwrap().kind(), io::ErrorKind::WriteZero);
}
