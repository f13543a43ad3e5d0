//! Put: records, routed here, each with a result of its own.
//!
//! Records are grouped by shard through one list of numbers, and each group is appended as a
//! whole: nothing is allocated for a record. Those that meet a shard which takes no more wait
//! until its children do, and go there.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use millstream_engine::{
    Appended, Error as EngineError, Room, Shard, Ticket,
    format::{
        BATCH_HEADER_LEN, BatchHeader, Compression, FormatError, MAX_KEY_CHARS, RawBody, Record,
    },
};
use tokio::time::Instant;

use super::{Service, ServiceError, Stream, StreamShard};

/// Encoded bytes that are appended to a shard at a time; a larger record goes alone.
const APPEND_BYTES: usize = 256 << 10;
/// Records that are hashed before other tasks get a turn.
const RECORDS_A_TURN: usize = 4096;
/// Longest wait for an announcement of room before it is tried without one.
const ROOM_POLL: Duration = Duration::from_millis(100);

/// A put that was taken: resolves when every group of it is decided.
pub(crate) struct PendingPut {
    groups: Vec<Group>,
    /// The first group that is not decided yet.
    next: usize,
    group_of: Vec<u32>,
}

struct Group {
    shard: StreamShard,
    state: State,
}

enum State {
    Waiting(Ticket),
    Decided(Result<u64, ServiceError>),
}

/// What became of a put.
pub(crate) struct PutOutcome {
    /// Records that met the same fate: the shard, and the sequence number of the first or why
    /// none was written.
    pub groups: Vec<(StreamShard, Result<u64, ServiceError>)>,
    /// For each record its group.
    pub group_of: Vec<u32>,
}

impl PendingPut {
    /// Of groups that were appended or refused, and for each record its group.
    pub(super) fn new(
        groups: Vec<(StreamShard, Result<Ticket, ServiceError>)>,
        group_of: Vec<u32>,
    ) -> PendingPut {
        let groups = groups.into_iter().map(|(shard, taken)| Group {
            shard,
            state: match taken {
                Ok(ticket) => State::Waiting(ticket),
                Err(error) => State::Decided(Err(error)),
            },
        });
        PendingPut {
            groups: groups.collect(),
            next: 0,
            group_of,
        }
    }
}

impl Future for PendingPut {
    type Output = PutOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PutOutcome> {
        let this = &mut *self;
        while let Some(group) = this.groups.get_mut(this.next) {
            if let State::Waiting(ticket) = &mut group.state {
                let result = ready!(Pin::new(ticket).poll(cx));
                let first = result.map(|appended: Appended| appended.first.0);
                group.state = State::Decided(first.map_err(ServiceError::from));
            }
            this.next += 1;
        }
        let groups = std::mem::take(&mut this.groups);
        let decided = groups.into_iter().filter_map(|group| match group.state {
            State::Decided(result) => Some((group.shard, result)),
            State::Waiting(_) => None,
        });
        Poll::Ready(PutOutcome {
            groups: decided.collect(),
            group_of: std::mem::take(&mut this.group_of),
        })
    }
}

impl Service {
    /// Takes the records of `payload`, a batch without a place and without producers. Waits for
    /// room, but not longer than the configuration says.
    ///
    /// # Errors
    /// When the stream is not there, or the payload is no such batch. What is wrong with single
    /// records is in the outcome.
    pub(crate) async fn put(
        &self,
        stream: &Arc<Stream>,
        payload: &[u8],
        most_records: usize,
    ) -> Result<PendingPut, ServiceError> {
        let body = decode(payload, most_records)?;
        let mut put = Routed::default();
        let limit = stream.record_limit(self.settings.record_limit);
        for record in body.records() {
            put.route(stream, record?.as_record(), limit);
            if put.records.len().is_multiple_of(RECORDS_A_TURN) {
                tokio::task::yield_now().await;
            }
        }
        Ok(self.append_all(stream, put).await)
    }

    /// Appends what was routed, shard by shard.
    async fn append_all(&self, stream: &Arc<Stream>, put: Routed<'_>) -> PendingPut {
        let deadline = Instant::now() + self.settings.put_wait;
        let mut stream = Arc::clone(stream);
        let Routed {
            records,
            mut places,
            mut groups,
            mut group_of,
            ..
        } = put;
        let mut run: Vec<Record<'_>> = Vec::with_capacity(places.len());
        while !places.is_empty() {
            // By shard, and within a shard in the order of the request.
            places.sort_unstable();
            let mut strays: Vec<Place> = Vec::new();
            for places in places.chunk_by(|a, b| a.shard == b.shard) {
                let shard = places.first().and_then(|p| stream.map.get(p.shard));
                let Some(shard) = shard else {
                    continue;
                };
                let open = stream.open(shard);
                let mut rest = places;
                while !rest.is_empty() {
                    let taken = fill_run(&mut run, rest, &records);
                    let appended = match &open {
                        Ok(open) => self.append(open, &run, deadline).await,
                        Err(error) => Err(error.clone()),
                    };
                    let state = match appended {
                        Ok(ticket) => State::Waiting(ticket),
                        Err(ServiceError::Engine(EngineError::Sealed { .. })) => {
                            // What lies before it is in the shard, so the order is kept.
                            strays.extend_from_slice(rest);
                            break;
                        }
                        Err(error) => State::Decided(Err(error)),
                    };
                    let (now, later) = rest.split_at(taken);
                    rest = later;
                    for place in now {
                        group_of[place.record as usize] = groups.len() as u32;
                    }
                    let shard = shard.clone();
                    groups.push(Group { shard, state });
                }
            }
            places = strays;
            if places.is_empty() {
                break;
            }
            match self.resharded(&stream, deadline).await {
                Ok(resharded) => stream = resharded,
                Err(error) => {
                    refuse_all(&stream, &places, &error, &mut groups, &mut group_of);
                    break;
                }
            }
            for place in &mut places {
                let key = records[place.record as usize].hash_key();
                place.shard = stream.map.route(key).index;
            }
        }
        PendingPut {
            groups,
            next: 0,
            group_of,
        }
    }

    pub(super) async fn append(
        &self,
        shard: &Shard,
        records: &[Record<'_>],
        deadline: Instant,
    ) -> Result<Ticket, ServiceError> {
        loop {
            match shard.try_append(records) {
                Ok(ticket) => return Ok(ticket),
                Err(EngineError::Full { .. }) => {}
                Err(error) => return Err(self.noted(error)),
            }
            wait_for_room(shard.room(), deadline).await?;
        }
    }
}

/// Decides records for which there is no shard any more.
fn refuse_all(
    stream: &Stream,
    places: &[Place],
    error: &ServiceError,
    groups: &mut Vec<Group>,
    group_of: &mut [u32],
) {
    for places in places.chunk_by(|a, b| a.shard == b.shard) {
        let shard = places.first().and_then(|p| stream.map.get(p.shard));
        let Some(shard) = shard.cloned() else {
            continue;
        };
        for place in places {
            group_of[place.record as usize] = groups.len() as u32;
        }
        let state = State::Decided(Err(error.clone()));
        groups.push(Group { shard, state });
    }
}

/// Waits until there may be room.
///
/// # Errors
/// [`ServiceError::Overloaded`] when there is none by the deadline.
pub(super) async fn wait_for_room(room: Room, deadline: Instant) -> Result<(), ServiceError> {
    let now = Instant::now();
    if now >= deadline {
        return Err(ServiceError::Overloaded);
    }
    // Room that came between the refusal and this wait may have been announced to nobody.
    let _ = tokio::time::timeout_at(deadline.min(now + ROOM_POLL), room).await;
    Ok(())
}

/// Where a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    shard: u32,
    record: u32,
}

/// The records of a put with their places.
#[derive(Default)]
struct Routed<'a> {
    records: Vec<Record<'a>>,
    places: Vec<Place>,
    groups: Vec<Group>,
    group_of: Vec<u32>,
    /// Groups of refused records, by shard and kind of refusal.
    refused: HashMap<(u32, std::mem::Discriminant<ServiceError>), u32>,
}

impl<'a> Routed<'a> {
    fn route(&mut self, stream: &Stream, record: Record<'a>, limit: usize) {
        let at = self.records.len() as u32;
        let place = stream.map.route(record.hash_key());
        let shard = place.index;
        let group = match check(&record, limit) {
            Ok(()) => {
                self.places.push(Place { shard, record: at });
                0 // given when it is appended
            }
            Err(error) => {
                let key = (shard, std::mem::discriminant(&error));
                *self.refused.entry(key).or_insert_with(|| {
                    let (shard, state) = (place.clone(), State::Decided(Err(error)));
                    self.groups.push(Group { shard, state });
                    self.groups.len() as u32 - 1
                })
            }
        };
        self.group_of.push(group);
        self.records.push(record);
    }
}

fn check(record: &Record<'_>, limit: usize) -> Result<(), ServiceError> {
    if record.key.is_empty() {
        return Err(ServiceError::EmptyKey);
    }
    if record.key.len() > MAX_KEY_CHARS && record.key.chars().count() > MAX_KEY_CHARS {
        return Err(ServiceError::LongKey);
    }
    let bytes = record.key.len() + record.data.len();
    if bytes > limit {
        return Err(ServiceError::RecordTooLarge { bytes, limit });
    }
    Ok(())
}

/// Fills `run` with the next records for one append; how many.
fn fill_run<'a>(run: &mut Vec<Record<'a>>, places: &[Place], records: &[Record<'a>]) -> usize {
    run.clear();
    let mut bytes = 0;
    for place in places {
        let record = records[place.record as usize];
        bytes += record.encoded_len();
        if bytes > APPEND_BYTES && !run.is_empty() {
            break;
        }
        run.push(record);
    }
    run.len()
}

/// The records of a put's payload.
fn decode(payload: &[u8], most_records: usize) -> Result<RawBody<'_>, ServiceError> {
    let invalid = |reason: &str| ServiceError::BatchInvalid {
        reason: reason.to_owned(),
    };
    let Some(header) = BatchHeader::decode(payload)? else {
        return Err(invalid("its header is zeros"));
    };
    if header.compression != Compression::None || header.producers != 0 || header.close {
        return Err(invalid(
            "a put takes an uncompressed batch without producers; use ready batches for numbered puts",
        ));
    }
    if header.count as usize > most_records {
        let reason = format!(
            "{} records in a put, the limit is {most_records}",
            header.count
        );
        return Err(ServiceError::BatchInvalid { reason });
    }
    let body = payload.get(BATCH_HEADER_LEN..).unwrap_or_default();
    if header.batch_len() != payload.len() {
        return Err(ServiceError::Batch(FormatError::Short {
            what: "the payload of a put",
            need: header.batch_len(),
            have: payload.len(),
        }));
    }
    header.verify_body(body)?;
    let body = RawBody::new(&header, body)?;
    // Framing only: every record is looked at for itself afterwards.
    let mut walked = 0;
    for record in body.records() {
        walked += record?.as_record().encoded_len();
    }
    let left = body.record_bytes().len() - walked;
    if left > 0 {
        return Err(ServiceError::Batch(FormatError::Field {
            what: "bytes after the last record",
            value: left as u64,
            rule: "there must be none",
        }));
    }
    Ok(body)
}
