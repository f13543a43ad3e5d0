//! Put of ready batches: made by the client, one for a shard, received straight into a buffer of
//! the engine's and written as they are.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use millstream_engine::{
    Appended, Error as EngineError, PoolBuffer, ReadyBatch, Shard, Ticket,
    format::{BATCH_HEADER_LEN, BatchLimits},
};
use tokio::time::Instant;

use super::{Service, ServiceError, Stream, StreamShard, put::wait_for_room};

/// How long one request may wait for room, in all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    deadline: Instant,
}

/// What became of one batch.
pub(crate) type BatchOutcome = Result<Appended, ServiceError>;

/// The batches of one request: resolves when every one is decided.
pub(crate) struct PendingBatches {
    /// The stream, for its map when a batch was for a shard that it does not have.
    pub stream: Arc<Stream>,
    batches: Vec<State>,
    /// The first that is not decided yet.
    next: usize,
}

enum State {
    Waiting(Ticket),
    Decided(BatchOutcome),
}

impl PendingBatches {
    pub(crate) fn new(stream: Arc<Stream>, batches: usize) -> PendingBatches {
        PendingBatches {
            stream,
            batches: Vec::with_capacity(batches),
            next: 0,
        }
    }

    /// Adds the next batch of the request.
    pub(crate) fn push(&mut self, taken: Result<Ticket, ServiceError>) {
        self.batches.push(match taken {
            Ok(ticket) => State::Waiting(ticket),
            Err(error) => State::Decided(Err(error)),
        });
    }
}

impl Future for PendingBatches {
    type Output = Vec<BatchOutcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<BatchOutcome>> {
        let this = &mut *self;
        while let Some(state) = this.batches.get_mut(this.next) {
            if let State::Waiting(ticket) = state {
                let result = ready!(Pin::new(ticket).poll(cx));
                *state = State::Decided(result.map_err(ServiceError::from));
            }
            this.next += 1;
        }
        let batches = std::mem::take(&mut this.batches);
        let decided = batches.into_iter().filter_map(|state| match state {
            State::Decided(outcome) => Some(outcome),
            State::Waiting(_) => None,
        });
        Poll::Ready(decided.collect())
    }
}

impl Service {
    /// How long a request that begins now may wait for room.
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            deadline: Instant::now() + self.settings.put_wait,
        }
    }

    /// Looks at the envelope of a batch before its bytes are received.
    pub(crate) fn admit<'a>(
        &self,
        stream: &'a Stream,
        shard: u64,
        len: usize,
    ) -> Result<(&'a StreamShard, Shard), ServiceError> {
        let shard = stream.shard_by_id(shard)?;
        if !stream.is_served() {
            let name = stream.name().to_owned();
            return Err(ServiceError::NoSuchStream { name });
        }
        if !(BATCH_HEADER_LEN..=self.settings.batch_limit).contains(&len) {
            let limit = self.settings.batch_limit;
            return Err(ServiceError::BatchInvalid {
                reason: format!("{len} bytes: it is {BATCH_HEADER_LEN} to {limit} bytes"),
            });
        }
        Ok((shard, stream.open(shard)?))
    }

    /// A buffer for a batch of `len` bytes; waits while the memory is used up.
    pub(crate) async fn buffer(
        &self,
        len: usize,
        patience: Patience,
    ) -> Result<PoolBuffer, ServiceError> {
        loop {
            if let Some(buffer) = self.store.buffer(len) {
                return Ok(buffer);
            }
            wait_for_room(self.store.room(), patience.deadline).await?;
        }
    }

    /// Checks a batch that was received and hands it to its shard; waits while that has no room.
    pub(crate) async fn append_ready(
        &self,
        stream: &Stream,
        (place, shard): (&StreamShard, &Shard),
        buffer: PoolBuffer,
        len: usize,
        patience: Patience,
    ) -> Result<Ticket, ServiceError> {
        let limits = BatchLimits {
            max_record: stream.record_limit(self.settings.record_limit),
            require_key: true,
        };
        let mut batch = ReadyBatch::check(buffer, len, &limits)?;
        if self.settings.verify_routing {
            check_routing(place, &batch)?;
        }
        loop {
            batch = match shard.try_append_ready(batch) {
                Ok(ticket) => return Ok(ticket),
                Err((EngineError::Full { .. }, batch)) => batch,
                Err((EngineError::Sealed { .. }, _)) => {
                    // With its children to be seen, the client needs not ask again and again.
                    if place.is_open() {
                        self.resharded(stream, patience.deadline).await?;
                    }
                    return Err(stream.map_changed(place.id.0));
                }
                Err((error, _)) => return Err(self.noted(error)),
            };
            wait_for_room(shard.room(), patience.deadline).await?;
        }
    }
}

fn check_routing(place: &StreamShard, batch: &ReadyBatch) -> Result<(), ServiceError> {
    let strays = |record: millstream_engine::format::RecordView<'_>| {
        !place.range.contains(record.as_record().hash_key())
    };
    match batch.records().position(strays) {
        None => Ok(()),
        Some(index) => Err(ServiceError::BatchInvalid {
            reason: format!(
                "the key of its record {index} belongs to another shard than {}: hash keys as the shard map says",
                place.id
            ),
        }),
    }
}
