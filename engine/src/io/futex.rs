//! Many threads that wait for one word, woken by one call.

#[cfg(not(millstream_models))]
use std::{sync::atomic::AtomicU32, time::Duration};

#[cfg(millstream_models)]
pub(crate) use std::futex::{wait, wake_all};

/// Waits while `word` is `value`, until it is woken or `timeout` has passed, or for no reason:
/// the caller looks again.
#[cfg(all(target_os = "linux", not(millstream_models)))]
pub(crate) fn wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    use rustix::thread::futex::{Flags, Timespec, wait};
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    // Every error means the same: look again.
    let _ = wait(word, Flags::PRIVATE, value, timeout.as_ref());
}

/// Wakes all that wait for `word`, whose value was changed before.
#[cfg(all(target_os = "linux", not(millstream_models)))]
pub(crate) fn wake_all(word: &AtomicU32) {
    use rustix::thread::futex::{Flags, wake};
    let _ = wake(word, Flags::PRIVATE, i32::MAX.cast_unsigned());
}

/// Where the system has nothing of the kind, the word is looked at again and again.
#[cfg(not(any(target_os = "linux", millstream_models)))]
pub(crate) fn wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    const LOOK: Duration = Duration::from_micros(200);
    if word.load(std::sync::atomic::Ordering::SeqCst) == value {
        std::thread::sleep(timeout.map_or(LOOK, |timeout| timeout.min(LOOK)));
    }
}

/// See [`wait`].
#[cfg(not(any(target_os = "linux", millstream_models)))]
pub(crate) fn wake_all(_word: &AtomicU32) {}
