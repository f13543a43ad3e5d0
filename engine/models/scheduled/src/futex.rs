//! What the kernel does for threads that wait for a word. The word is compared in the same step in
//! which the thread begins to wait, and a wake that comes later finds it.

use std::{collections::HashMap, sync::PoisonError, time::Duration};

use shuttle::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicU32, Ordering},
};

use crate::time;

/// Those who wait for one word.
#[derive(Debug, Default)]
struct Sleepers {
    woken: Mutex<bool>,
    bell: Condvar,
}

/// By the address of the word.
type Words = HashMap<usize, Arc<Sleepers>>;

shuttle::lazy_static! {
    static ref WORDS: Mutex<Words> = Mutex::new(HashMap::new());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn address(word: &AtomicU32) -> usize {
    std::ptr::from_ref(word).addr()
}

/// Waits while `word` is `value`, until it is woken. A limit that passes does so at once.
pub fn wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    if timeout.is_some_and(time::pass) {
        return;
    }
    let sleepers = {
        let mut words = lock(&WORDS);
        if word.load(Ordering::SeqCst) != value {
            return;
        }
        Arc::clone(words.entry(address(word)).or_default())
    };
    let woken = lock(&sleepers.woken);
    let woken = sleepers.bell.wait_while(woken, |woken| !*woken);
    drop(woken.unwrap_or_else(PoisonError::into_inner));
}

/// Wakes all that wait for `word`, whose value was changed before.
pub fn wake_all(word: &AtomicU32) {
    let sleepers = lock(&WORDS).remove(&address(word));
    if let Some(sleepers) = sleepers {
        *lock(&sleepers.woken) = true;
        sleepers.bell.notify_all();
    }
}
