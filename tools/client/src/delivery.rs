//! What became of a record that was sent.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use millstream_wire::ErrorAnswer;
use thiserror::Error;

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Index of its shard in the stream.
    pub shard: u32,
    /// Its sequence number.
    pub sequence: u64,
}

/// Why a record was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// It was not written, and will not be.
    #[error("not written: {0}")]
    Refused(ErrorAnswer),
    /// It was not written, and will not be: no server took it in time.
    #[error("not written: no server took it in time ({reason})")]
    NotSent {
        /// What the last attempt met.
        reason: String,
    },
    /// It was sent, and no answer came: it may be written or not.
    #[error("outcome unknown: {reason}")]
    Unknown {
        /// Why there is no answer.
        reason: String,
    },
}

/// Resolves when the record is durable, or is known not to be, or can no longer be known.
#[derive(Debug)]
#[must_use = "the record is sent either way; send_detached saves making this"]
pub struct Delivery {
    outcome: Arc<Outcome>,
    /// Which record of its batch.
    index: u32,
}

impl Delivery {
    pub(crate) fn new(outcome: Arc<Outcome>, index: u32) -> Delivery {
        Delivery { outcome, index }
    }
}

impl Future for Delivery {
    type Output = Result<Delivered, DeliveryError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let moved = {
                let mut state = self.outcome.state();
                match &mut *state {
                    State::Pending(wakers) => {
                        if !wakers.last().is_some_and(|w| w.will_wake(cx.waker())) {
                            wakers.push(cx.waker().clone());
                        }
                        return Poll::Pending;
                    }
                    State::Written { shard, first } => {
                        return Poll::Ready(Ok(Delivered {
                            shard: *shard,
                            sequence: *first + u64::from(self.index),
                        }));
                    }
                    State::Failed(error) => return Poll::Ready(Err(error.clone())),
                    State::Moved(to) => to.get(self.index as usize).cloned(),
                }
            };
            let Some((outcome, index)) = moved else {
                let reason = "the record was lost from its batch".to_owned();
                return Poll::Ready(Err(DeliveryError::Unknown { reason }));
            };
            (self.outcome, self.index) = (outcome, index);
        }
    }
}

/// The fate of a batch, which its deliveries share.
#[derive(Debug)]
pub(crate) struct Outcome {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Pending(Vec<Waker>),
    Written {
        shard: u32,
        first: u64,
    },
    Failed(DeliveryError),
    /// Its records were routed anew: for each the batch that it is in now, and its place there.
    Moved(Vec<(Arc<Outcome>, u32)>),
}

impl Outcome {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolve(&self, next: State) {
        let before = {
            let mut state = self.state();
            if !matches!(*state, State::Pending(_)) {
                return;
            }
            std::mem::replace(&mut *state, next)
        };
        if let State::Pending(wakers) = before {
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

/// The duty to say what became of a batch: dropped without a word, it says that nobody knows.
#[derive(Debug, Default)]
pub(crate) struct Promise(Option<Arc<Outcome>>);

impl Promise {
    /// The outcome, made when it is first asked for: a batch without deliveries has none.
    pub(crate) fn outcome(&mut self) -> Arc<Outcome> {
        let fresh = || {
            Arc::new(Outcome {
                state: Mutex::new(State::Pending(Vec::new())),
            })
        };
        self.0.get_or_insert_with(fresh).clone()
    }

    /// Whether anybody asked.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn written(mut self, shard: u32, first: u64) {
        self.settle(State::Written { shard, first });
    }

    pub(crate) fn failed(mut self, error: &DeliveryError) {
        if self.is_awaited() {
            self.settle(State::Failed(error.clone()));
        }
    }

    pub(crate) fn moved(mut self, to: Vec<(Arc<Outcome>, u32)>) {
        self.settle(State::Moved(to));
    }

    fn settle(&mut self, state: State) {
        if let Some(outcome) = self.0.take() {
            outcome.resolve(state);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.is_awaited() {
            let reason = "the producer ended".to_owned();
            self.settle(State::Failed(DeliveryError::Unknown { reason }));
        }
    }
}
