//! Accepts connections, as many as the configuration allows.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use millstream_wire::{ErrorAnswer, ErrorCode, Response};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinSet,
    time::Instant,
};

use super::{Context, connection};
use crate::error::ServerError;

/// Pause after a connection could not be accepted, for instance for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the configured address.
///
/// # Errors
/// [`ServerError::Insecure`] for an address that is not loopback, unless that was accepted;
/// [`ServerError::Listen`] when the system refuses.
pub(crate) async fn bind(address: &str, insecure: bool) -> Result<TcpListener, ServerError> {
    let refused = |source| ServerError::Listen {
        address: address.to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = lookup_host(address).await.map_err(refused)?.collect();
    if !insecure && let Some(open) = addresses.iter().find(|a| !a.ip().is_loopback()) {
        return Err(ServerError::Insecure { address: *open });
    }
    TcpListener::bind(&addresses[..]).await.map_err(refused)
}

/// The accepting task and the connections that it started.
pub(crate) struct Listener {
    listener: TcpListener,
    context: Arc<Context>,
    slots: Arc<Semaphore>,
    connections: JoinSet<()>,
}

impl Listener {
    pub(crate) fn new(listener: TcpListener, context: Arc<Context>) -> Listener {
        Listener {
            slots: Arc::new(Semaphore::new(context.limits.connections)),
            connections: JoinSet::new(),
            listener,
            context,
        }
    }

    /// Accepts until the signal to stop, then waits for the connections to finish what they
    /// accepted, but not longer than `grace`; how many were cut off.
    pub(crate) async fn run(mut self, grace: Duration) -> usize {
        let mut shutdown = self.context.shutdown.clone();
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
            refuse(&socket, peer, self.context.limits.connections);
            return;
        };
        let context = Arc::clone(&self.context);
        self.connections.spawn(async move {
            connection::serve(context, socket, peer).await;
            drop(slot);
        });
    }
}

fn refuse(socket: &TcpStream, peer: SocketAddr, limit: usize) {
    tracing::warn!(%peer, limit, "too many connections; one was refused");
    let message = format!(
        "the server has its limit of {limit} connections; close some, or raise limits.connections"
    );
    let error = Response::Error(ErrorAnswer::new(ErrorCode::TooManyRequests, message));
    let mut frame = Vec::new();
    if error.encode(0, 0, &mut frame).is_ok() {
        // A fresh socket has room for it; if not, the close says enough.
        let _ = socket.try_write(&frame);
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection ended in a panic; this is a defect, please report it");
    }
}
