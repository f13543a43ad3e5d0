//! Accepts connections for a front, as many as the configuration allows.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinSet,
    time::Instant,
};

use crate::{error::ServerError, shutdown::Shutdown};

/// Pause after a connection could not be accepted, for instance for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause between looks at what a client has sent, while it is too little to tell what it is.
const PEEK_PAUSE: Duration = Duration::from_millis(20);
/// Silence after which the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A front whose connections are accepted here.
pub(crate) trait Front: Send + Sync + 'static {
    /// Connections at a time.
    fn connections(&self) -> usize;
    /// The signal to stop.
    fn shutdown(&self) -> Shutdown;
    /// Serves a connection from its first byte to its last.
    fn serve(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send;
    /// Tells a client that there are too many connections, as far as that can be told at once.
    fn refuse(&self, socket: &TcpStream);
}

/// Who may come in, as far as it concerns the address that is listened on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entrance {
    /// Clients show that they have a secret.
    pub credentials: bool,
    /// Connections can be encrypted.
    pub tls: bool,
    /// Anybody may come, from anywhere.
    pub insecure: bool,
}

/// Binds a configured address.
///
/// # Errors
/// [`ServerError::Insecure`] for an address that is not loopback where clients are not known or
/// the line is open, unless that was accepted; [`ServerError::Listen`] when the system refuses.
pub(crate) async fn bind(address: &str, entrance: Entrance) -> Result<TcpListener, ServerError> {
    let refused = |source| ServerError::Listen {
        address: address.to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = lookup_host(address).await.map_err(refused)?.collect();
    let closed = (entrance.credentials && entrance.tls) || entrance.insecure;
    if !closed && let Some(open) = addresses.iter().find(|a| !a.ip().is_loopback()) {
        return Err(ServerError::Insecure {
            address: *open,
            missing: match (entrance.credentials, entrance.tls) {
                (true, _) => "does not encrypt",
                (false, true) => "asks no client who it is",
                (false, false) => "asks no client who it is and does not encrypt",
            },
        });
    }
    TcpListener::bind(&addresses[..]).await.map_err(refused)
}

/// The accepting task and the connections that it started.
pub(crate) struct Listener<F> {
    listener: TcpListener,
    front: Arc<F>,
    slots: Arc<Semaphore>,
    connections: JoinSet<()>,
}

impl<F: Front> Listener<F> {
    pub(crate) fn new(listener: TcpListener, front: Arc<F>) -> Listener<F> {
        Listener {
            slots: Arc::new(Semaphore::new(front.connections())),
            connections: JoinSet::new(),
            listener,
            front,
        }
    }

    /// Accepts until the signal to stop, then waits for the connections to finish what they
    /// accepted, but not longer than `grace`; how many were cut off.
    pub(crate) async fn run(mut self, grace: Duration) -> usize {
        let mut shutdown = self.front.shutdown();
        loop {
            tokio::select! {
                () = shutdown.stopping() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) => self.start(socket, peer),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = self.connections.join_next() => log_panic(ended),
            }
        }
        drop(self.listener);
        let deadline = Instant::now() + grace;
        while !self.connections.is_empty() {
            match tokio::time::timeout_at(deadline, self.connections.join_next()).await {
                Ok(Some(ended)) => log_panic(ended),
                Ok(None) => break,
                Err(_) => break,
            }
        }
        let cut_off = self.connections.len();
        self.connections.shutdown().await;
        cut_off
    }

    fn start(&mut self, socket: TcpStream, peer: SocketAddr) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let limit = self.front.connections();
            tracing::warn!(%peer, limit, "too many connections; one was refused");
            self.front.refuse(&socket);
            return;
        };
        let front = Arc::clone(&self.front);
        self.connections.spawn(async move {
            let _ = socket.set_nodelay(true);
            // Best effort: without it a client that vanished holds its connection.
            let _ = set_socket_keepalive(&socket, true);
            let _ = set_tcp_keepidle(&socket, KEEPALIVE);
            front.serve(socket, peer).await;
            drop(slot);
        });
    }
}

/// Waits until what a client has sent first is recognised; the bytes stay in the socket.
///
/// # Errors
/// When the client closes before, or the socket fails.
pub(crate) async fn peek<T>(
    socket: &TcpStream,
    recognise: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<T> {
    let mut bytes = [0; 8];
    loop {
        let len = socket.peek(&mut bytes).await?;
        if let Some(found) = recognise(&bytes[..len]) {
            return Ok(found);
        }
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What was seen stays readable: no event tells of what comes on top.
        tokio::time::sleep(PEEK_PAUSE).await;
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection ended in a panic; this is a defect, please report it");
    }
}
