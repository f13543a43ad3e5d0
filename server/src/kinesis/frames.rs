//! The frames of an event stream, each made when the connection asks for it: a client that does not
//! read has nothing made for it ahead.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;

/// Frames that are made one after the other. They end with who makes them, and who makes them is
/// dropped with them.
pub(crate) struct Frames {
    /// Goes on only while there is no frame in the slot; `None` when it has ended.
    making: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    slot: Slot,
}

/// Where a frame is laid down for the connection.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Bytes>>>);

impl Frames {
    /// Those that a future lays down in the slot that it is given.
    pub(crate) fn new<F>(make: impl FnOnce(Slot) -> F) -> Frames
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let slot = Slot::default();
        let making = make(slot.clone());
        Frames {
            making: Some(Box::pin(making)),
            slot,
        }
    }

    /// The next one, when it is made; `None` when there are no more.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(making) = &mut self.making else {
            return Poll::Ready(None);
        };
        let is_over = making.as_mut().poll(cx).is_ready();
        if is_over {
            self.making = None;
        }
        match self.slot.lock().take() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Slot {
    /// Lays a frame down. Resolves when it was taken and another one is wanted.
    pub(crate) async fn put(&self, frame: Bytes) {
        *self.lock() = Some(frame);
        // Nobody needs to be woken: this goes on when the next frame is asked for.
        poll_fn(|_| match self.lock().is_some() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Frames {
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

#[cfg(test)]
mod tests;
