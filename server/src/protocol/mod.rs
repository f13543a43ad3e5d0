//! The front that speaks the binary protocol over TCP. `docs/PROTOCOL.md` is the contract.
//!
//! A connection has a task that reads frames and a task that writes them. A put is carried out by
//! the reading task, in the order of arrival, and its completion is awaited by the writing task;
//! everything that may take long has a task of its own.

mod answer;
mod connection;
mod dispatch;
mod fault;
mod follow;
mod get;
mod incoming;
mod outgoing;
mod payload;
mod put;
mod socket;

use std::{net::SocketAddr, sync::Arc};

use millstream_wire::{ErrorAnswer, ErrorCode, Response};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    config::{Config, LimitsConfig},
    credentials::Clients,
    listener::Front,
    service::Service,
    shutdown::Shutdown,
    tls::Tls,
};

/// What all connections share.
pub(crate) struct Context {
    pub service: Arc<Service>,
    pub limits: LimitsConfig,
    /// Longest frame that is received or sent.
    pub frame_limit: u32,
    /// Bounds bytes of payloads that are being received.
    receiving: Arc<Semaphore>,
    /// Permits of `receiving` in all.
    receiving_bytes: u32,
    /// Bounds memory of the store that is kept for sending.
    keeping: Arc<Semaphore>,
    pub shutdown: Shutdown,
    /// The certificate of the server, if it has one.
    tls: Option<Arc<Tls>>,
    /// The clients that may come in; `None` where anybody may.
    clients: Option<Arc<Clients>>,
    /// Whether the line may be open on addresses other than loopback.
    insecure: bool,
}

/// This part of the store's memory may be kept for clients that have not read it yet.
const KEPT_SHARE: usize = 8;

impl Context {
    pub(crate) fn new(
        config: &Config,
        service: Arc<Service>,
        tls: Option<Arc<Tls>>,
        clients: Option<Arc<Clients>>,
        shutdown: Shutdown,
    ) -> Context {
        let bytes = u32::try_from(config.bytes_in_flight()).unwrap_or(u32::MAX);
        Context {
            service,
            limits: config.limits.clone(),
            frame_limit: u32::try_from(config.frame_limit()).unwrap_or(u32::MAX),
            receiving: Arc::new(Semaphore::new(bytes as usize)),
            receiving_bytes: bytes,
            keeping: Arc::new(Semaphore::new(config.store.memory_budget / KEPT_SHARE)),
            shutdown,
            tls,
            clients,
            insecure: config.insecure,
        }
    }

    /// Leave to keep `bytes` of the store's memory, if there is room for them.
    fn keep_memory(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.keeping).try_acquire_many_owned(bytes).ok()
    }
}

impl Front for Context {
    fn connections(&self) -> usize {
        self.limits.connections
    }

    fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    async fn serve(self: Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        connection::serve(self, socket, peer).await;
    }

    fn refuse(&self, socket: &TcpStream) {
        let limit = self.limits.connections;
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
}
