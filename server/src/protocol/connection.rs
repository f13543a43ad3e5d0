//! One connection: the handshake, then frames until an end, then an orderly close.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use millstream_wire::{
    CHALLENGE_VERSION, Challenge, ErrorAnswer, ErrorCode, FrameHeader, Hello, LOWEST_VERSION,
    MIN_FRAME_LIMIT, NONCE_BYTES, Request, Response, VERSION, choose_version,
    credentials::MAX_ACCESS_KEY_BYTES,
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    Context,
    follow::Following,
    incoming::{Incoming, ReceiveError},
    outgoing::{Answers, Gone, Outgoing},
    socket,
};
use crate::{
    credentials::Clients,
    shutdown::{self, Shutdown},
};

/// What the server calls itself.
const SERVER_NAME: &str = concat!("millstream/", env!("CARGO_PKG_VERSION"));
/// How long a client may take to close its side, so that it has read the last answers.
const LINGER: Duration = Duration::from_secs(1);

/// An open connection, as the verbs see it.
pub(super) struct Connection {
    pub context: Arc<Context>,
    pub incoming: Incoming,
    pub answers: Answers,
    /// In the clear, from elsewhere, where there is TLS: nothing is carried out.
    pub exposed: bool,
    /// Longest frame in either direction, as agreed on.
    pub frame_limit: u32,
    /// Requests that may yet be taken.
    pub window: Arc<Semaphore>,
    /// Bytes that may yet be on their way out.
    pub output: Arc<Semaphore>,
    /// Gets, follows and changes that are being carried out.
    pub tasks: JoinSet<()>,
    pub follows: HashMap<u64, Following>,
    /// Told to the tasks when the connection ends.
    pub ends: Shutdown,
}

/// Why a connection ends.
pub(super) enum End {
    /// The client closed, or is gone.
    Client,
    /// The server shuts down.
    Shutdown,
    /// What came cannot be gone on with; told under this correlation.
    Refused(u64, ErrorAnswer),
    /// The system said so.
    Failed(std::io::Error),
}

impl From<ReceiveError> for End {
    fn from(error: ReceiveError) -> End {
        match error {
            ReceiveError::Closed => End::Client,
            ReceiveError::Frame(error) => End::Refused(0, error.into()),
            ReceiveError::Truncated | ReceiveError::Slow(_) => {
                End::Refused(0, ErrorAnswer::new(ErrorCode::BadFrame, error.to_string()))
            }
            ReceiveError::Io(error) => End::Failed(error),
        }
    }
}

impl From<Gone> for End {
    fn from(_: Gone) -> End {
        End::Client
    }
}

/// Serves a connection from its first byte to its last.
pub(super) async fn serve(context: Arc<Context>, socket: TcpStream, peer: SocketAddr) {
    let began = Instant::now();
    let opening = socket::open(&context, socket, peer);
    let halves = match timeout_at(began + context.limits.handshake_timeout, opening).await {
        Ok(Ok(halves)) => halves,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a connection did not begin");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "a connection did not begin in time");
            return;
        }
    };
    let (outgoing, answers) = Outgoing::new(halves.sending, Arc::clone(&context));
    // In a set, so that it ends with this task even where this task is cut off.
    let mut sending = JoinSet::new();
    sending.spawn(outgoing.run());
    let (trigger, ends) = shutdown::channel();
    let limits = &context.limits;
    let output = u32::try_from(limits.output_bytes).unwrap_or(u32::MAX);
    let mut connection = Connection {
        incoming: Incoming::new(halves.receiving, limits.receive_timeout),
        exposed: halves.exposed,
        frame_limit: context.frame_limit,
        window: Arc::new(Semaphore::new(limits.requests_in_flight as usize)),
        output: Arc::new(Semaphore::new(output as usize)),
        tasks: JoinSet::new(),
        follows: HashMap::new(),
        context: Arc::clone(&context),
        answers,
        ends,
    };
    let end = match connection.converse(peer).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    match &end {
        End::Client => tracing::debug!(%peer, "connection closed by the client"),
        End::Shutdown => tracing::debug!(%peer, "connection closed for shutdown"),
        End::Failed(error) => tracing::debug!(%peer, %error, "connection failed"),
        End::Refused(correlation, error) => {
            tracing::warn!(%peer, %error, "connection closed");
            let error = Response::Error(error.clone());
            let _ = connection.answers.send(*correlation, &error).await;
        }
    }
    trigger.stop();
    connection.follows.clear();
    while connection.tasks.join_next().await.is_some() {}
    let Connection {
        mut incoming,
        answers,
        ..
    } = connection;
    drop(answers);
    match sending.join_next().await {
        Some(Ok(Ok(()))) => incoming.drain(LINGER).await,
        Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "answers could not be sent"),
        Some(Err(error)) => tracing::error!(%peer, %error, "sending ended in a panic"),
        None => {}
    }
}

/// A conversation has no end but an [`End`].
pub(super) enum Never {}

impl Connection {
    async fn converse(&mut self, peer: SocketAddr) -> Result<Never, End> {
        let mut meta = Vec::new();
        let limit = self.context.limits.handshake_timeout;
        let greeting = self.greet(&mut meta, peer);
        match tokio::time::timeout(limit, greeting).await {
            Ok(greeted) => greeted?,
            Err(_) => {
                let message = format!("no Hello within {} s", limit.as_secs_f32());
                return Err(End::Refused(
                    0,
                    ErrorAnswer::new(ErrorCode::BadRequest, message),
                ));
            }
        }
        loop {
            let header = self.frame(&mut meta).await?;
            self.dispatch(header, &meta).await?;
        }
    }

    /// The next frame's header and meta, or the end of the connection between two frames.
    async fn frame(&mut self, meta: &mut Vec<u8>) -> Result<FrameHeader, End> {
        if self.incoming.has(1) && !self.context.shutdown.is_stopping() {
            return Ok(self.incoming.head(self.frame_limit, meta).await?);
        }
        let mut shutdown = self.context.shutdown.clone();
        tokio::select! {
            biased;
            () = shutdown.stopping() => return Err(End::Shutdown),
            begun = self.incoming.begin() => begun?,
            () = self.answers.gone() => return Err(End::Client),
        }
        Ok(self.incoming.head(self.frame_limit, meta).await?)
    }

    async fn greet(&mut self, meta: &mut Vec<u8>, peer: SocketAddr) -> Result<(), End> {
        let header = self.frame(meta).await?;
        let refused = |code, message: String| {
            End::Refused(header.correlation, ErrorAnswer::new(code, message))
        };
        let hello = match Request::decode(header.opcode, meta) {
            Ok(Request::Hello(hello)) => hello,
            Ok(other) => {
                let message = format!(
                    "the first frame is {:?}, it must be a Hello",
                    other.opcode()
                );
                return Err(refused(ErrorCode::BadRequest, message));
            }
            Err(error) => return Err(End::Refused(header.correlation, error.into())),
        };
        let Hello {
            min_version,
            max_version,
            frame_limit,
            client,
        } = hello;
        let Some(version) = choose_version(min_version, max_version) else {
            let message = format!(
                "the client speaks versions {min_version} to {max_version}, the server versions {LOWEST_VERSION} to {VERSION}"
            );
            let error = ErrorAnswer::new(ErrorCode::UnsupportedVersion, message);
            let error = error.with_detail(VERSION.into());
            return Err(End::Refused(header.correlation, error));
        };
        if frame_limit < MIN_FRAME_LIMIT {
            let message =
                format!("a frame limit of {frame_limit}: it is at least {MIN_FRAME_LIMIT}");
            return Err(refused(ErrorCode::BadRequest, message));
        }
        if header.payload_len > 0 {
            return Err(refused(
                ErrorCode::BadRequest,
                "a Hello has no payload".to_owned(),
            ));
        }
        if self.exposed {
            let message = "this address takes TLS only; give the client the server's certificate as authority (--tls-ca)";
            return Err(refused(ErrorCode::NotAuthenticated, message.to_owned()));
        }
        let client = client.to_owned();
        let correlation = match self.context.clients.clone() {
            None => header.correlation,
            Some(clients) => {
                self.ask(&clients, header.correlation, version, meta)
                    .await?
            }
        };
        self.frame_limit = self.context.frame_limit.min(frame_limit);
        tracing::debug!(%peer, client, version, frame_limit = self.frame_limit, "connected");
        let response = Response::HelloOk {
            version,
            frame_limit: self.frame_limit,
            window: self.context.limits.requests_in_flight,
            server: SERVER_NAME.to_owned(),
        };
        Ok(self.answers.send(correlation, &response).await?)
    }

    /// Asks the client who it is; the correlation under which it answered.
    async fn ask(
        &mut self,
        clients: &Clients,
        correlation: u64,
        version: u16,
        meta: &mut Vec<u8>,
    ) -> Result<u64, End> {
        let refused = |correlation, message: String| {
            let error = ErrorAnswer::new(ErrorCode::NotAuthenticated, message);
            End::Refused(correlation, error)
        };
        if version < CHALLENGE_VERSION {
            let message = format!(
                "this server asks its clients who they are, which they can answer from version {CHALLENGE_VERSION} of the protocol on: use a newer client"
            );
            return Err(refused(correlation, message));
        }
        let mut nonce = [0; NONCE_BYTES];
        if aws_lc_rs::rand::fill(&mut nonce).is_err() {
            let message = "the system gives no random numbers".to_owned();
            let error = ErrorAnswer::new(ErrorCode::Internal, message);
            return Err(End::Refused(correlation, error));
        }
        let challenge = Challenge { version, nonce };
        let question = Response::Challenge(challenge);
        self.answers.send(correlation, &question).await?;
        let header = self.frame(meta).await?;
        let correlation = header.correlation;
        let answer = match Request::decode(header.opcode, meta) {
            Ok(Request::Authenticate(answer)) if header.payload_len == 0 => answer,
            Ok(_) => {
                let message = "this server asks its clients who they are: answer the challenge, with an access key that it knows and its secret";
                return Err(refused(correlation, message.to_owned()));
            }
            Err(error) => return Err(End::Refused(correlation, error.into())),
        };
        let client = clients.get(answer.access_key);
        if client.is_none_or(|client| !challenge.is_answered_by(&answer, &client.secret_key)) {
            let shown: String = answer
                .access_key
                .chars()
                .take(MAX_ACCESS_KEY_BYTES)
                .collect();
            let message = format!(
                "the access key {shown:?} is none that this server knows, or its secret is another"
            );
            return Err(refused(correlation, message));
        }
        Ok(correlation)
    }
}
