use std::{collections::VecDeque, time::Instant};

use millstream_wire::{Position, Request, Response};
use tokio::{sync::mpsc, time};

use crate::{
    Client, Error, FollowOptions, ReadBatch, batch,
    client::unexpected,
    connection::{Answer, Connection, Payload, Waiter},
    random::Backoff,
};

/// Most chunks that are held before they are taken; more stay in the socket.
const MOST_CHUNKS: usize = 16;

/// What a shard has and gets, pushed by the server within credit. It reconnects by itself and goes
/// on after the last batch given.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    stream: String,
    shard: u32,
    position: Position,
    credit: u64,
    link: Option<Link>,
    batches: VecDeque<ReadBatch>,
    /// Credit to be given back when `batches` is empty: the bytes that they came in.
    owed: u64,
    next: u64,
    end: u64,
    closed: bool,
}

#[derive(Debug)]
struct Link {
    connection: Connection,
    correlation: u64,
    answers: mpsc::Receiver<Answer>,
}

impl Follower {
    pub(crate) async fn start(
        client: Client,
        stream: &str,
        shard: u32,
        position: Position,
        options: FollowOptions,
    ) -> Result<Follower, Error> {
        let mut follower = Follower {
            client,
            stream: stream.to_owned(),
            shard,
            position,
            credit: options.credit.max(1),
            link: None,
            batches: VecDeque::new(),
            owed: 0,
            next: 0,
            end: 0,
            closed: false,
        };
        follower.receive().await?;
        Ok(follower)
    }

    /// The next batch, waiting for it; `None` when the shard is closed and everything was given.
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// `NoSuchStream`, `Damaged`, a batch that does not verify, or no connection for longer than
    /// `ClientOptions::retry_for`.
    pub async fn next_batch(&mut self) -> Result<Option<ReadBatch>, Error> {
        loop {
            if let Some(batch) = self.batches.pop_front() {
                self.next = batch.end();
                return Ok(Some(batch));
            }
            if self.closed {
                return Ok(None);
            }
            if self.owed > 0
                && let Some(link) = &self.link
            {
                let bytes = std::mem::take(&mut self.owed);
                let credit = Request::Credit { bytes };
                link.connection.tell(&credit, link.correlation);
            }
            self.receive().await?;
        }
    }

    /// Takes the next answer, over a new connection where the old one was lost.
    async fn receive(&mut self) -> Result<(), Error> {
        let options = self.client.options();
        let mut backoff = Backoff::new(options.backoff_min, options.backoff_max);
        let give_up_after = options.retry_for;
        let mut lost_since = None;
        loop {
            let error = match self.try_receive().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.link = None;
            let since = *lost_since.get_or_insert_with(Instant::now);
            if !error.is_passing() || since.elapsed() >= give_up_after {
                return Err(error);
            }
            tracing::debug!(%error, "following again");
            time::sleep(backoff.pause()).await;
        }
    }

    async fn try_receive(&mut self) -> Result<(), Error> {
        let link = match &mut self.link {
            Some(link) => link,
            None => {
                let link = self.begin().await?;
                self.link.insert(link)
            }
        };
        let Some(answer) = link.answers.recv().await else {
            return Err(link.connection.lost());
        };
        let (response, payload) = answer?;
        let Response::Followed(chunk) = response else {
            return Err(unexpected(&response));
        };
        let bytes = payload.len() as u64;
        self.batches.extend(batch::split(&chunk, payload)?);
        self.owed += bytes;
        self.position = Position::At(chunk.next);
        self.next = self.batches.front().map_or(chunk.next, ReadBatch::first);
        self.end = chunk.end;
        self.closed = chunk.closed;
        Ok(())
    }

    async fn begin(&mut self) -> Result<Link, Error> {
        let connection = self.client.private_connection().await?;
        let (sender, answers) = mpsc::channel(MOST_CHUNKS);
        let request = Request::Follow {
            stream: &self.stream,
            shard: self.shard,
            position: self.position,
            credit: self.credit,
        };
        self.owed = 0;
        let payload = Payload::default();
        let correlation = connection.send(&request, payload, Waiter::Many(sender), None)?;
        Ok(Link {
            connection,
            correlation,
            answers,
        })
    }

    /// Sequence number of the next record.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Sequence number after the newest durable record, as the server last told.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Stops the server's pushing.
    pub async fn stop(mut self) {
        let Some(mut link) = self.link.take() else {
            return;
        };
        link.connection.tell(&Request::Unfollow, link.correlation);
        let limit = self.client.options().answer_timeout;
        let ended = time::timeout(limit, async {
            while let Some(Ok((response, _))) = link.answers.recv().await {
                if matches!(response, Response::FollowEnd { .. }) {
                    break;
                }
            }
        });
        if ended.await.is_err() {
            tracing::debug!("the server did not confirm the end of a follow");
        }
    }
}
