//! Memory within a budget: whoever waits for some gets it.

use std::{sync::Arc, thread};

use crate::{
    io::pool::{Pool, PoolBuffer},
    shard::watermark::wait_until,
};

const KIB: usize = 1024;

/// Gets a buffer as the engine's callers do: asks, registers, asks once more, waits.
fn get(pool: &Arc<Pool>, len: usize) -> PoolBuffer {
    wait_until(None, |waker| {
        pool.get(len).or_else(|| {
            pool.register_waiter(waker);
            pool.get(len)
        })
    })
    .unwrap()
}

fn share(budget: usize, lengths: &'static [usize]) {
    let pool = Pool::new(budget);
    let users: Vec<_> = lengths
        .iter()
        .map(|len| {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                for _ in 0..2 {
                    let buffer = get(&pool, *len);
                    assert!(pool.held() <= budget, "more is held than the budget");
                    drop(buffer);
                }
            })
        })
        .collect();
    for user in users {
        user.join().unwrap();
    }
    assert_eq!(pool.used(), 0);
    assert!(pool.held() <= budget, "more is held than the budget");
}

/// There is one buffer for three.
pub fn a_buffer_that_comes_back_goes_to_who_waits() {
    share(16 * KIB, &[16 * KIB, 16 * KIB, 16 * KIB]);
}

/// Each needs what another has in buffers of another size.
pub fn buffers_of_one_size_make_room_for_another() {
    share(68 * KIB, &[68 * KIB, 16 * KIB, 32 * KIB]);
}
