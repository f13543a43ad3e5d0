//! SubscribeToShard: a stream of events, the first of which says that it stands.

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    fanout::{ConsumerKey, InUse, Next, Registry, Subscription},
    kinesis::{
        Front,
        answer::Answer,
        body::Encoding,
        event_stream::{FrameType, FrameWriter, frame},
        fault::{Fault, FaultKind},
        frames::{Frames, Slot},
        model::input::SubscribeToShardInput,
        name::NamedConsumer,
        page::{self, PageLimits},
        put_answer, refusal,
        sequence::Origin,
        start::{self, Start},
        writer::{Form, Writer},
    },
    service::{Service, ServiceError},
};
use std::sync::Arc;

/// Most records of an event.
const MAX_RECORDS: usize = 10_000;
/// Bytes of a frame that are not data.
const OVERHEAD: usize = 1 << 10;
const INITIAL: &str = "initial-response";
const EVENT: &str = "SubscribeToShardEvent";

pub(in crate::kinesis) async fn run(
    front: &Front,
    encoding: Encoding,
    input: SubscribeToShardInput<'_>,
) -> Result<Answer, Fault> {
    let position = input.starting_position.as_ref();
    let start = Start {
        kind: position
            .and_then(|p| p.r#type.as_deref())
            .unwrap_or_default(),
        number: position.and_then(|p| p.sequence_number.as_deref()),
        timestamp: position.and_then(|p| p.timestamp),
    };
    start.check()?;
    let arn = input.consumer_arn.as_deref().unwrap_or_default();
    let (stream, consumer) = front.consumer(NamedConsumer {
        arn: Some(arn),
        ..NamedConsumer::default()
    })?;
    stream
        .active_consumer(&consumer.name)
        .map_err(|error| refusal::of(front, error))?;
    let in_use = |message: String| Fault::new(FaultKind::ResourceInUseException, message);
    let name = input.shard_id.as_deref().unwrap_or_default();
    let shard = start::shard(front, &stream, name)?;
    let place = start.place(front, &stream, shard)?;
    if input.dry_run == Some(true) {
        return Err(super::dry_run());
    }
    let service = &front.service;
    let reading = service
        .read_in(&stream, shard.index, place.position())
        .await;
    let reading = reading.map_err(Fault::from)?;
    let key = ConsumerKey {
        stream: stream.row.id,
        name: consumer.name,
        created_s: consumer.created_s,
    };
    let seat = front.fan_out.sit(key.clone(), shard.index, &front.capacity);
    let seat = seat.map_err(|InUse| {
        in_use(format!(
            "Consumer {arn} subscribed to shard {name} less than 5 seconds ago; try again after that."
        ))
    })?;
    let shutdown = front.shutdown.clone();
    let subscription = Subscription::new(service, &stream, key, (reading, seat), shutdown);
    let pusher = |slot| Pusher {
        service: Arc::clone(service),
        fan_out: Arc::clone(&front.fan_out),
        record_limit: stream.record_limit(service.settings().record_limit),
        numbers: Origin::of(shard),
        shard: shard.index,
        subscription,
        encoding,
        slot,
    };
    Ok(Answer::Stream(Frames::new(|slot| pusher(slot).run())))
}

/// Sends what a subscription has to say.
struct Pusher {
    service: Arc<Service>,
    fan_out: Arc<Registry>,
    subscription: Subscription,
    /// Most bytes of data and key in a record.
    record_limit: usize,
    numbers: Origin,
    shard: u32,
    encoding: Encoding,
    slot: Slot,
}

/// Why nothing more is sent.
enum End {
    /// All is said.
    Silent,
    Told(Fault),
}

impl Pusher {
    async fn run(mut self) {
        if let Err(End::Told(fault)) = self.push().await {
            let kind = FrameType::Exception(fault.name());
            let told = frame(
                kind,
                self.encoding.content_type(),
                &self.told(fault.message()),
            );
            self.slot.put(told.into()).await;
        }
    }

    async fn push(&mut self) -> Result<std::convert::Infallible, End> {
        let nothing = Writer::empty(Form::of(self.encoding));
        let kind = FrameType::Event(INITIAL);
        let first = frame(kind, self.encoding.content_type(), &nothing);
        self.slot.put(first.into()).await;
        // The first event comes at once: it says where the subscription stands.
        let mut next = Next::Records;
        loop {
            match next {
                Next::Records | Next::Quiet => {
                    let (event, is_last) = self.event(next).await?;
                    self.slot.put(event).await;
                    if is_last {
                        return Err(End::Silent);
                    }
                }
                Next::Over | Next::Stopping => return Err(End::Silent),
                Next::Lost => {
                    let message =
                        "Another subscription of this consumer to this shard has taken over.";
                    let kind = FaultKind::ResourceInUseException;
                    return Err(End::Told(Fault::new(kind, message)));
                }
                Next::Gone => {
                    let message = "The consumer or its stream is not there any more.";
                    let kind = FaultKind::ResourceNotFoundException;
                    return Err(End::Told(Fault::new(kind, message)));
                }
            }
            let said = self.subscription.next().await;
            next = said.map_err(|error| self.failed(error))?;
        }
    }

    /// An event with what can be read, and whether it is the last.
    async fn event(&mut self, next: Next) -> Result<(Bytes, bool), End> {
        let limits = PageLimits {
            records: MAX_RECORDS,
            bytes: self.fan_out.page_bytes(),
        };
        // A sign of life while the consumer has had its share has no records.
        let quiet = next == Next::Quiet;
        let most = if quiet {
            0
        } else {
            limits.bytes.max(self.record_limit)
        };
        let memory = self.fan_out.memory(most / 3 * 4 + OVERHEAD).await;
        let Some(mut memory) = memory else {
            return Err(End::Silent);
        };
        let stream = self.subscription.stream().ok_or_else(|| self.gone())?;
        let encryption = put_answer::encryption(&stream);
        let form = Form::of(self.encoding);
        let mut out = Vec::new();
        let kind = FrameType::Event(EVENT);
        let frame = FrameWriter::begin(&mut out, kind, self.encoding.content_type());
        let mut writer = Writer::new(form, out);
        let event = writer.map();
        writer.name("Records");
        let reading = &mut self.subscription.reading;
        let page = match quiet {
            true => page::write_nothing(&self.service, reading, &mut writer),
            false => {
                let numbers = (self.numbers, encryption);
                let page =
                    page::write_page(&self.service, reading, numbers, limits, &mut writer).await;
                page.map_err(|error| self.failed(error))?
            }
        };
        self.subscription.sent(page.bytes);
        writer.name("MillisBehindLatest");
        writer.number(page.behind_ms);
        if page.is_last {
            let stream = self.subscription.stream().ok_or_else(|| self.gone())?;
            writer.name("ChildShards");
            page::write_children(&stream, self.shard, &mut writer);
        } else {
            writer.name("ContinuationSequenceNumber");
            writer.plain(&self.numbers.before(page.next).decimal().digits());
        }
        writer.end_map(event, 3);
        let mut out = writer.finish();
        frame.finish(&mut out);
        // It may have to wait for a client for long.
        if out.capacity() - out.len() > out.len() / 8 {
            out.shrink_to_fit();
        }
        crate::fanout::shrink(&mut memory, out.capacity());
        let held = Held {
            bytes: out,
            _memory: memory,
        };
        Ok((Bytes::from_owner(held), page.is_last))
    }

    fn failed(&self, error: ServiceError) -> End {
        let fault = page::fault(self.numbers, error);
        let kind = match fault.kind() {
            FaultKind::ResourceNotFoundException => FaultKind::ResourceNotFoundException,
            // The only other one that the model has for the server's own failures.
            _ => FaultKind::InternalFailureException,
        };
        End::Told(Fault::new(kind, fault.message()))
    }

    fn gone(&self) -> End {
        let message = "The stream is not there any more.";
        End::Told(Fault::new(FaultKind::ResourceNotFoundException, message))
    }

    /// The payload of an exception.
    fn told(&self, message: &str) -> Vec<u8> {
        let mut writer = Writer::new(Form::of(self.encoding), Vec::new());
        let map = writer.map();
        writer.name("message");
        writer.text(message);
        writer.end_map(map, 1);
        writer.finish()
    }
}

/// A frame, and its part of the memory for events until it is sent.
struct Held {
    bytes: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
