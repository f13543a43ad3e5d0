use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_format::{BATCH_HEADER_LEN, BatchBuilder, Record};
use millstream_wire::{
    self as wire, MAX_STREAMS_PER_PAGE, Position, PutAnswer, Request, Response, ShardMap,
    StreamDescription, StreamSummary,
};
use tokio::{sync::Mutex, time};

use crate::{
    ClientOptions, CreateStream, Error, FollowOptions, Follower, GetOptions, Got, Producer,
    ProducerOptions, Reader,
    connection::{Connection, Payload},
    random::Backoff,
    reader,
};

/// How much longer than others a request may take that makes or removes shards: a hundred
/// thousand of them take minutes.
const SHARDS_CHANGE: Duration = Duration::from_secs(600);

/// A connection to a server that makes itself anew when it is lost. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: Arc<str>,
    options: ClientOptions,
    link: Mutex<Link>,
}

/// The one connection, and when it may be tried again after a failure.
#[derive(Debug)]
struct Link {
    connection: Option<Arc<Connection>>,
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl Client {
    /// Connects to `address` ("host:port") with the default options.
    ///
    /// # Errors
    /// When there is no server, or it speaks something else.
    pub async fn connect(address: &str) -> Result<Client, Error> {
        Client::connect_with(address, ClientOptions::default()).await
    }

    /// Connects to `address` ("host:port").
    ///
    /// # Errors
    /// When there is no server, or it speaks something else.
    pub async fn connect_with(address: &str, options: ClientOptions) -> Result<Client, Error> {
        let client = Client {
            inner: Arc::new(Inner {
                address: address.into(),
                link: Mutex::new(Link {
                    connection: None,
                    backoff: Backoff::new(options.backoff_min, options.backoff_max),
                    not_before: None,
                }),
                options,
            }),
        };
        client.connection().await?;
        Ok(client)
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// The connection, made anew if it was lost: one attempt, after the pause that is due.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let mut link = self.inner.link.lock().await;
        if let Some(connection) = &link.connection
            && connection.is_alive()
        {
            return Ok(connection.clone());
        }
        link.connection = None;
        if let Some(not_before) = link.not_before {
            time::sleep_until(not_before.into()).await;
        }
        match Connection::open(&self.inner.address, &self.inner.options).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                link.connection = Some(connection.clone());
                // A server that accepts and hangs up is not to be asked in a tight loop.
                link.not_before = Some(Instant::now() + link.backoff.clone().pause());
                link.backoff.reset();
                Ok(connection)
            }
            Err(error) => {
                link.not_before = Some(Instant::now() + link.backoff.pause());
                Err(error)
            }
        }
    }

    /// The connection, made anew if it was lost, again and again within the limits of the options.
    pub(crate) async fn connected(&self) -> Result<Arc<Connection>, Error> {
        let give_up = Instant::now() + self.inner.options.retry_for;
        loop {
            match self.connection().await {
                Err(error) if error.is_passing() && Instant::now() < give_up => {
                    tracing::debug!(%error, "connecting again");
                }
                result => return result,
            }
        }
    }

    /// A connection of its own, not shared with anything else.
    pub(crate) async fn private_connection(&self) -> Result<Connection, Error> {
        Connection::open(&self.inner.address, &self.inner.options).await
    }

    /// Asks until there is an answer, within the limits of the options. A request that is not
    /// `repeatable` is not sent again once it may have arrived.
    pub(crate) async fn ask(
        &self,
        request: &Request<'_>,
        payload: Payload,
        repeatable: bool,
        wait: Duration,
    ) -> Result<(Response, Vec<u8>), Error> {
        let options = &self.inner.options;
        let give_up = Instant::now() + options.retry_for;
        let mut backoff = Backoff::new(options.backoff_min, options.backoff_max);
        loop {
            let result = match self.connection().await {
                Ok(connection) => {
                    let limit = options.answer_timeout + wait;
                    connection.request(request, payload.clone(), limit).await
                }
                Err(error) => Err(error),
            };
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = error.is_passing() && (repeatable || !error.outcome_unknown());
            if !again || Instant::now() >= give_up {
                return Err(error);
            }
            tracing::debug!(%error, "asking again");
            time::sleep(backoff.pause()).await;
        }
    }

    async fn ask_plain(&self, request: &Request<'_>, repeatable: bool) -> Result<Response, Error> {
        let answer = self.ask(request, Payload::default(), repeatable, Duration::ZERO);
        answer.await.map(|(response, _)| response)
    }

    /// Asks for a sign of life; the time that it took.
    ///
    /// # Errors
    /// When none came.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        match self.ask_plain(&Request::Ping, true).await? {
            Response::Pong => Ok(start.elapsed()),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes a stream; its number.
    ///
    /// # Errors
    /// `StreamExists`, `InvalidName`, `InvalidShardCount`, `InvalidRetention`, or the connection's.
    pub async fn create_stream(&self, name: &str, create: CreateStream) -> Result<u64, Error> {
        let request = Request::CreateStream(wire::CreateStream {
            name,
            shards: create.shards,
            retention_hours: create.retention_hours,
            compression: create.compression,
            durability: create.durability,
        });
        let answer = self.ask(&request, Payload::default(), false, SHARDS_CHANGE);
        match answer.await?.0 {
            Response::Created { id } => Ok(id),
            other => Err(unexpected(&other)),
        }
    }

    /// All streams, sorted by name.
    ///
    /// # Errors
    /// The connection's.
    pub async fn list_streams(&self) -> Result<Vec<StreamSummary>, Error> {
        let mut all: Vec<StreamSummary> = Vec::new();
        loop {
            let request = Request::ListStreams {
                after: all.last().map_or("", |last| &last.name),
                limit: MAX_STREAMS_PER_PAGE as u32,
            };
            match self.ask_plain(&request, true).await? {
                Response::Streams { streams, more } => {
                    let goes_on = more && !streams.is_empty();
                    all.extend(streams);
                    if !goes_on {
                        return Ok(all);
                    }
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// A stream and all of its shards.
    ///
    /// # Errors
    /// `NoSuchStream`, or the connection's.
    pub async fn describe_stream(&self, name: &str) -> Result<StreamDescription, Error> {
        let mut whole: Option<StreamDescription> = None;
        loop {
            let first = whole.as_ref().map_or(0, |stream| stream.shards.len()) as u32;
            let request = Request::DescribeStream {
                stream: name,
                first,
            };
            let page = match self.ask_plain(&request, true).await? {
                Response::Stream(page) => page,
                other => return Err(unexpected(&other)),
            };
            let got_none = page.shards.is_empty();
            let stream = match &mut whole {
                Some(stream) if stream.id == page.id && stream.total == page.total => {
                    stream.shards.extend(page.shards);
                    stream
                }
                // Made or split anew between two pages: from the front.
                Some(_) if first > 0 => {
                    whole = None;
                    continue;
                }
                _ => whole.insert(page),
            };
            if got_none || stream.shards.len() >= stream.total as usize {
                break;
            }
        }
        whole.ok_or(Error::Closed)
    }

    /// Deletes a stream and its records.
    ///
    /// # Errors
    /// `NoSuchStream`, or the connection's.
    pub async fn delete_stream(&self, name: &str) -> Result<(), Error> {
        let request = Request::DeleteStream { stream: name };
        let answer = self.ask(&request, Payload::default(), false, SHARDS_CHANGE);
        match answer.await?.0 {
            Response::Deleted => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Changes how long records are kept.
    ///
    /// # Errors
    /// `NoSuchStream`, `InvalidRetention`, or the connection's.
    pub async fn set_retention(&self, name: &str, hours: u32) -> Result<(), Error> {
        let request = Request::SetRetention {
            stream: name,
            hours,
        };
        match self.ask_plain(&request, true).await? {
            Response::RetentionSet => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// All shards of a stream, by ascending hash range.
    ///
    /// # Errors
    /// `NoSuchStream`, or the connection's.
    pub async fn shard_map(&self, stream: &str) -> Result<ShardMap, Error> {
        let mut whole: Option<ShardMap> = None;
        loop {
            let first = whole.as_ref().map_or(0, |map| map.shards.len()) as u32;
            let request = Request::ShardMapOf { stream, first };
            let page = match self.ask_plain(&request, true).await? {
                Response::ShardMap(page) => page,
                other => return Err(unexpected(&other)),
            };
            let got_none = page.shards.is_empty();
            let map = match &mut whole {
                Some(map) if (map.stream, map.version) == (page.stream, page.version) => {
                    map.shards.extend(page.shards);
                    map
                }
                // Changed between two pages: from the front.
                Some(_) => {
                    whole = None;
                    continue;
                }
                None => whole.insert(page),
            };
            if got_none || map.shards.len() >= map.total as usize {
                break;
            }
        }
        whole.ok_or(Error::Closed)
    }

    /// Puts records that the server routes, with a result for each, once: nothing is tried again
    /// that may have arrived. A [`Producer`] is for the many.
    ///
    /// # Errors
    /// When the whole was refused, or the connection was lost (see [`Error::outcome_unknown`]).
    pub async fn put(&self, stream: &str, records: &[Record<'_>]) -> Result<PutAnswer, Error> {
        let mut bytes = BATCH_HEADER_LEN;
        for (index, record) in (0..).zip(records) {
            record.check(index, usize::MAX)?;
            bytes += record.encoded_len();
        }
        let mut builder = BatchBuilder::new(vec![0; bytes]);
        if !records.iter().all(|record| builder.push(record)) {
            return Err(Error::Record {
                reason: "together they are more than a batch holds; put fewer at a time",
            });
        }
        let (buffer, header) = builder.finish();
        let payload = Payload {
            len: header.batch_len(),
            bytes: Some(Arc::new(buffer)),
        };
        let request = Request::Put { stream };
        match self.ask(&request, payload, false, Duration::ZERO).await?.0 {
            Response::Put(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    /// A producer for a stream.
    ///
    /// # Errors
    /// `NoSuchStream`, an option that cannot be, or the connection's.
    pub async fn producer(
        &self,
        stream: &str,
        options: ProducerOptions,
    ) -> Result<Producer, Error> {
        Producer::start(self.clone(), stream, options).await
    }

    /// Reads once from the shard with this index.
    ///
    /// # Errors
    /// `NoSuchStream`, `NoSuchShard`, `Damaged`, a batch that does not verify, or the connection's.
    pub async fn get(
        &self,
        stream: &str,
        shard: u32,
        position: Position,
        options: GetOptions,
    ) -> Result<Got, Error> {
        reader::get(self, stream, shard, position, &options).await
    }

    /// Reads from a position to the end, batch by batch. Asks the server for nothing yet.
    #[must_use]
    pub fn reader(&self, stream: &str, shard: u32, position: Position) -> Reader {
        Reader::new(self.clone(), stream, shard, position)
    }

    /// Follows a shard from a position on, over a connection of its own.
    ///
    /// # Errors
    /// `NoSuchStream`, `NoSuchShard`, or the connection's.
    pub async fn follow(
        &self,
        stream: &str,
        shard: u32,
        position: Position,
        options: FollowOptions,
    ) -> Result<Follower, Error> {
        Follower::start(self.clone(), stream, shard, position, options).await
    }
}

pub(crate) fn unexpected(response: &Response) -> Error {
    Error::Unexpected {
        what: format!("with opcode {:#x} to something else", response.opcode()),
    }
}
