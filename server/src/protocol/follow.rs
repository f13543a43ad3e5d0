//! Follow: pieces are pushed as they become readable, within the credit that the client gives.

use std::sync::Arc;

use millstream_wire::{ErrorAnswer, ErrorCode, FrameHeader, Response};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{
    answer,
    connection::{Connection, End},
    get::{Pieces, Place, shrink},
};
use crate::service::{Piece, PieceLimits, Reading, ServiceError};

/// Most bytes pushed at a time, unless one batch is larger.
const PUSH_BYTES: usize = 1 << 20;

/// A follow, as the reading task holds it; dropping it stops the follow.
pub(super) struct Following(watch::Sender<Control>);

/// What the client has said of a follow so far.
#[derive(Debug, Clone, Copy)]
struct Control {
    /// Bytes that it has allowed in all.
    granted: u64,
    /// It wants no more.
    unfollowed: bool,
}

/// Why a follow ends.
enum Stop {
    /// The client asked for it, or was told that nothing follows.
    Over,
    /// The connection ends.
    Ended,
    Failed(ServiceError),
}

impl From<ServiceError> for Stop {
    fn from(error: ServiceError) -> Stop {
        Stop::Failed(error)
    }
}

impl Connection {
    pub(super) async fn follow(&mut self, id: u64, place: Place, credit: u64) -> Result<(), End> {
        self.follows.retain(|_, following| !following.0.is_closed());
        let refused = if self.follows.contains_key(&id) {
            Some((
                ErrorCode::BadRequest,
                format!("there is a follow {id} already"),
            ))
        } else if self.follows.len() >= self.context.limits.followers {
            let limit = self.context.limits.followers;
            let message = format!("this connection has its limit of {limit} follows");
            Some((ErrorCode::TooManyRequests, message))
        } else {
            None
        };
        if let Some((code, message)) = refused {
            let error = Response::Error(ErrorAnswer::new(code, message));
            return Ok(self.answers.send(id, &error).await?);
        }
        let (sender, control) = watch::channel(Control {
            granted: credit,
            unfollowed: false,
        });
        self.follows.insert(id, Following(sender));
        let pieces = self.pieces();
        self.tasks.spawn(
            Follow {
                id,
                pieces,
                control,
            }
            .run(place),
        );
        Ok(())
    }

    /// More credit; for a follow that has ended it is late, and means nothing.
    pub(super) fn credit(&mut self, id: u64, bytes: u64) {
        if let Some(following) = self.follows.get(&id) {
            following.0.send_modify(|control| {
                control.granted = control.granted.saturating_add(bytes);
            });
        }
    }

    pub(super) async fn unfollow(&mut self, header: FrameHeader) -> Result<(), End> {
        match self.follows.remove(&header.correlation) {
            Some(following) if !following.0.is_closed() => {
                following.0.send_modify(|control| control.unfollowed = true);
                Ok(())
            }
            // It may have ended by itself while this was on its way.
            _ => {
                let error = ErrorAnswer::new(ErrorCode::BadRequest, "there is no such follow");
                self.refuse(header, error).await
            }
        }
    }
}

struct Follow {
    id: u64,
    pieces: Pieces,
    control: watch::Receiver<Control>,
}

impl Follow {
    async fn run(mut self, (stream, shard, position): Place) {
        let service = Arc::clone(&self.pieces.context.service);
        let mut next = 0;
        let stop = match service.read(&stream, shard, position).await {
            Ok(mut reading) => match self.push(&mut reading, &mut next).await {
                Ok(never) => match never {},
                Err(stop) => stop,
            },
            Err(error) => Stop::Failed(error),
        };
        match stop {
            Stop::Over => {
                let end = Response::FollowEnd { next };
                let _ = self.pieces.answers.send(self.id, &end).await;
            }
            Stop::Failed(error) => self.pieces.fail(self.id, &error).await,
            // The client is told where the server is the reason.
            Stop::Ended if self.pieces.context.shutdown.is_stopping() => {
                self.pieces.fail(self.id, &ServiceError::ShuttingDown).await;
            }
            Stop::Ended => {}
        }
    }

    /// Pushes until there is a reason to stop. `next` is where the client would go on.
    async fn push(
        &mut self,
        reading: &mut Reading,
        next: &mut u64,
    ) -> Result<std::convert::Infallible, Stop> {
        let service = Arc::clone(&self.pieces.context.service);
        // At once, and empty: it says that the follow stands, and where.
        let piece = service.empty_piece(reading);
        *next = piece.next;
        let room = self.pieces.room(0).await?;
        self.send(piece, room).await?;
        let mut spent = 0u64;
        loop {
            let credit = self.credit(spent).await?;
            let bytes = PUSH_BYTES.min(usize::try_from(credit).unwrap_or(PUSH_BYTES));
            let mut room = self.pieces.room(bytes).await?;
            let limits = PieceLimits {
                bytes,
                records: 0,
                frame: self.pieces.frame,
            };
            let piece = service.next_piece(reading, limits).await?;
            if piece.batches.is_empty() && !piece.closed {
                drop(room);
                self.until_readable(reading).await?;
                continue;
            }
            *next = piece.next;
            shrink(&mut room, piece.bytes);
            spent = spent.saturating_add(piece.bytes as u64);
            let closed = piece.closed;
            self.send(piece, room).await?;
            if closed {
                return Err(Stop::Over);
            }
        }
    }

    async fn send(&self, piece: Piece, room: OwnedSemaphorePermit) -> Result<(), Stop> {
        let chunk = Response::Followed(answer::chunk(&piece));
        let sent = self.pieces.send(self.id, &chunk, piece, room).await;
        sent.map_err(|_| Stop::Ended)
    }

    /// Waits for credit; how much there is.
    async fn credit(&mut self, spent: u64) -> Result<u64, Stop> {
        let enough = |control: &Control| control.unfollowed || control.granted > spent;
        let control = tokio::select! {
            biased;
            () = self.pieces.ends.stopping() => return Err(Stop::Ended),
            control = self.control.wait_for(enough) => match control {
                Ok(control) => *control,
                Err(_) => return Err(Stop::Ended),
            },
        };
        if control.unfollowed {
            return Err(Stop::Over);
        }
        Ok(control.granted - spent)
    }

    async fn until_readable(&mut self, reading: &Reading) -> Result<(), Stop> {
        tokio::select! {
            biased;
            () = self.pieces.ends.stopping() => Err(Stop::Ended),
            stopped = self.control.wait_for(|control| control.unfollowed) => match stopped {
                Ok(_) => Err(Stop::Over),
                Err(_) => Err(Stop::Ended),
            },
            readable = reading.readable() => {
                readable.map_err(|error| Stop::Failed(ServiceError::from(error)))
            }
        }
    }
}
