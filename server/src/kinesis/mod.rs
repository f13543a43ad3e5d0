//! The front that speaks the API of Amazon Kinesis Data Streams over HTTP.
//!
//! A request goes from [`connection`] (HTTP/1.1 or HTTP/2, in the clear or over TLS) to [`exchange`],
//! which knows the order of checks: what is asked for ([`target`]), who asks ([`sigv4`]), the body
//! ([`request`]), and then the operation ([`op`]). [`answer`] puts the answer into HTTP.
//!
//! - [`model`]: operations, shapes, constraints and errors, generated from the service model.
//! - [`body`]: bodies in JSON and CBOR, to and from those shapes.
//! - [`fault`]: what an answer tells of an error.
//! - [`metrics_front`] and [`sts`]: what its clients need of CloudWatch and STS.
//! - [`sending`]: room in memory for answers.
//! - [`name`]: names and ARNs; [`refusal`]: errors of the service; [`description`]: streams, shards
//!   and consumers in answers; [`tag`]; [`token`]: places of pages.
//! - [`cors`]: what lets scripts of web pages in.
//! - [`sequence`], [`shard_id`]: numbers of records, names of shards.
//! - [`start`], [`iterator`]: places of readers; [`secret`]: what their texts are sealed with.
//! - [`entries`]: records in the body of a put; [`put_answer`]: what became of them.
//! - [`page`], [`writer`]: records in the body of an answer.
//! - [`event_stream`]: the frames in which a subscription is answered; [`frames`]: how they come to be.

mod answer;
mod bench;
mod bodies;
pub(crate) mod body;
mod connection;
mod cors;
mod description;
mod entries;
mod event_stream;
mod exchange;
pub(crate) mod fault;
mod frames;
pub(crate) mod iterator;
mod line;
mod metrics_front;
#[allow(dead_code)] // it is the whole model, also of what is not carried out yet
pub(crate) mod model;
mod name;
pub(crate) mod op;
mod page;
mod put_answer;
mod refusal;
mod request;
pub(crate) mod secret;
mod sending;
pub(crate) mod sequence;
mod shard_id;
pub(crate) mod sigv4;
mod start;
mod sts;
mod tag;
mod target;
mod token;
pub(crate) mod writer;

use std::{net::SocketAddr, sync::Arc};

pub(crate) use bench::Bench;
use iterator::Iterators;
use secret::Secret;
use token::Tokens;
use tokio::{net::TcpStream, sync::Semaphore};

use crate::{
    capacity::{Capacity, CapacityProfile},
    config::{Config, ConfigError, KinesisConfig, LimitsConfig},
    credentials::Clients,
    error::ServerError,
    fanout, listener,
    service::Service,
    shutdown::Shutdown,
    tls::Tls,
};
use bodies::Bodies;
use metrics_front::Counters;
use sending::Room;
use sigv4::Verifier;

/// The part of the memory for bodies of requests that is kept while nobody uses it.
const KEPT_PART: usize = 8;

/// What all requests share.
pub(crate) struct Front {
    pub service: Arc<Service>,
    /// The region that the server says it is.
    pub region: String,
    /// The account that every stream belongs to.
    pub account: String,
    pub shutdown: Shutdown,
    /// How much shards take and give.
    pub capacity: Capacity,
    pub iterators: Iterators,
    /// Who subscribes to what.
    pub fan_out: Arc<fanout::Registry>,
    /// What client libraries tell of themselves.
    pub metrics: Counters,
    /// Of pages.
    pub tokens: Tokens,
    settings: KinesisConfig,
    limits: LimitsConfig,
    /// Whether the line may be open on addresses other than loopback.
    insecure: bool,
    tls: Option<Arc<Tls>>,
    /// Knows the clients that may come in; `None` where anybody may.
    verifier: Option<Verifier>,
    /// Bounds bytes of requests that are being received and carried out.
    memory: Arc<Semaphore>,
    /// What bodies are received into.
    bodies: Arc<Bodies>,
    /// Bounds bytes of answers that are being made and sent.
    sending: Room,
}

/// What a front needs from files.
pub(crate) struct Opened {
    profile: CapacityProfile,
    secret: Secret,
}

impl Opened {
    /// Reads the files, and makes the key where there is none. Blocks.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(crate) fn of(config: &Config) -> Result<Opened, ServerError> {
        Ok(Opened {
            profile: profile(config)?,
            secret: secret::ensure(&config.data)?,
        })
    }
}

/// What the server limits.
///
/// # Errors
/// When the configuration names a file that cannot be used.
pub(crate) fn profile(config: &Config) -> Result<CapacityProfile, ConfigError> {
    CapacityProfile::named(&config.kinesis.limits).map_err(|error| ConfigError::Value {
        key: "kinesis.limits",
        reason: error.to_string(),
    })
}

#[cfg(test)]
pub(crate) mod fixture;

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The access key that signed; `None` where nobody is asked and the request has none.
    pub access_key: Option<String>,
}

impl Front {
    pub(crate) fn new(
        config: &Config,
        service: Arc<Service>,
        tls: Option<Arc<Tls>>,
        clients: Option<Arc<Clients>>,
        shutdown: Shutdown,
        opened: Opened,
    ) -> Front {
        let settings = config.kinesis.clone();
        let clock = Arc::clone(service.clock());
        let skew = i64::try_from(settings.clock_skew.as_secs()).unwrap_or(i64::MAX);
        Front {
            capacity: Capacity::new(opened.profile, clock),
            iterators: Iterators::new(&opened.secret),
            fan_out: Arc::default(),
            tokens: Tokens::new(&opened.secret),
            service,
            region: settings.region.clone(),
            account: settings.account_id.clone(),
            shutdown,
            metrics: Counters::default(),
            limits: config.limits.clone(),
            insecure: config.insecure,
            tls,
            verifier: clients.map(|clients| Verifier::new(clients, &settings.region, skew)),
            sending: Room::new(settings.bytes_in_flight),
            memory: Arc::new(Semaphore::new(settings.bytes_in_flight)),
            bodies: Bodies::new(settings.bytes_in_flight / KEPT_PART),
            settings,
        }
    }
}

impl listener::Front for Front {
    fn connections(&self) -> usize {
        self.limits.connections
    }

    fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    async fn serve(self: Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        match connection::serve(self, socket, peer).await {
            Ok(()) => tracing::debug!(%peer, "connection of the AWS API closed"),
            Err(error) => tracing::debug!(%peer, %error, "connection of the AWS API ended"),
        }
    }

    fn refuse(&self, socket: &TcpStream) {
        // What a client of HTTP takes before it has asked, and tries again after.
        let answer =
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _ = socket.try_write(answer);
    }
}
