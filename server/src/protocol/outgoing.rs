//! The sending half of a connection: answers in the order in which they are ready, small ones
//! together, batches from where they lie.
//!
//! The queue in front of it is bounded, so whoever makes answers for a client that does not read
//! them waits, and nobody else does.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use millstream_wire::{ErrorAnswer, ErrorCode, Response};
use tokio::{
    io::AsyncWriteExt,
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};

use super::{Context, answer, payload::Payload, socket::Sending};
use crate::service::{PendingBatches, PendingPut};

/// Answers that wait to be sent.
const QUEUE: usize = 64;
/// Bytes of small answers that are gathered before they are sent.
const GATHER_BYTES: usize = 64 << 10;

/// A request's place among those that are not answered; freed when it is dropped.
pub(super) type Slot = OwnedSemaphorePermit;

/// Something to be sent.
pub(super) enum Out {
    /// Whole frames.
    Frame(Vec<u8>),
    /// A frame whose payload is stored batches.
    Piece {
        /// Header and meta.
        head: Vec<u8>,
        payload: Payload,
        /// Bounds what is on its way out.
        room: OwnedSemaphorePermit,
    },
    /// Answered when it is durable.
    Put {
        correlation: u64,
        pending: Pending,
        slot: Slot,
    },
}

/// A put that was taken and is not durable yet.
pub(super) enum Pending {
    Records(PendingPut),
    Batches(PendingBatches),
}

/// The client is gone, or does not read.
#[derive(Debug)]
pub(super) struct Gone;

/// Where answers are handed over.
#[derive(Clone)]
pub(super) struct Answers(mpsc::Sender<Out>);

impl Answers {
    pub(super) async fn put(&self, out: Out) -> Result<(), Gone> {
        self.0.send(out).await.map_err(|_| Gone)
    }

    pub(super) async fn send(&self, correlation: u64, response: &Response) -> Result<(), Gone> {
        let mut frame = Vec::new();
        encode(response, correlation, 0, &mut frame);
        self.put(Out::Frame(frame)).await
    }

    /// Resolves when the sending half has ended.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}

/// Appends header and meta of an answer; of an error where the answer cannot be encoded.
pub(super) fn encode(response: &Response, correlation: u64, payload: usize, out: &mut Vec<u8>) {
    if let Err(error) = response.encode(correlation, payload, out) {
        tracing::error!(%error, "an answer cannot be encoded; this is a defect, please report it");
        let answer = ErrorAnswer::new(ErrorCode::Internal, format!("the answer: {error}"));
        // An error's fields are bounded: this one can be encoded.
        let _ = Response::Error(answer).encode(correlation, 0, out);
    }
}

pub(super) struct Outgoing {
    socket: Sending,
    queue: mpsc::Receiver<Out>,
    /// Puts in the order of arrival; they are answered in it.
    puts: VecDeque<(u64, Pending, Slot)>,
    /// Small answers, encoded.
    gathered: Vec<u8>,
    context: Arc<Context>,
}

enum Step {
    Take(Out),
    Answered,
    Flush,
    End,
}

impl Outgoing {
    pub(super) fn new(socket: Sending, context: Arc<Context>) -> (Outgoing, Answers) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let outgoing = Outgoing {
            socket,
            queue,
            puts: VecDeque::new(),
            gathered: Vec::new(),
            context,
        };
        (outgoing, Answers(sender))
    }

    /// Sends until nobody can hand over answers any more and all are sent, then tells the client
    /// that nothing follows.
    pub(super) async fn run(mut self) -> io::Result<()> {
        loop {
            match poll_fn(|cx| self.step(cx)).await {
                Step::Answered => {}
                Step::Take(Out::Frame(frame)) => self.gathered.extend_from_slice(&frame),
                Step::Take(Out::Put {
                    correlation,
                    pending,
                    slot,
                }) => self.puts.push_back((correlation, pending, slot)),
                Step::Take(Out::Piece {
                    head,
                    payload,
                    room,
                }) => {
                    self.send_piece(&head, &payload).await?;
                    drop((payload, room));
                }
                Step::Flush => self.flush().await?,
                Step::End => break,
            }
            if self.gathered.len() >= GATHER_BYTES {
                self.flush().await?;
            }
        }
        self.flush().await?;
        self.socket.shutdown().await
    }

    /// What to do next: whatever is ready, else send what was gathered.
    fn step(&mut self, cx: &mut TaskContext<'_>) -> Poll<Step> {
        if let Some((correlation, pending, _)) = self.puts.front_mut() {
            let answered = match pending {
                Pending::Records(put) => Pin::new(put)
                    .poll(cx)
                    .map(|outcome| answer::put(&self.context, outcome)),
                Pending::Batches(put) => Pin::new(&mut *put)
                    .poll(cx)
                    .map(|outcomes| answer::batches(&self.context, &put.stream, outcomes)),
            };
            if let Poll::Ready(response) = answered {
                encode(&response, *correlation, 0, &mut self.gathered);
                self.puts.pop_front();
                return Poll::Ready(Step::Answered);
            }
        }
        match self.queue.poll_recv(cx) {
            Poll::Ready(Some(out)) => Poll::Ready(Step::Take(out)),
            Poll::Ready(None) if self.puts.is_empty() => Poll::Ready(Step::End),
            _ if !self.gathered.is_empty() => Poll::Ready(Step::Flush),
            _ => Poll::Pending,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let limit = self.context.limits.send_timeout;
        write_all(&mut self.socket, &mut [IoSlice::new(&self.gathered)], limit).await?;
        self.gathered.clear();
        if self.gathered.capacity() > 4 * GATHER_BYTES {
            self.gathered = Vec::new();
        }
        Ok(())
    }

    /// Sends what was gathered, and a frame whose payload is sent from where it lies.
    ///
    /// Where the payload cannot be had any more the connection ends: asked again on another one,
    /// the service says what is wrong. When this happens in the middle of the frame, the system
    /// refuses to read the pages, which ends the connection too, or sends zeros, which the
    /// client's checksum finds.
    async fn send_piece(&mut self, head: &[u8], payload: &Payload) -> io::Result<()> {
        if !payload.is_intact() {
            self.flush().await?;
            tracing::error!(
                "a segment became unreadable after a batch was read from it; the connection is closed, and the client told when it asks again"
            );
            return Err(io::Error::other("what was read cannot be read any more"));
        }
        self.gathered.extend_from_slice(head);
        let limit = self.context.limits.send_timeout;
        let mut slices = Vec::with_capacity(1 + payload.parts.len());
        slices.push(IoSlice::new(&self.gathered));
        slices.extend(payload.parts.iter().map(|part| IoSlice::new(part.bytes())));
        write_all(&mut self.socket, &mut slices, limit).await?;
        self.gathered.clear();
        Ok(())
    }
}

/// Writes all slices; the client must take something within `limit`, again and again.
async fn write_all(
    socket: &mut Sending,
    mut slices: &mut [IoSlice<'_>],
    limit: Duration,
) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0); // drops empty ones in front
    while !slices.is_empty() {
        match timeout(limit, socket.write_vectored(slices)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut slices, n?),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    // TLS keeps what the socket did not take at once.
    match timeout(limit, socket.flush()).await {
        Ok(flushed) => flushed,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
