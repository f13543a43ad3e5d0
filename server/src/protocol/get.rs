//! Get: one piece from a position, or what comes within the wait.

use std::{sync::Arc, time::Duration};

use millstream_engine::Position;
use millstream_wire::{FRAME_HEADER_LEN, Response};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    Context, answer,
    connection::Connection,
    fault,
    outgoing::{Answers, Gone, Out, Slot, encode},
    payload::Payload,
};
use crate::{
    service::{Piece, PieceLimits, ServiceError},
    shutdown::Shutdown,
};

/// Room that header and meta of a piece need in a frame.
const PIECE_OVERHEAD: usize = FRAME_HEADER_LEN + 64;
/// Fewest bytes that a piece has room for.
const SMALLEST_PIECE: usize = 1;

/// Stream, index of the shard, position.
pub(super) type Place = (String, u32, Position);

impl Connection {
    /// Starts a get. `most` are records and bytes.
    pub(super) fn get(
        &mut self,
        id: u64,
        place: Place,
        most: (u64, usize),
        wait_ms: u32,
        slot: Slot,
    ) {
        let mut pieces = self.pieces();
        let wait = Duration::from_millis(wait_ms.into());
        self.tasks.spawn(async move {
            match pieces.get(place, most, wait).await {
                Ok((piece, room)) => {
                    let chunk = Response::Got(answer::chunk(&piece));
                    let _ = pieces.send(id, &chunk, piece, room).await;
                }
                Err(error) => pieces.fail(id, &error).await,
            }
            drop(slot);
        });
    }

    /// What a get or a follow needs of the connection.
    pub(super) fn pieces(&self) -> Pieces {
        Pieces {
            frame: (self.frame_limit as usize).saturating_sub(PIECE_OVERHEAD),
            context: Arc::clone(&self.context),
            answers: self.answers.clone(),
            output: Arc::clone(&self.output),
            ends: self.ends.clone(),
        }
    }
}

/// Reads pieces and sends them, within what the connection may have on its way out.
pub(super) struct Pieces {
    pub context: Arc<Context>,
    pub answers: Answers,
    output: Arc<Semaphore>,
    /// The signal that the connection ends.
    pub ends: Shutdown,
    /// Most bytes of a payload.
    pub frame: usize,
}

impl Pieces {
    async fn get(
        &mut self,
        (stream, shard, position): Place,
        (records, bytes): (u64, usize),
        wait: Duration,
    ) -> Result<(Piece, OwnedSemaphorePermit), ServiceError> {
        let service = Arc::clone(&self.context.service);
        let deadline = Instant::now() + service.get_wait(wait);
        let mut reading = service.read(&stream, shard, position).await?;
        let limits = PieceLimits {
            bytes,
            records,
            frame: self.frame,
        };
        loop {
            let mut room = self.room(bytes).await?;
            let piece = service.next_piece(&mut reading, limits).await?;
            let over = Instant::now() >= deadline || self.ends.is_stopping() || piece.closed;
            if !piece.batches.is_empty() || over {
                shrink(&mut room, piece.bytes);
                return Ok((piece, room));
            }
            drop(room);
            tokio::select! {
                readable = reading.readable() => readable?,
                () = tokio::time::sleep_until(deadline) => {}
                () = self.ends.stopping() => {}
            }
        }
    }

    /// Waits until `bytes` may be on their way out.
    pub(super) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ServiceError> {
        let most = self.context.limits.output_bytes.min(self.frame);
        let bytes = u32::try_from(bytes.clamp(SMALLEST_PIECE, most)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.output).acquire_many_owned(bytes).await;
        room.map_err(|_| ServiceError::ShuttingDown)
    }

    pub(super) async fn send(
        &self,
        id: u64,
        chunk: &Response,
        piece: Piece,
        room: OwnedSemaphorePermit,
    ) -> Result<(), Gone> {
        let mut head = Vec::new();
        encode(chunk, id, piece.bytes, &mut head);
        let payload = Payload::new(|held| self.context.keep_memory(held), piece.batches);
        self.answers
            .put(Out::Piece {
                head,
                payload,
                room,
            })
            .await
    }

    pub(super) async fn fail(&self, id: u64, error: &ServiceError) {
        let error = Response::Error(fault::answer(&self.context, error));
        let _ = self.answers.send(id, &error).await;
    }
}

/// Gives back the room that a piece does not need.
pub(super) fn shrink(room: &mut OwnedSemaphorePermit, bytes: usize) {
    let surplus = room.num_permits().saturating_sub(bytes);
    drop(room.split(surplus));
}
