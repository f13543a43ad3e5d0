//! One connection: TLS or not, HTTP/1.1 or HTTP/2, then requests until an end.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::{
    Request,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{Front, exchange, line::Line};
use crate::{listener, tls};

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;
/// Most headers of a request.
const HEADERS: usize = 128;
/// Bytes that are read and written at a time over HTTP/1.1, at most.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes of one body over HTTP/2 that a client may send ahead of what was taken.
const STREAM_WINDOW: u32 = 512 << 10;
/// Bytes of all bodies of a connection over HTTP/2 that a client may send ahead.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of a frame of HTTP/2.
const HTTP2_FRAME: u32 = 64 << 10;
/// Bytes of an answer over HTTP/2 that wait to be sent before more of it is asked for: about an event
/// of a server with very many subscriptions, of which each may have a client that does not read.
const HTTP2_SEND_BUFFER: usize = 16 << 10;
/// Silence after which a client of HTTP/2 is asked whether it is still there, and how long it may
/// take to answer.
const HTTP2_PING: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(30));

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In a way that is accepted.
    Open,
    /// In the clear, from elsewhere, where there is TLS: it is not carried out.
    Exposed,
}

/// Serves a connection from its first byte to its last.
pub(super) async fn serve(
    front: Arc<Front>,
    socket: TcpStream,
    peer: SocketAddr,
) -> io::Result<()> {
    let mut shutdown = front.shutdown.clone();
    let first = timeout(
        front.settings.idle_timeout,
        listener::peek(&socket, tls::is_handshake),
    );
    let is_tls = tokio::select! {
        first = first => first??,
        () = shutdown.stopping() => return Ok(()),
    };
    let patience = front.limits.send_timeout;
    if !is_tls {
        let exposed = front.tls.is_some() && !front.insecure && !peer.ip().is_loopback();
        let way = if exposed { Way::Exposed } else { Way::Open };
        return tell_version(front, Line::new(socket, patience), way).await;
    }
    let Some(tls) = &front.tls else {
        let reason = "the client speaks TLS, and this server has no certificate: give it --tls-cert and --tls-key, or --tls-self-signed";
        tracing::warn!(%peer, "{reason}");
        return Err(io::Error::other(reason));
    };
    let accepting = tls.http().accept(socket);
    let stream = timeout(front.limits.handshake_timeout, accepting).await??;
    let settled = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let line = Line::new(stream, patience);
    match settled.as_deref() {
        Some(b"h2") => http2(front, line, Way::Open).await,
        Some(_) => http1(front, line, Way::Open).await,
        // Clients that know already what the server speaks do not ask.
        None => tell_version(front, line, Way::Open).await,
    }
}

/// Finds out from the first bytes which HTTP it is.
async fn tell_version<S>(front: Arc<Front>, mut line: Line<S>, way: Way) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut shutdown = front.shutdown.clone();
    let is_http2 = tokio::select! {
        first = timeout(front.settings.idle_timeout, line.begins_http2()) => first??,
        () = shutdown.stopping() => return Ok(()),
    };
    if is_http2 {
        http2(front, line, way).await
    } else {
        http1(front, line, way).await
    }
}

async fn http1<S>(front: Arc<Front>, line: Line<S>, way: Way) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut shutdown = front.shutdown.clone();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .half_close(true)
        .max_headers(HEADERS)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES)
        .header_read_timeout(front.settings.idle_timeout);
    let service = service_fn(move |request| respond(Arc::clone(&front), request, way));
    let mut connection = pin!(http.serve_connection(TokioIo::new(line), service));
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        () = shutdown.stopping() => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(io::Error::other)
}

async fn http2<S>(front: Arc<Front>, line: Line<S>, way: Way) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut shutdown = front.shutdown.clone();
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(HTTP2_FRAME)
        .max_concurrent_streams(front.limits.requests_in_flight)
        .max_header_list_size(HEAD_BYTES as u32)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .keep_alive_interval(HTTP2_PING.0)
        .keep_alive_timeout(HTTP2_PING.1);
    let idle = front.settings.idle_timeout;
    let requests = Arc::new(Requests::default());
    let counted = Arc::clone(&requests);
    let service = service_fn(move |request| {
        let begun = Begun::new(&counted);
        let responding = respond(Arc::clone(&front), request, way);
        async move {
            let response = responding.await;
            drop(begun);
            response
        }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(line), service));
    let mut seen = 0;
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(io::Error::other),
            () = shutdown.stopping() => break,
            () = tokio::time::sleep(idle) => {
                let begun = requests.begun.load(Relaxed);
                if begun == seen && requests.open.load(Relaxed) == 0 {
                    break;
                }
                seen = begun;
            }
        }
    }
    // What has begun is still answered, whole streams among it.
    connection.as_mut().graceful_shutdown();
    connection.await.map_err(io::Error::other)
}

/// Requests of a connection.
#[derive(Default)]
struct Requests {
    /// So far.
    begun: AtomicU64,
    /// Not answered yet.
    open: AtomicU64,
}

/// A request that is not answered yet.
struct Begun(Arc<Requests>);

impl Begun {
    fn new(requests: &Arc<Requests>) -> Begun {
        requests.begun.fetch_add(1, Relaxed);
        requests.open.fetch_add(1, Relaxed);
        Begun(Arc::clone(requests))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

async fn respond(
    front: Arc<Front>,
    request: Request<Incoming>,
    way: Way,
) -> Result<exchange::Response, Infallible> {
    Ok(exchange::carry_out(&front, request, way).await)
}
