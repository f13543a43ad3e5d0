//! The bound on the bytes of batches, open and in flight.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is counted in units of this many bytes.
const UNIT: usize = 1024;

/// A budget, and the buffers of the usual size that are free.
#[derive(Debug)]
pub(super) struct Memory {
    budget: Arc<Semaphore>,
    units: usize,
    /// Length of a buffer of the usual size.
    usual: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

impl Memory {
    /// A budget of `bytes`, in buffers of mostly `usual` bytes.
    pub(super) fn new(bytes: usize, usual: usize) -> Memory {
        let units = (bytes / UNIT).clamp(1, u32::MAX as usize);
        Memory {
            budget: Arc::new(Semaphore::new(units)),
            units,
            usual,
            free: Mutex::default(),
        }
    }

    fn units_of(&self, len: usize) -> u32 {
        // A single batch may be larger than the budget: it then has all of it.
        len.div_ceil(UNIT).min(self.units) as u32
    }

    /// A share for a buffer of `len` bytes, if there is one at once.
    pub(super) fn try_share(&self, len: usize) -> Option<OwnedSemaphorePermit> {
        let budget = self.budget.clone();
        budget.try_acquire_many_owned(self.units_of(len)).ok()
    }

    /// A share for a buffer of `len` bytes, in the order of asking.
    pub(super) async fn share(&self, len: usize) -> Option<OwnedSemaphorePermit> {
        let budget = self.budget.clone();
        budget.acquire_many_owned(self.units_of(len)).await.ok()
    }

    /// A buffer of at least `len` bytes.
    pub(super) fn buffer(&self, len: usize) -> Vec<u8> {
        if len > self.usual {
            return vec![0; len];
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let again = free.pop();
        drop(free);
        again.unwrap_or_else(|| vec![0; self.usual])
    }

    /// Keeps a buffer of the usual size for later.
    pub(super) fn recycle(&self, buffer: Vec<u8>) {
        if buffer.len() == self.usual {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.push(buffer);
        }
    }
}
