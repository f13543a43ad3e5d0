//! What HTTP is spoken over: a socket, or TLS on it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// What a client of HTTP/2 sends first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream of bytes whose first ones were looked at, and whose client must go on reading.
pub(super) struct Line<S> {
    stream: S,
    /// What was read to look at it, and how much of that is handed on.
    first: [u8; PREFACE.len()],
    first_len: usize,
    handed_on: usize,
    /// How long a client may read nothing.
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Line<S> {
        Line {
            stream,
            first: [0; PREFACE.len()],
            first_len: 0,
            handed_on: 0,
            patience,
            stalled: None,
        }
    }

    /// Whether the client begins with HTTP/2, known from its first bytes; false where it closes
    /// before that.
    pub(super) async fn begins_http2(&mut self) -> io::Result<bool> {
        while self.first_len < PREFACE.len() {
            let read = self.stream.read(&mut self.first[self.first_len..]).await?;
            self.first_len += read;
            let seen = &self.first[..self.first_len];
            if read == 0 || !PREFACE.starts_with(seen) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ends a client that has not read anything for too long.
    fn poll_patience<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn patient<T>(
        &mut self,
        cx: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if done.is_pending() {
            return self.poll_patience(cx);
        }
        self.stalled = None;
        done
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.handed_on < this.first_len {
            let rest = &this.first[this.handed_on..this.first_len];
            let len = rest.len().min(out.remaining());
            out.put_slice(&rest[..len]);
            this.handed_on += len;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, out)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.patient(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.patient(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_flush(cx);
        this.patient(cx, done)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.patient(cx, done)
    }
}
