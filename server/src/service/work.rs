//! What is done for a stream behind its answers: its shards are made, taken over by their
//! children, or removed, as its row says. A start goes on with what was cut short.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{Service, ServiceError, Stream};
use crate::catalog::StreamStatus;

/// Pause before it is tried again, and the longest that it grows to.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the first attempt at something came to, once it is over.
pub(super) struct FirstAttempt(oneshot::Receiver<Result<(), ServiceError>>);

impl FirstAttempt {
    pub(super) async fn over(self) -> Result<(), ServiceError> {
        self.0.await.unwrap_or(Err(ServiceError::ShuttingDown))
    }
}

/// Whether there is more to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    Done,
}

impl Service {
    /// Goes on with everything that is not done yet. Called once, when the service has started.
    pub(crate) fn resume(self: &Arc<Self>) {
        let table = self.table.load_full();
        for stream in table.all() {
            if stream.row.status != StreamStatus::Active {
                let (name, status) = (stream.name(), stream.row.status);
                tracing::info!(stream = name, ?status, "going on with what was cut short");
                drop(self.work_on(stream));
            }
            self.resume_consumers(stream);
        }
    }

    /// Does what a stream's row says is to be done, in a task of its own. After a failed
    /// attempt it is tried again.
    pub(super) fn work_on(self: &Arc<Self>, stream: &Arc<Stream>) -> FirstAttempt {
        let (told, first) = oneshot::channel();
        let (name, id) = (stream.name().to_owned(), stream.row.id);
        tokio::spawn(Arc::clone(self).work(name, id, told));
        FirstAttempt(first)
    }

    async fn work(
        self: Arc<Self>,
        name: String,
        id: u64,
        told: oneshot::Sender<Result<(), ServiceError>>,
    ) {
        let weak = Arc::downgrade(&self);
        let mut service = Some(self);
        let (mut told, mut pause) = (Some(told), FIRST_PAUSE);
        let mut tell = |result| told.take().map(|told| told.send(result));
        loop {
            // While it pauses it does not keep the store open.
            let Some(this) = service.take().or_else(|| weak.upgrade()) else {
                return;
            };
            match this.attempt(&name, id).await {
                Ok(Progress::More) => {
                    pause = FIRST_PAUSE;
                    service = Some(this);
                }
                Ok(Progress::Done) => {
                    tell(Ok(()));
                    return;
                }
                Err(_) if this.is_stopping() => return,
                Err(error) => {
                    tracing::warn!(stream = name, %error, "what a stream needs cannot be done yet; it is tried again");
                    tell(Err(error));
                    drop(this);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// One step, alone with the stream's shards.
    async fn attempt(self: &Arc<Self>, name: &str, id: u64) -> Result<Progress, ServiceError> {
        let Some(stream) = self.same_stream(name, id) else {
            return Ok(Progress::Done);
        };
        let alone = Arc::clone(&stream.work).lock_owned().await;
        let (name, room) = (name.to_owned(), Arc::clone(&self.changes));
        let done = self.blocking(&room, move |service| {
            let _alone = alone;
            let Some(stream) = service.same_stream(&name, id) else {
                return Ok(Progress::Done);
            };
            match stream.row.status {
                StreamStatus::Active => Ok(Progress::Done),
                StreamStatus::Creating => service.make_stream(&stream).map(|()| Progress::More),
                StreamStatus::Updating => service.reshard(&stream),
                StreamStatus::Deleting => service.unmake_stream(&stream).map(|()| Progress::Done),
            }
        });
        done.await?
    }
}
