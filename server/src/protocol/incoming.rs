//! The receiving half of a connection: frames out of a small buffer, large payloads straight to
//! where they are wanted.

use std::{io, time::Duration};

use millstream_wire::{FRAME_HEADER_LEN, FrameError, FrameHead, FrameHeader};
use thiserror::Error;
use tokio::{
    io::AsyncReadExt,
    time::{Instant, timeout_at},
};

use super::socket::Receiving;

/// Size of the buffer of a connection that was never busy.
const SMALL_BUFFER: usize = 8 << 10;
/// Size that it grows to; larger payloads do not go through it.
pub(super) const LARGE_BUFFER: usize = 64 << 10;

/// Why there is no frame.
#[derive(Debug, Error)]
pub(super) enum ReceiveError {
    #[error("closed by the client")]
    Closed,
    #[error("the frame is cut short: the connection was closed inside it")]
    Truncated,
    #[error("the frame took longer than {} s to arrive", .0.as_secs_f32())]
    Slow(Duration),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) struct Incoming {
    socket: Receiving,
    buffer: Vec<u8>,
    /// What was received and not taken is `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Time for the rest of a frame once it has begun.
    timeout: Duration,
}

impl Incoming {
    pub(super) fn new(socket: Receiving, timeout: Duration) -> Incoming {
        Incoming {
            socket,
            buffer: vec![0; SMALL_BUFFER],
            start: 0,
            end: 0,
            timeout,
        }
    }

    /// Waits for the first byte of the next frame, without a limit of time. May be dropped.
    pub(super) async fn begin(&mut self) -> Result<(), ReceiveError> {
        if self.start < self.end {
            return Ok(());
        }
        self.make_room(FRAME_HEADER_LEN);
        match self.socket.read(&mut self.buffer[self.end..]).await? {
            0 => Err(ReceiveError::Closed),
            n => {
                self.end += n;
                Ok(())
            }
        }
    }

    /// Reads header and meta of the next frame, the meta into `meta`. The payload comes next.
    pub(super) async fn head(
        &mut self,
        limit: u32,
        meta: &mut Vec<u8>,
    ) -> Result<FrameHeader, ReceiveError> {
        let deadline = self.deadline();
        loop {
            let received = &self.buffer[self.start..self.end];
            if let Some(head) = FrameHead::parse(received, limit)? {
                meta.clear();
                meta.extend_from_slice(head.meta);
                let (header, len) = (head.header, head.len());
                self.start += len;
                return Ok(header);
            }
            let needed = FrameHead::needed(received);
            self.fill(needed, deadline).await?;
        }
    }

    /// Whether a payload of `len` bytes has been received already.
    pub(super) fn has(&self, len: usize) -> bool {
        self.end - self.start >= len
    }

    /// Takes `len` bytes of payload, at most [`LARGE_BUFFER`], in place.
    pub(super) async fn take(&mut self, len: usize) -> Result<&[u8], ReceiveError> {
        let deadline = self.deadline();
        self.fill(len, deadline).await?;
        let taken = self.start..self.start + len;
        self.start += len;
        Ok(&self.buffer[taken])
    }

    /// Fills `out` with payload.
    pub(super) async fn read_into(&mut self, out: &mut [u8]) -> Result<(), ReceiveError> {
        let have = out.len().min(self.end - self.start);
        let (first, mut rest) = out.split_at_mut(have);
        first.copy_from_slice(&self.buffer[self.start..self.start + have]);
        self.start += have;
        let deadline = self.deadline();
        while !rest.is_empty() {
            let n = self.within(deadline, rest.len(), Some(&mut *rest)).await?;
            rest = &mut rest[n..];
        }
        Ok(())
    }

    /// Drops `len` bytes of payload.
    pub(super) async fn skip(&mut self, len: usize) -> Result<(), ReceiveError> {
        let deadline = self.deadline();
        let have = len.min(self.end - self.start);
        self.start += have;
        let mut left = len - have;
        while left > 0 {
            (self.start, self.end) = (0, 0);
            left -= self.within(deadline, left, None).await?;
        }
        Ok(())
    }

    /// Reads and drops whatever comes until the client closes, but not longer than `time`: a
    /// close with bytes unread would take away answers that the client has not read yet.
    pub(super) async fn drain(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        (self.start, self.end) = (0, 0);
        while let Ok(1..) = self.within(deadline, usize::MAX, None).await {}
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Receives until `needed` bytes are in the buffer.
    async fn fill(&mut self, needed: usize, deadline: Instant) -> Result<(), ReceiveError> {
        while !self.has(needed) {
            self.make_room(needed);
            let read = self.socket.read(&mut self.buffer[self.end..]);
            match timeout_at(deadline, read).await {
                Ok(Ok(0)) => return Err(ReceiveError::Truncated),
                Ok(n) => self.end += n?,
                Err(_) => return Err(ReceiveError::Slow(self.timeout)),
            }
        }
        Ok(())
    }

    /// Reads at most `most` bytes into `out`, or into the buffer, which must be empty, as scratch.
    async fn within(
        &mut self,
        deadline: Instant,
        most: usize,
        out: Option<&mut [u8]>,
    ) -> Result<usize, ReceiveError> {
        let most = most.min(self.buffer.len());
        let read = match out {
            Some(out) => self.socket.read(out),
            None => self.socket.read(&mut self.buffer[..most]),
        };
        match timeout_at(deadline, read).await {
            Ok(Ok(0)) => Err(ReceiveError::Truncated),
            Ok(n) => Ok(n?),
            Err(_) => Err(ReceiveError::Slow(self.timeout)),
        }
    }

    /// Makes the buffer able to hold `needed` bytes from `start` on, and to receive at least one.
    /// It grows as bytes come, never only because a header announces them.
    fn make_room(&mut self, needed: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > LARGE_BUFFER {
                self.buffer = vec![0; LARGE_BUFFER];
            }
        }
        if self.end < self.buffer.len() && self.start + needed <= self.buffer.len() {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            let len = self.buffer.len() * 2;
            self.buffer.resize(len, 0);
        }
    }
}
