//! The two halves of a connection: of a socket, or of TLS on it.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, split},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_rustls::server::TlsStream;

use super::Context;
use crate::{listener, tls};

/// The half that receives.
pub(super) enum Receiving {
    Plain(OwnedReadHalf),
    Tls(ReadHalf<TlsStream<TcpStream>>),
}

/// The half that sends.
pub(super) enum Sending {
    Plain(OwnedWriteHalf),
    Tls(WriteHalf<TlsStream<TcpStream>>),
}

/// Both halves, and whether the line is open where it should not be.
pub(super) struct Halves {
    pub receiving: Receiving,
    pub sending: Sending,
    pub exposed: bool,
}

/// Takes a connection as its client begins it: with TLS, where there is a certificate, or without.
pub(super) async fn open(
    context: &Context,
    socket: TcpStream,
    peer: SocketAddr,
) -> io::Result<Halves> {
    let Some(tls) = &context.tls else {
        return Ok(plain(socket, false));
    };
    if !listener::peek(&socket, tls::is_handshake).await? {
        let exposed = !context.insecure && !peer.ip().is_loopback();
        return Ok(plain(socket, exposed));
    }
    let (receiving, sending) = split(tls.binary().accept(socket).await?);
    Ok(Halves {
        receiving: Receiving::Tls(receiving),
        sending: Sending::Tls(sending),
        exposed: false,
    })
}

fn plain(socket: TcpStream, exposed: bool) -> Halves {
    let (receiving, sending) = socket.into_split();
    Halves {
        receiving: Receiving::Plain(receiving),
        sending: Sending::Plain(sending),
        exposed,
    }
}

impl AsyncRead for Receiving {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Receiving::Plain(half) => Pin::new(half).poll_read(cx, out),
            Receiving::Tls(half) => Pin::new(half).poll_read(cx, out),
        }
    }
}

impl AsyncWrite for Sending {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Sending::Plain(half) => Pin::new(half).poll_write(cx, bytes),
            Sending::Tls(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Sending::Plain(half) => Pin::new(half).poll_write_vectored(cx, slices),
            Sending::Tls(half) => Pin::new(half).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Sending::Plain(half) => half.is_write_vectored(),
            Sending::Tls(half) => half.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Sending::Plain(half) => Pin::new(half).poll_flush(cx),
            Sending::Tls(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Sending::Plain(half) => Pin::new(half).poll_shutdown(cx),
            Sending::Tls(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
