//! Waking the thread that owns a ring.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicU8, Ordering},
};

use rustix::event::EventfdFlags;

use crate::io::device::Wake;

/// Nobody waits, and nobody has called.
const AWAKE: u8 = 0;
/// The owner waits in the kernel, or is about to.
const ASLEEP: u8 = 1;
/// Somebody has called since the owner last looked.
const CALLED: u8 = 2;

/// Wakes the owner by an eventfd that the ring reads; when the owner does not sleep, a flag does.
#[derive(Debug)]
pub(super) struct UringWake {
    event: OwnedFd,
    state: AtomicU8,
}

impl UringWake {
    pub(super) fn new() -> io::Result<UringWake> {
        Ok(UringWake {
            // Not non-blocking: the ring's read would fail instead of waiting.
            event: rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?,
            state: AtomicU8::new(AWAKE),
        })
    }

    /// What the ring reads.
    pub(super) fn descriptor(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// Ends the ring's read.
    pub(super) fn ring_bell(&self) {
        if let Err(error) = rustix::io::write(&self.event, &1_u64.to_ne_bytes()) {
            tracing::error!(%error, "could not wake the writer of the store");
        }
    }

    /// Whether somebody has called since the last look; the owner is awake from now on.
    pub(super) fn called(&self) -> bool {
        // Acquire: what the caller did before the call is seen. One atomic word decides between
        // owner and callers, so that either the owner finds the call or the caller the sleeper.
        self.state.swap(AWAKE, Ordering::AcqRel) == CALLED
    }

    /// Announces that the owner is about to wait; false when somebody has called.
    pub(super) fn fall_asleep(&self) -> bool {
        self.state
            .compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl Wake for UringWake {
    fn wake(&self) {
        if self.state.swap(CALLED, Ordering::AcqRel) == ASLEEP {
            self.ring_bell();
        }
    }
}
