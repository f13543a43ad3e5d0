//! The ring of one thread, and what the kernel may touch through it.
#![allow(unsafe_code)]

// The kernel writes to it: it is a word, whatever stands in for `std`.
use core::sync::atomic::AtomicU64;
use std::{
    fmt, io,
    mem::ManuallyDrop,
    os::fd::AsRawFd,
    sync::Arc,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use io_uring::{IoUring, opcode, squeue, types};
use rustix::io::{Errno, ReadWriteFlags};

use super::{DEPTH, build, wake::UringWake};
use crate::io::{
    device::{Completion, Lock},
    write::{Progress, Write},
};

/// User data of the read that wakes; that of a write is its slot.
const WAKE: u64 = u64::MAX;

/// How long a ring that can no longer be entered is looked at before its writes are given up
/// for lost when the queue is dropped: what ends after the ring's own thread is not told to others.
const ABANDON: Duration = Duration::from_secs(1);

/// Longest wait in one call, so that no timeout is more than the system can take.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A part of memory, as `writev` takes it.
#[repr(C)]
#[derive(Debug)]
struct Part {
    address: *const u8,
    len: usize,
}

const _: () = assert!(size_of::<Part>() == size_of::<io::IoSlice<'_>>());

/// A write in the kernel's hands, with the memory that the kernel reads.
#[derive(Debug)]
struct Flight {
    write: Write,
    parts: Vec<Part>,
}

// SAFETY: The pointers of `parts` lead into the buffers of `write`, which may be read from any
// thread, and nothing but the kernel follows them.
unsafe impl Send for Flight {}

impl Flight {
    /// The entry that writes what remains.
    fn entry(&mut self, slot: usize) -> squeue::Entry {
        self.parts.clear();
        self.parts.extend(self.write.remaining().map(|bytes| Part {
            address: bytes.as_ptr(),
            len: bytes.len(),
        }));
        let flags = if self.write.durable {
            ReadWriteFlags::DSYNC
        } else {
            ReadWriteFlags::empty()
        };
        opcode::Writev::new(
            types::Fd(self.write.descriptor().as_raw_fd()),
            self.parts.as_ptr().cast(),
            self.parts.len() as u32,
        )
        .offset(self.write.offset())
        .rw_flags(flags.bits() as i32)
        .build()
        .user_data(slot as u64)
    }
}

/// A ring and what the kernel may touch through it.
pub(super) struct Ring {
    ring: ManuallyDrop<IoUring>,
    /// Writes by their slots. Their buffers and parts are on the heap and stay where they are
    /// until the completion has come.
    flights: ManuallyDrop<Vec<Option<Flight>>>,
    free: Vec<usize>,
    /// Where the read that wakes puts the count of calls.
    bell: ManuallyDrop<Box<AtomicU64>>,
    bell_armed: bool,
    waker: ManuallyDrop<Arc<UringWake>>,
    lock: ManuallyDrop<Arc<dyn Lock>>,
    owner: ThreadId,
}

impl Ring {
    pub(super) fn new(waker: &Arc<UringWake>, lock: &Arc<dyn Lock>) -> io::Result<Ring> {
        let ring = build()?;
        if let Some(descriptor) = lock.descriptor() {
            // The ring, and so the kernel, holds the open file and its lock until the last write
            // has ended, also when the process is killed.
            ring.submitter().register_files(&[descriptor])?;
        }
        Ok(Ring {
            ring: ManuallyDrop::new(ring),
            flights: ManuallyDrop::new((0..DEPTH).map(|_| None).collect()),
            free: (0..DEPTH).rev().collect(),
            bell: ManuallyDrop::new(Box::new(AtomicU64::new(0))),
            bell_armed: false,
            waker: ManuallyDrop::new(Arc::clone(waker)),
            lock: ManuallyDrop::new(Arc::clone(lock)),
            owner: thread::current().id(),
        })
    }

    fn in_flight(&self) -> usize {
        self.flights.len() - self.free.len()
    }

    pub(super) fn start(&mut self, write: Write) -> io::Result<()> {
        let slot = self.free.pop().ok_or(io::ErrorKind::WouldBlock)?;
        let parts = Vec::new();
        let flight = self.flights[slot].insert(Flight { write, parts });
        let entry = flight.entry(slot);
        if let Err(error) = self.push(&entry) {
            self.flights[slot] = None;
            self.free.push(slot);
            return Err(error);
        }
        // The entry is in the queue. Where entering fails now, the next wait enters again and
        // reports what still fails then.
        if let Err(error) = self.enter(None) {
            tracing::debug!(%error, "a write stays queued until the next wait");
        }
        Ok(())
    }

    /// Queues an entry whose memory is kept in `self` until its completion has come.
    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: The entry is a write of `self.flights` or the read into `self.bell`. Both are
        // on the heap, are not freed before their completion was seen, and are leaked if the
        // ring has to be given up.
        unsafe { self.ring.submission().push(entry) }
            .map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))
    }

    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        done: &mut Vec<Completion>,
    ) -> io::Result<()> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let before = done.len();
        let mut timeout = timeout;
        loop {
            let mut called = self.waker.called();
            self.reap(done);
            if called || done.len() > before || timeout == Some(Duration::ZERO) {
                if done.len() == before {
                    self.enter(None)?;
                    self.reap(done);
                }
                return Ok(());
            }
            self.arm()?;
            if !self.waker.fall_asleep() {
                continue;
            }
            let outcome = self.enter(Some(timeout));
            called = self.waker.called();
            outcome?;
            self.reap(done);
            if called || done.len() > before {
                return Ok(());
            }
            if let Some(deadline) = deadline {
                // At zero, the next turn only looks.
                timeout = Some(deadline.saturating_duration_since(Instant::now()));
            }
        }
    }

    /// Queues the read that wakes, unless it is in the kernel already.
    fn arm(&mut self) -> io::Result<()> {
        if !self.bell_armed {
            let entry = opcode::Read::new(
                types::Fd(self.waker.descriptor()),
                self.bell.as_ptr().cast(),
                size_of::<u64>() as u32,
            )
            .build()
            .user_data(WAKE);
            self.push(&entry)?;
            self.bell_armed = true;
        }
        Ok(())
    }

    /// Hands queued entries to the kernel. `wait`: until a completion is there, or the time
    /// given has passed.
    fn enter(&self, wait: Option<Option<Duration>>) -> io::Result<()> {
        let submitter = self.ring.submitter();
        let outcome = match wait {
            None => submitter.submit(),
            Some(None) => submitter.submit_and_wait(1),
            Some(Some(timeout)) => {
                let timeout = types::Timespec::from(timeout.min(LONGEST_WAIT));
                let args = types::SubmitArgs::new().timespec(&timeout);
                submitter.submit_with_args(1, &args)
            }
        };
        let Err(error) = outcome else {
            return Ok(());
        };
        match Errno::from_io_error(&error) {
            Some(Errno::TIME | Errno::INTR) => Ok(()),
            // The kernel is short of memory or of room for completions: reap and try again.
            Some(Errno::AGAIN | Errno::BUSY) => {
                thread::sleep(Duration::from_millis(1));
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Takes in what has ended; what was cut short goes on.
    fn reap(&mut self, done: &mut Vec<Completion>) {
        let mut more = false;
        while let Some((data, result)) = self.next_completion() {
            if data == WAKE {
                self.bell_armed = false;
                continue;
            }
            let slot = data as usize;
            let Some(Some(flight)) = self.flights.get_mut(slot) else {
                tracing::error!(slot, "the ring told of a write that nobody started");
                continue;
            };
            let outcome = match usize::try_from(result) {
                Ok(written) => Ok(written),
                Err(_) => Err(io::Error::from_raw_os_error(-result)),
            };
            let ended = match flight.write.advance(outcome) {
                Progress::Ended(result) => Some(result),
                Progress::More => {
                    let entry = flight.entry(slot);
                    let pushed = self.push(&entry);
                    more |= pushed.is_ok();
                    pushed.err().map(Err)
                }
            };
            if let Some(result) = ended {
                self.end(slot, result, done);
            }
        }
        if more && let Err(error) = self.enter(None) {
            tracing::debug!(%error, "the rest of a write stays queued until the next wait");
        }
    }

    fn next_completion(&mut self) -> Option<(u64, i32)> {
        let entry = self.ring.completion().next()?;
        Some((entry.user_data(), entry.result()))
    }

    fn end(&mut self, slot: usize, result: io::Result<()>, done: &mut Vec<Completion>) {
        if let Some(flight) = self.flights[slot].take() {
            let token = flight.write.token;
            done.push(Completion { token, result });
            self.free.push(slot);
        }
    }

    /// Waits until the kernel has let go of everything; false when that cannot be known.
    fn settle(&mut self) -> bool {
        let mut lost_since = None;
        let mut done = Vec::new();
        if self.bell_armed {
            self.waker.ring_bell();
        }
        while self.in_flight() > 0 || self.bell_armed {
            let outcome = self.enter(Some(Some(Duration::from_secs(1))));
            // Also where entering failed: a ring whose thread has ended completes by itself.
            self.reap(&mut done);
            done.clear();
            match outcome {
                Ok(()) => lost_since = None,
                Err(error) => {
                    let since = *lost_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > ABANDON {
                        let here = thread::current().id();
                        tracing::error!(%error, owner = ?self.owner, ?here, in_flight = self.in_flight(), "writes of a ring were given up for lost; the store stays locked");
                        return false;
                    }
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
        true
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if !self.settle() {
            // The kernel may yet read the buffers and write the bell: all of it is leaked, and
            // the lock with it.
            return;
        }
        // SAFETY: Each is dropped here and only here, and not used after. The ring goes first,
        // then what it referred to, then the lock.
        unsafe {
            ManuallyDrop::drop(&mut self.ring);
            ManuallyDrop::drop(&mut self.flights);
            ManuallyDrop::drop(&mut self.bell);
            ManuallyDrop::drop(&mut self.waker);
            ManuallyDrop::drop(&mut self.lock);
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("in_flight", &self.in_flight())
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
