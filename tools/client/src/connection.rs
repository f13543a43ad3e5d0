//! One connection: a task that writes, a task that reads, and the requests between them.

mod receive;
mod send;

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_wire::{
    DEFAULT_WINDOW, FRAME_HEADER_LEN, FrameHead, Hello, LOWEST_VERSION, MIN_FRAME_LIMIT,
    NONCE_BYTES, Request, Response, VERSION,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time,
};
use tokio_rustls::TlsConnector;

use crate::{ClientOptions, Error};

/// The half of a socket, or of TLS on it, that receives.
type Receiving = Box<dyn AsyncRead + Send + Unpin>;
/// The half that sends.
type Sending = Box<dyn AsyncWrite + Send + Unpin>;

/// Bytes to be sent after a frame's meta; shared, so that a batch can be sent again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payload {
    pub(crate) bytes: Option<Arc<Vec<u8>>>,
    pub(crate) len: usize,
}

impl Payload {
    fn as_slice(&self) -> &[u8] {
        self.bytes
            .as_ref()
            .and_then(|bytes| bytes.get(..self.len))
            .unwrap_or_default()
    }
}

/// A frame on its way out: header and meta, then the payload.
#[derive(Debug)]
struct Outgoing {
    head: Vec<u8>,
    payload: Payload,
}

/// An answer and its payload.
pub(crate) type Answer = Result<(Response, Vec<u8>), Error>;

/// Who waits for the answer to a request.
pub(crate) enum Waiter {
    /// One answer.
    Once(oneshot::Sender<Answer>),
    /// One answer, given to a function that must not wait.
    Call(Box<dyn FnOnce(Answer) + Send>),
    /// Answers until an error or the end. While nobody takes them, nothing more is read from the
    /// connection, which is the follow's own.
    Many(mpsc::Sender<Answer>),
}

struct Pending {
    waiter: Waiter,
    /// Room in the window, given back with the answer.
    _permit: Option<OwnedSemaphorePermit>,
}

/// What the tasks and the handles of a connection share.
struct Shared {
    address: Arc<str>,
    pending: Mutex<HashMap<u64, Pending>>,
    /// Set once, when the connection is lost or closed.
    dead: watch::Sender<bool>,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, HashMap<u64, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when the connection is lost or closed.
    async fn died(&self) {
        // The sender lives in self: waiting cannot fail.
        drop(self.dead.subscribe().wait_for(|dead| *dead).await);
    }

    /// Takes no more requests and tells those that wait.
    fn die(&self, error: &Error) {
        self.dead.send_replace(true);
        let waiting: Vec<Pending> = self.pending().drain().map(|(_, waiting)| waiting).collect();
        for pending in waiting {
            answer(pending.waiter, Err(error.clone()));
        }
    }
}

fn answer(waiter: Waiter, answer: Answer) {
    // Who no longer waits need not be told.
    match waiter {
        Waiter::Once(sender) => drop(sender.send(answer)),
        Waiter::Call(call) => call(answer),
        // A follow that is full learns of its end when it finds the channel closed.
        Waiter::Many(sender) => drop(sender.try_send(answer)),
    }
}

/// A connection after its handshake. It is closed when this is dropped.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    correlation: AtomicU64,
    frame_limit: u32,
    /// Requests that may still be sent without an answer.
    pub(crate) window: Arc<Semaphore>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

impl Connection {
    /// Connects and shakes hands, within `options.connect_timeout`.
    pub(crate) async fn open(
        address: &Arc<str>,
        options: &ClientOptions,
    ) -> Result<Connection, Error> {
        let limit = options.connect_timeout;
        match time::timeout(limit, Connection::open_unbounded(address, options)).await {
            Ok(result) => result,
            Err(_) => Err(Error::timeout("connecting to", address, limit)),
        }
    }

    async fn open_unbounded(
        address: &Arc<str>,
        options: &ClientOptions,
    ) -> Result<Connection, Error> {
        let stream = TcpStream::connect(&**address)
            .await
            .map_err(|e| Error::io("connecting to", address, e))?;
        stream
            .set_nodelay(true)
            .map_err(|e| Error::io("connecting to", address, e))?;
        let (mut receiving, mut sending): (Receiving, Sending) = match &options.tls {
            None => {
                let (receiving, sending) = stream.into_split();
                (Box::new(receiving), Box::new(sending))
            }
            Some(tls) => {
                let connector = TlsConnector::from(tls.config.clone());
                let stream = connector.connect(tls.name_of(address)?, stream).await;
                let stream = stream.map_err(|e| Error::io("settling TLS with", address, e))?;
                let (receiving, sending) = tokio::io::split(stream);
                (Box::new(receiving), Box::new(sending))
            }
        };
        let settled = shake_hands(&mut receiving, &mut sending, address, options).await?;
        let (frame_limit, window) = settled;
        let shared = Arc::new(Shared {
            address: address.clone(),
            pending: Mutex::default(),
            dead: watch::Sender::new(false),
        });
        let (outgoing, queue) = mpsc::unbounded_channel();
        tokio::spawn(send::run(sending, queue, shared.clone()));
        tokio::spawn(receive::run(receiving, shared.clone(), frame_limit));
        Ok(Connection {
            shared,
            outgoing,
            correlation: AtomicU64::new(1),
            frame_limit,
            window: Arc::new(Semaphore::new(window as usize)),
        })
    }

    /// Longest frame of the connection.
    pub(crate) fn frame_limit(&self) -> u32 {
        self.frame_limit
    }

    /// Whether requests can be sent, as far as is known.
    pub(crate) fn is_alive(&self) -> bool {
        !*self.shared.dead.borrow()
    }

    /// What to say where the connection is found to be gone.
    pub(crate) fn lost(&self) -> Error {
        Error::lost(&self.shared.address, "closed")
    }

    /// Closes the connection; whoever waits is told that it was lost.
    pub(crate) fn close(&self) {
        let error = Error::lost(&self.shared.address, "closed");
        self.shared.die(&error);
    }

    /// Sends a request and waits for its answer, at most `limit` from when it was sent.
    pub(crate) async fn request(
        &self,
        request: &Request<'_>,
        payload: Payload,
        limit: Duration,
    ) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let lost = || Error::NotSent {
            address: self.shared.address.clone(),
        };
        let permit = match time::timeout(limit, self.window.clone().acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| lost())?,
            Err(_) => {
                return Err(Error::timeout(
                    "waiting for room in the window of",
                    &self.shared.address,
                    limit,
                ));
            }
        };
        self.send(request, payload, Waiter::Once(sender), Some(permit))?;
        match time::timeout(limit, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::lost(&self.shared.address, "closed")),
            Err(_) => {
                self.close();
                let address = &self.shared.address;
                Err(Error::no_answer(address, limit))
            }
        }
    }

    /// Sends a request; the waiter is told its answer, or that the connection was lost. The
    /// request's correlation id. On error the waiter is not told.
    pub(crate) fn send(
        &self,
        request: &Request<'_>,
        payload: Payload,
        waiter: Waiter,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<u64, Error> {
        let correlation = self.correlation.fetch_add(1, Ordering::Relaxed);
        let mut head = Vec::with_capacity(128);
        request.encode(correlation, payload.len, &mut head)?;
        let length = (head.len() + payload.len).saturating_sub(4);
        if length > self.frame_limit as usize {
            return Err(Error::FrameLimit {
                len: length,
                limit: self.frame_limit,
            });
        }
        let pending = Pending {
            waiter,
            _permit: permit,
        };
        self.shared.pending().insert(correlation, pending);
        let sent = self.outgoing.send(Outgoing { head, payload });
        // Whoever marks the connection dead empties the map afterwards: either it has seen our
        // waiter, or we see the mark.
        let dead = sent.is_err() || !self.is_alive();
        if dead && self.shared.pending().remove(&correlation).is_some() {
            return Err(Error::NotSent {
                address: self.shared.address.clone(),
            });
        }
        Ok(correlation)
    }

    /// Sends a frame that has no answer, for a follow.
    pub(crate) fn tell(&self, request: &Request<'_>, correlation: u64) {
        let mut head = Vec::with_capacity(64);
        if request.encode(correlation, 0, &mut head).is_ok() {
            let payload = Payload::default();
            // On a dead connection there is nobody to be told.
            drop(self.outgoing.send(Outgoing { head, payload }));
        }
    }
}

/// What the handshake settled: the frame limit, and the window.
type Settled = (u32, u32);

async fn shake_hands(
    receiving: &mut Receiving,
    sending: &mut Sending,
    address: &Arc<str>,
    options: &ClientOptions,
) -> Result<Settled, Error> {
    let hello = Request::Hello(Hello {
        min_version: LOWEST_VERSION,
        max_version: VERSION,
        frame_limit: options.frame_limit,
        client: &options.name,
    });
    let limit = options.frame_limit;
    greet(sending, &hello, address).await?;
    let mut response = greeting(receiving, limit, address).await?;
    if let Response::Challenge(challenge) = response {
        let Some(credentials) = &options.credentials else {
            let address = address.clone();
            return Err(Error::NoCredentials { address });
        };
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| {
            let source = io::Error::other("the system gives no random numbers");
            Error::io("greeting", address, source)
        })?;
        let answer = Request::Authenticate(challenge.answer(credentials, nonce));
        greet(sending, &answer, address).await?;
        response = greeting(receiving, limit, address).await?;
    }
    match response {
        Response::HelloOk {
            version: LOWEST_VERSION..=VERSION,
            frame_limit,
            window,
            ..
        } if frame_limit >= MIN_FRAME_LIMIT => {
            let window = window.clamp(1, 64 * DEFAULT_WINDOW);
            Ok((frame_limit.min(options.frame_limit), window))
        }
        Response::Error(error) => Err(Error::Server(error)),
        other => Err(Error::Unexpected {
            what: format!("the greeting with {other:?}"),
        }),
    }
}

async fn greet(
    sending: &mut Sending,
    request: &Request<'_>,
    address: &Arc<str>,
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    request.encode(0, 0, &mut bytes)?;
    let sent = match sending.write_all(&bytes).await {
        Ok(()) => sending.flush().await,
        failed => failed,
    };
    sent.map_err(|e| Error::io("greeting", address, e))
}

/// The next answer of the handshake; not a byte more is read.
async fn greeting(
    receiving: &mut Receiving,
    frame_limit: u32,
    address: &Arc<str>,
) -> Result<Response, Error> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = FrameHead::parse(&bytes, frame_limit)? {
            return Ok(Response::decode(head.header.opcode, head.meta)?);
        }
        let needed = FrameHead::needed(&bytes).max(FRAME_HEADER_LEN);
        let mut part = (&mut *receiving).take((needed - bytes.len()) as u64);
        let got = part
            .read_buf(&mut bytes)
            .await
            .map_err(|e| Error::io("greeting", address, e))?;
        if got == 0 {
            // As of a server that is killed, or that takes no more connections: nothing was sent.
            let reason = "the server closed the connection during the handshake";
            let source = io::Error::new(io::ErrorKind::UnexpectedEof, reason);
            return Err(Error::io("greeting", address, source));
        }
    }
}
