//! Get and follow: stored batches from a position on, as they are.

use std::{sync::Arc, time::Duration};

use millstream_engine::{Batch, Cursor, Error as EngineError, Position, SequenceNumber, Shard};

use super::{Service, ServiceError, Stream, stream_shard::Door};

/// Most batches in one piece, so that a piece is one vectored write.
const BATCHES_A_PIECE: usize = 1024;

/// A reader's place in a shard.
pub(crate) struct Reading {
    shard: Shard,
    /// Says where the shard ends.
    door: Arc<Door>,
    /// `None` only while a thread reads with it.
    cursor: Option<Cursor>,
    /// A batch that was read and did not fit in the last piece.
    carried: Option<Batch>,
    /// The end was reached: what comes next was just written, and is in memory.
    near: bool,
}

/// What was read at once.
pub(crate) struct Piece {
    pub batches: Vec<Batch>,
    /// Bytes of the batches as stored.
    pub bytes: usize,
    /// The first record to be delivered; of the next one where there is no batch.
    pub first: u64,
    /// Where to go on.
    pub next: u64,
    /// After the newest readable record.
    pub end: u64,
    /// The oldest that is kept.
    pub oldest: u64,
    /// Between now and the last record of the piece; 0 at the end.
    pub behind_ms: u64,
    /// Nothing follows `next`, ever: the shard was split or merged, and its children are in the
    /// table.
    pub closed: bool,
}

/// What bounds a piece.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PieceLimits {
    /// One batch is always delivered whole, unless it is over `frame`.
    pub bytes: usize,
    /// 0 for no limit.
    pub records: u64,
    /// No piece has more bytes.
    pub frame: usize,
}

impl Service {
    /// Begins to read.
    pub(crate) async fn read(
        self: &Arc<Self>,
        stream: &str,
        shard: u32,
        position: Position,
    ) -> Result<Reading, ServiceError> {
        let stream = self.served(stream)?;
        self.read_in(&stream, shard, position).await
    }

    /// Begins to read in a stream that is at hand.
    pub(crate) async fn read_in(
        self: &Arc<Self>,
        stream: &Stream,
        shard: u32,
        position: Position,
    ) -> Result<Reading, ServiceError> {
        let place = stream.shard(shard)?;
        let door = Arc::clone(place.door());
        let shard = stream.open(place)?;
        let near = match position {
            Position::AfterLatest => true,
            Position::At(sequence) => sequence >= shard.end(),
            Position::After(sequence) => sequence.0.saturating_add(1) >= shard.end().0,
            Position::Oldest | Position::AtTime(_) => false,
        };
        // Only a time has to be looked for on the medium.
        let cursor = match position {
            Position::AtTime(_) => {
                let (shard, room) = (shard.clone(), Arc::clone(&self.reads));
                self.blocking(&room, move |_| shard.read(position)).await?
            }
            _ => shard.read(position),
        };
        Ok(Reading {
            cursor: Some(cursor.map_err(|error| self.noted(error))?),
            carried: None,
            near,
            door,
            shard,
        })
    }

    /// Reads the next piece, which is empty at the end of the shard.
    ///
    /// # Errors
    /// [`EngineError::Damaged`] where the next record is damaged; the reading stays where it was.
    pub(crate) async fn next_piece(
        self: &Arc<Self>,
        reading: &mut Reading,
        limits: PieceLimits,
    ) -> Result<Piece, ServiceError> {
        let lost = || ServiceError::Defect("a cursor was lost".to_owned());
        let mut cursor = reading.cursor.take().ok_or_else(lost)?;
        let mut carried = reading.carried.take();
        let collected = if reading.near || carried.is_some() {
            let collected = collect(&mut cursor, &mut carried, limits);
            (cursor, carried, collected)
        } else {
            let room = Arc::clone(&self.reads);
            self.blocking(&room, move |_| {
                let collected = collect(&mut cursor, &mut carried, limits);
                (cursor, carried, collected)
            })
            .await?
        };
        let (cursor, carried, collected) = collected;
        let position = cursor.position();
        reading.cursor = Some(cursor);
        reading.carried = carried;
        let collected = collected.map_err(|error| match error {
            CollectError::Engine(error) => self.noted(error),
            CollectError::FrameLimit { bytes, limit } => ServiceError::FrameLimit { bytes, limit },
        })?;
        reading.near = collected.at_end;
        Ok(self.piece(reading, collected, position))
    }

    /// A piece without batches, which says where the reading stands.
    pub(crate) fn empty_piece(&self, reading: &Reading) -> Piece {
        let at = reading.cursor.as_ref().map(Cursor::position);
        let nothing = Collected {
            batches: Vec::new(),
            bytes: 0,
            next: None,
            at_end: false,
        };
        self.piece(reading, nothing, at.unwrap_or_default())
    }

    fn piece(&self, reading: &Reading, collected: Collected, position: SequenceNumber) -> Piece {
        let shard = &reading.shard;
        let closed = reading.door.closed();
        let end = shard.end().0;
        let next = collected.next.unwrap_or(position.0);
        let time = match collected.batches.last() {
            Some(batch) if next < end => batch.time_ms(),
            _ => shard.last_time_ms(),
        };
        let at_end = next >= end;
        Piece {
            first: collected.batches.first().map_or(next, |b| b.first().0),
            bytes: collected.bytes,
            batches: collected.batches,
            next,
            end,
            oldest: shard.oldest().0,
            closed: closed.is_some_and(|closed| next >= closed.end),
            behind_ms: if at_end {
                0
            } else {
                self.clock.wall_ms().saturating_sub(time)
            },
        }
    }

    /// Between now and `last_ms`, the time of the record in front of the reading (of the newest
    /// where nothing was read); 0 at the end of the shard.
    pub(crate) fn behind_ms(&self, reading: &Reading, last_ms: Option<u64>) -> u64 {
        if reading.position() >= reading.shard.end().0 {
            return 0;
        }
        let time = last_ms.unwrap_or_else(|| reading.shard.last_time_ms());
        self.clock.wall_ms().saturating_sub(time)
    }

    /// The longest that a get may wait.
    pub(crate) fn get_wait(&self, asked: Duration) -> Duration {
        asked.min(self.settings.get_wait)
    }
}

impl Reading {
    /// The record that is read next.
    pub(crate) fn position(&self) -> u64 {
        match (&self.carried, &self.cursor) {
            (Some(batch), _) => batch.first().0,
            (None, Some(cursor)) => cursor.position().0,
            (None, None) => 0,
        }
    }

    /// Whether nothing follows, ever: the shard was split or merged, and its children are in the
    /// table.
    pub(crate) fn is_over(&self) -> bool {
        let closed = self.door.closed();
        closed.is_some_and(|closed| self.position() >= closed.end)
    }

    /// Goes on at a record, and lets go of what was read beyond it.
    pub(crate) fn go_to(&mut self, sequence: u64) {
        self.carried = None;
        if let Some(cursor) = &mut self.cursor
            && cursor.position().0 != sequence
        {
            cursor.skip_to(SequenceNumber(sequence));
            self.near = sequence >= self.shard.end().0;
        }
    }

    /// Resolves when there is something to read, or nothing will ever be.
    pub(crate) async fn readable(&self) -> Result<(), EngineError> {
        let position = match &self.cursor {
            Some(cursor) if self.carried.is_none() => cursor.position(),
            _ => return Ok(()),
        };
        match self.shard.readable(position).await {
            // Its children are to be seen first.
            Err(EngineError::Sealed { shard }) => self.door.until_closed(shard).await,
            readable => readable,
        }
    }
}

struct Collected {
    batches: Vec<Batch>,
    bytes: usize,
    /// Where to go on, when there is a batch.
    next: Option<u64>,
    at_end: bool,
}

enum CollectError {
    Engine(EngineError),
    FrameLimit { bytes: usize, limit: usize },
}

fn collect(
    cursor: &mut Cursor,
    carried: &mut Option<Batch>,
    limits: PieceLimits,
) -> Result<Collected, CollectError> {
    let mut piece = Collected {
        batches: Vec::new(),
        bytes: 0,
        next: None,
        at_end: false,
    };
    let mut records = 0u64;
    while piece.batches.len() < BATCHES_A_PIECE && (limits.records == 0 || records < limits.records)
    {
        let batch = match carried.take() {
            Some(batch) => batch,
            None => match cursor.next_batch() {
                Ok(Some(batch)) => batch,
                Ok(None) => {
                    piece.at_end = true;
                    break;
                }
                // What was read before the error is delivered first; the cursor has stayed.
                Err(_) if !piece.batches.is_empty() => break,
                Err(error) => return Err(CollectError::Engine(error)),
            },
        };
        let bytes = batch.stored().len();
        if piece.batches.is_empty() {
            if bytes > limits.frame {
                *carried = Some(batch);
                let limit = limits.frame;
                return Err(CollectError::FrameLimit { bytes, limit });
            }
        } else if piece.bytes + bytes > limits.bytes.min(limits.frame) {
            *carried = Some(batch);
            break;
        }
        piece.bytes += bytes;
        records += batch.end().0.saturating_sub(batch.first().0);
        // The reader is told to stop before the records of the last batch that are too many.
        let excess = match limits.records {
            0 => 0,
            most => records.saturating_sub(most),
        };
        piece.next = Some(batch.end().0.saturating_sub(excess));
        piece.batches.push(batch);
    }
    Ok(piece)
}
