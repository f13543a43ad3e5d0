use std::{collections::VecDeque, time::Duration};

use millstream_wire::{Position, Request, Response};
use tokio::task::JoinHandle;

use crate::{Client, Error, GetOptions, ReadBatch, batch, client::unexpected, connection::Payload};

/// What one read gave.
#[derive(Debug)]
pub struct Got {
    /// Batches in order, verified, each with at least one record to be delivered.
    pub batches: Vec<ReadBatch>,
    /// Where to go on: `Position::At(next)`.
    pub next: u64,
    /// Sequence number after the newest durable record.
    pub end: u64,
    /// Sequence number of the oldest record that is kept.
    pub oldest: u64,
    /// Milliseconds between now and the last record given; 0 at the end.
    pub behind_ms: u64,
    /// The shard is closed and `next` is its end.
    pub closed: bool,
}

pub(crate) async fn get(
    client: &Client,
    stream: &str,
    shard: u32,
    position: Position,
    options: &GetOptions,
) -> Result<Got, Error> {
    let request = Request::Get {
        stream,
        shard,
        position,
        max_records: options.max_records,
        max_bytes: options.max_bytes,
        wait_ms: u32::try_from(options.wait.as_millis()).unwrap_or(u32::MAX),
    };
    let payload = Payload::default();
    let (response, payload) = client.ask(&request, payload, true, options.wait).await?;
    let Response::Got(chunk) = response else {
        return Err(unexpected(&response));
    };
    Ok(Got {
        batches: batch::split(&chunk, payload)?,
        next: chunk.next,
        end: chunk.end,
        oldest: chunk.oldest,
        behind_ms: chunk.behind_ms,
        closed: chunk.closed,
    })
}

/// Reads a shard from a position up to its end. While the batches of one answer are taken, the
/// next answer is on its way.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    stream: String,
    shard: u32,
    position: Position,
    batches: VecDeque<ReadBatch>,
    /// Where the next answer begins, and the answer.
    ahead: Option<Ahead>,
    ahead_from: Position,
    end: u64,
}

#[derive(Debug)]
struct Ahead(JoinHandle<Result<Got, Error>>);

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Reader {
    pub(crate) fn new(client: Client, stream: &str, shard: u32, position: Position) -> Reader {
        Reader {
            client,
            stream: stream.to_owned(),
            shard,
            position,
            batches: VecDeque::new(),
            ahead: None,
            ahead_from: position,
            end: 0,
        }
    }

    /// The next batch; `None` at the end of what is durable (later calls ask again).
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// `NoSuchStream`, `NoSuchShard`, `Damaged`, a batch that does not verify, or the connection's.
    pub async fn next_batch(&mut self) -> Result<Option<ReadBatch>, Error> {
        if self.batches.is_empty() {
            if self.ahead.is_none() {
                self.ask_ahead();
            }
            let got = match &mut self.ahead {
                Some(ahead) => (&mut ahead.0).await,
                None => return Ok(None),
            };
            self.ahead = None;
            let got = got.map_err(|_| Error::Closed)??;
            self.end = got.end;
            self.ahead_from = Position::At(got.next);
            if got.batches.is_empty() {
                self.position = self.ahead_from;
                return Ok(None);
            }
            self.batches.extend(got.batches);
            if got.next < got.end {
                self.ask_ahead();
            }
        }
        let batch = self.batches.pop_front();
        if let Some(batch) = &batch {
            self.position = Position::At(batch.end());
        }
        Ok(batch)
    }

    fn ask_ahead(&mut self) {
        let (client, stream) = (self.client.clone(), self.stream.clone());
        let (shard, position) = (self.shard, self.ahead_from);
        let options = GetOptions {
            wait: Duration::ZERO,
            ..GetOptions::default()
        };
        self.ahead = Some(Ahead(tokio::spawn(async move {
            get(&client, &stream, shard, position, &options).await
        })));
    }

    /// Where the next batch begins: after the last one given.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Sequence number after the newest durable record, as the server last told; 0 before it was
    /// asked.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }
}
