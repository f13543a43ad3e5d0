//! Buffers for the bodies of requests, used again: fresh memory for each large body would cost a
//! quarter of the time that is spent on it, in page faults.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Smaller bodies cost no fresh memory.
const LEAST: usize = 64 << 10;

/// Buffers that nobody uses at the moment.
#[derive(Debug)]
pub(super) struct Bodies {
    /// Most bytes that are kept.
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// A buffer that comes back.
#[derive(Debug)]
struct Lent {
    bytes: Vec<u8>,
    home: Arc<Bodies>,
}

impl Bodies {
    /// Keeps up to `most` bytes.
    pub(super) fn new(most: usize) -> Arc<Bodies> {
        Arc::new(Bodies {
            most,
            kept: Mutex::default(),
        })
    }

    /// An empty buffer with room for `len` bytes.
    pub(super) fn take(&self, len: usize) -> Vec<u8> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &Vec<u8>| buffer.capacity() >= len;
        // The last one is the most likely to be in the processor's cache.
        if len >= LEAST
            && let Some(at) = kept.buffers.iter().rposition(fits)
        {
            let buffer = kept.buffers.remove(at);
            kept.bytes -= buffer.capacity();
            return buffer;
        }
        drop(kept);
        // Memory that is only reserved costs nothing until bytes come.
        Vec::with_capacity(if len < LEAST {
            len
        } else {
            len.next_multiple_of(LEAST)
        })
    }

    /// A body that is whole; its buffer comes back when nobody has it any more.
    pub(super) fn whole(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        if bytes.capacity() < LEAST {
            return bytes.into();
        }
        Bytes::from_owner(Lent {
            bytes,
            home: Arc::clone(self),
        })
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + buffer.capacity() <= self.most {
            kept.bytes += buffer.capacity();
            kept.buffers.push(buffer);
        }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bodies: &Arc<Bodies>, len: usize) -> (usize, Bytes) {
        let mut buffer = bodies.take(len);
        assert!(buffer.is_empty() && buffer.capacity() >= len);
        buffer.resize(len, 7);
        (buffer.as_ptr() as usize, bodies.whole(buffer))
    }

    #[test]
    fn a_large_buffer_is_used_again_once_nobody_has_it() {
        let bodies = Bodies::new(1 << 20);
        let (first, whole) = body(&bodies, 100_000);
        let part = whole.slice(10..20);
        drop(whole);
        let (second, other) = body(&bodies, 100_000);
        assert_ne!(first, second);
        assert_eq!(&part[..], [7; 10]);
        drop(part);
        assert_eq!(body(&bodies, 120_000).0, first);
        drop(other);
        assert_eq!(body(&bodies, 1000).1.len(), 1000);
    }

    #[test]
    fn no_more_is_kept_than_was_said() {
        let bodies = Bodies::new(256 << 10);
        let held: Vec<_> = (0..10).map(|_| body(&bodies, 64 << 10).1).collect();
        drop(held);
        drop(body(&bodies, 1 << 20));
        let kept = bodies.kept.lock().unwrap();
        assert_eq!((kept.buffers.len(), kept.bytes), (4, 256 << 10));
    }
}
