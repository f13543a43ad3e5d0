//! Room in memory for answers that are large, until their clients have them.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    Front,
    fault::{Fault, FaultKind},
    model::Operation,
};

/// Longest answer of GetRecords: 10 MiB of data in base64, with what is told of each record.
const LARGEST: usize = 16 << 20;
/// Answers up to this one need no room of their own: connections are counted.
const SMALL: usize = 256 << 10;

/// The room for answers of all connections.
pub(super) struct Room(Arc<Semaphore>);

/// The room for one answer.
pub(super) struct Share(Option<OwnedSemaphorePermit>);

impl Room {
    /// Room for as many bytes, and for the largest answer at least.
    pub(super) fn new(bytes: usize) -> Room {
        Room(Arc::new(Semaphore::new(bytes.max(LARGEST))))
    }
}

impl Share {
    /// Takes room for the answer of an operation before there is one.
    ///
    /// # Errors
    /// `ServiceUnavailableException` when clients that do not read take all of it for so long.
    pub(super) async fn take(front: &Front, operation: Operation) -> Result<Share, Fault> {
        if operation != Operation::GetRecords {
            return Ok(Share(None));
        }
        let waiting = Arc::clone(&front.sending.0).acquire_many_owned(LARGEST as u32);
        match timeout(front.limits.put_wait, waiting).await {
            Ok(Ok(room)) => Ok(Share(Some(room))),
            _ => Err(Fault::new(
                FaultKind::ServiceUnavailableException,
                "the server's memory is full of answers that are being sent; try again",
            )),
        }
    }

    /// The answer, which keeps as much room as it needs until nobody has it any more.
    pub(super) fn keep(self, answer: Bytes) -> Bytes {
        let Some(mut room) = self.0 else {
            return answer;
        };
        if answer.len() <= SMALL {
            return answer;
        }
        let kept = room.split(answer.len().min(LARGEST));
        Bytes::from_owner(Kept {
            answer,
            _room: kept,
        })
    }
}

/// An answer and its room.
struct Kept {
    answer: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

#[cfg(test)]
mod tests;
