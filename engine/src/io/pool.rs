//! The store's memory budget: block-aligned buffers in size classes.
//!
//! A buffer that comes back waits in the free list of its class. When the budget is used up, idle
//! buffers of other classes are given back to the system; then the reclaimer is asked to let go
//! of what it keeps (the tails of the shards); then the answer is `None`, and whoever wants to
//! wait registers a waker.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use super::aligned::{AlignedMemory, round_up};

const KIB: usize = 1024;

/// Sizes of buffers. Those from 64 KiB are a power of two, or one and a half, and a sixteenth
/// more: a full power of two of records fits beside its header.
const CLASSES: [usize; 19] = [
    16 * KIB,
    32 * KIB,
    68 * KIB,
    104 * KIB,
    136 * KIB,
    204 * KIB,
    272 * KIB,
    408 * KIB,
    544 * KIB,
    816 * KIB,
    1088 * KIB,
    1632 * KIB,
    2176 * KIB,
    3264 * KIB,
    4352 * KIB,
    6528 * KIB,
    8704 * KIB,
    13056 * KIB,
    LARGEST_BUFFER,
];

/// Bytes of the largest buffer: a batch of 16 MiB with its header, and some.
pub const LARGEST_BUFFER: usize = 17 * KIB * KIB;

/// Most wakers that are kept; when there are more, all are woken and ask again.
const MAX_WAITERS: usize = 4096;

/// Lets go of buffers when the budget is used up.
pub trait Reclaim: Send + Sync {
    /// Drops buffers that can be spared, about `bytes` of them. Whether any was: it is asked
    /// again while there is still no room, until it says no.
    ///
    /// Called by whoever asks for a buffer, with no lock of the pool held.
    fn reclaim(&self, bytes: usize) -> bool;
}

/// Buffers within a fixed budget.
pub struct Pool {
    budget: usize,
    /// Bytes taken from the system, idle or not; changed under this lock, so that what one
    /// thread frees for itself is not missed by another.
    held: Mutex<usize>,
    used: AtomicUsize,
    /// Buffers that came back, ever.
    returns: AtomicU64,
    free: [Mutex<Vec<AlignedMemory>>; CLASSES.len()],
    reclaimer: Mutex<Option<Weak<dyn Reclaim>>>,
    waiting: AtomicBool,
    waiters: Mutex<Vec<Waker>>,
}

impl Pool {
    /// A pool that never takes more than `budget_bytes` from the system.
    #[must_use]
    pub fn new(budget_bytes: usize) -> Arc<Pool> {
        Arc::new(Pool {
            budget: budget_bytes,
            held: Mutex::new(0),
            used: AtomicUsize::new(0),
            returns: AtomicU64::new(0),
            free: std::array::from_fn(|_| Mutex::new(Vec::new())),
            reclaimer: Mutex::new(None),
            waiting: AtomicBool::new(false),
            waiters: Mutex::new(Vec::new()),
        })
    }

    /// Who is asked for buffers when the budget is used up.
    pub fn set_reclaimer(&self, reclaimer: Weak<dyn Reclaim>) {
        *lock(&self.reclaimer) = Some(reclaimer);
    }

    /// A buffer of at least `len` bytes; `None` when the budget is used up, or `len` is above
    /// [`Pool::largest`]. May call the reclaimer: the caller holds no lock that it takes.
    ///
    /// Fresh memory is zeroed, a recycled buffer holds what it held.
    #[must_use]
    pub fn get(self: &Arc<Self>, len: usize) -> Option<PoolBuffer> {
        loop {
            if let Some(buffer) = self.get_idle(len) {
                return Some(buffer);
            }
            let class = class_of(len).filter(|_| len <= self.largest())?;
            let reclaimer = lock(&self.reclaimer).as_ref().and_then(Weak::upgrade)?;
            if !reclaimer.reclaim(CLASSES[class]) {
                // What another thread dropped in between must not be overlooked.
                return self.get_idle(len);
            }
        }
    }

    /// [`Pool::get`] without asking the reclaimer.
    #[must_use]
    pub fn get_idle(self: &Arc<Self>, len: usize) -> Option<PoolBuffer> {
        let class = class_of(len)?;
        let memory = self.pop(class).or_else(|| self.fresh(class))?;
        self.used.fetch_add(CLASSES[class], Ordering::Relaxed);
        Some(PoolBuffer {
            memory: Some(memory),
            len: round_up(len.max(1)),
            class,
            pool: Arc::clone(self),
        })
    }

    /// Bytes of the buffers that are out, by their classes.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes taken from the system: what is out and what is idle.
    #[must_use]
    pub fn held(&self) -> usize {
        *lock(&self.held)
    }

    /// How many buffers have come back: when it has grown, asking again may be worth it.
    #[must_use]
    pub fn returns(&self) -> u64 {
        self.returns.load(Ordering::SeqCst)
    }

    /// The budget in bytes.
    #[must_use]
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// The largest `len` that [`Pool::get`] can ever grant.
    #[must_use]
    pub fn largest(&self) -> usize {
        let fitting = CLASSES.iter().rev().find(|size| **size <= self.budget);
        fitting.copied().unwrap_or(0)
    }

    /// Wakes `waker` when a buffer comes back. Register first, then ask once more: a buffer that
    /// came back in between wakes nobody who was not registered.
    pub fn register_waiter(&self, waker: &Waker) {
        let mut crowd = Vec::new();
        {
            let mut waiters = lock(&self.waiters);
            if !waiters.iter().any(|known| known.will_wake(waker)) {
                if waiters.len() >= MAX_WAITERS {
                    crowd = std::mem::take(&mut *waiters);
                }
                waiters.push(waker.clone());
            }
            self.waiting.store(true, Ordering::SeqCst);
        }
        crowd.into_iter().for_each(Waker::wake);
    }

    fn pop(&self, class: usize) -> Option<AlignedMemory> {
        lock(&self.free[class]).pop()
    }

    /// Memory from the system, after idle memory of other classes has made room for it.
    fn fresh(&self, class: usize) -> Option<AlignedMemory> {
        let size = CLASSES[class];
        if size > self.budget {
            return None;
        }
        {
            let mut held = lock(&self.held);
            // The largest first: the fewest system calls.
            for other in (0..CLASSES.len()).rev() {
                while *held + size > self.budget {
                    match self.pop(other) {
                        Some(memory) if other == class => return Some(memory),
                        Some(memory) => {
                            drop(memory);
                            *held -= CLASSES[other];
                        }
                        None => break,
                    }
                }
            }
            if *held + size > self.budget {
                return None;
            }
            *held += size;
        }
        match AlignedMemory::zeroed(size) {
            Ok(memory) => Some(memory),
            Err(error) => {
                tracing::warn!(bytes = size, %error, "the system has no memory for a buffer within the budget");
                *lock(&self.held) -= size;
                self.wake_waiters();
                None
            }
        }
    }

    fn put(&self, class: usize, memory: AlignedMemory) {
        self.used.fetch_sub(CLASSES[class], Ordering::Relaxed);
        lock(&self.free[class]).push(memory);
        self.returns.fetch_add(1, Ordering::SeqCst);
        // A waiter sets the flag before it looks into the free lists under their locks: either it
        // saw this buffer there, or the flag is seen here.
        if self.waiting.load(Ordering::SeqCst) {
            self.wake_waiters();
        }
    }

    fn wake_waiters(&self) {
        let waiters = {
            let mut waiters = lock(&self.waiters);
            self.waiting.store(false, Ordering::SeqCst);
            std::mem::take(&mut *waiters)
        };
        waiters.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("budget", &self.budget)
            .field("held", &self.held())
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}

/// A block-aligned buffer out of the store's memory budget; goes back to its pool when dropped.
/// Its length is the length asked for, in whole blocks.
pub struct PoolBuffer {
    /// `None` only while it is dropped.
    memory: Option<AlignedMemory>,
    len: usize,
    class: usize,
    pool: Arc<Pool>,
}

impl PoolBuffer {
    /// Bytes that [`PoolBuffer::set_len`] can give without a new buffer.
    #[must_use]
    pub fn capacity(&self) -> usize {
        CLASSES[self.class]
    }

    /// Makes it `len` bytes long, in whole blocks. False, and nothing is changed, when that is
    /// above its capacity.
    #[must_use]
    pub fn set_len(&mut self, len: usize) -> bool {
        let fits = len <= self.capacity();
        if fits {
            self.len = round_up(len.max(1));
        }
        fits
    }
}

impl Deref for PoolBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.memory {
            Some(memory) => &memory[..self.len],
            None => &[],
        }
    }
}

impl DerefMut for PoolBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Some(memory) => &mut memory[..self.len],
            None => &mut [],
        }
    }
}

impl Drop for PoolBuffer {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.pool.put(self.class, memory);
        }
    }
}

impl fmt::Debug for PoolBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolBuffer({} bytes)", self.len)
    }
}

/// The smallest class that holds `len`.
fn class_of(len: usize) -> Option<usize> {
    let class = CLASSES.partition_point(|size| *size < len);
    (class < CLASSES.len()).then_some(class)
}

/// A panic elsewhere leaves these lists as good as they were.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
