//! The queue of `crossbeam`, by its own name: `push` and `pop` are one step each.

use std::collections::VecDeque;

use shuttle::sync::{Mutex, MutexGuard};

/// A queue without bounds, for any number of threads.
#[derive(Debug)]
pub struct SegQueue<T>(Mutex<VecDeque<T>>);

impl<T> Default for SegQueue<T> {
    fn default() -> Self {
        SegQueue::new()
    }
}

impl<T> SegQueue<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> SegQueue<T> {
        SegQueue(Mutex::new(VecDeque::new()))
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Puts an item at the end.
    pub fn push(&self, item: T) {
        self.items().push_back(item);
    }

    /// Takes the first item.
    pub fn pop(&self) -> Option<T> {
        self.items().pop_front()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items().len()
    }
}
