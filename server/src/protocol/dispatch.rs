//! From a frame to its verb.

use std::sync::Arc;

use millstream_engine::{Durability, Position as EnginePosition, SequenceNumber};
use millstream_wire::{
    AS_CONFIGURED, CreateStream, ErrorAnswer, ErrorCode, FrameHeader, MAX_STREAMS_PER_PAGE,
    Position, Request, Response, StreamDurability,
};

use super::{
    answer,
    connection::{Connection, End},
    fault,
    outgoing::Slot,
};
use crate::service::{self, ServiceError};

impl Connection {
    /// Carries out the request of a frame whose payload is still to be received, or starts to.
    pub(super) async fn dispatch(&mut self, header: FrameHeader, meta: &[u8]) -> Result<(), End> {
        while self.tasks.try_join_next().is_some() {}
        let request = match Request::decode(header.opcode, meta) {
            Ok(request) => request,
            Err(error) => return self.refuse(header, error.into()).await,
        };
        let takes_payload = matches!(request, Request::Put { .. } | Request::PutBatches { .. });
        if header.payload_len > 0 && !takes_payload {
            let message = format!("{:?} has no payload", request.opcode());
            let error = ErrorAnswer::new(ErrorCode::BadRequest, message);
            return self.refuse(header, error).await;
        }
        let id = header.correlation;
        match request {
            Request::Credit { bytes } => {
                self.credit(id, bytes);
                return Ok(());
            }
            Request::Unfollow => return self.unfollow(header).await,
            Request::Hello(_) | Request::Authenticate(_) => {
                let error = ErrorAnswer::new(ErrorCode::BadRequest, "a second Hello");
                return self.refuse(header, error).await;
            }
            Request::Ping => return Ok(self.answers.send(id, &Response::Pong).await?),
            _ => {}
        }
        let Ok(slot) = Arc::clone(&self.window).try_acquire_owned() else {
            let limit = self.context.limits.requests_in_flight;
            let message = format!("{limit} requests are unanswered; wait for answers");
            let error = ErrorAnswer::new(ErrorCode::TooManyRequests, message);
            return self.refuse(header, error).await;
        };
        self.start(header, request, slot).await
    }

    /// Answers with an error and drops the payload; the connection goes on.
    pub(super) async fn refuse(
        &mut self,
        header: FrameHeader,
        error: ErrorAnswer,
    ) -> Result<(), End> {
        let error = Response::Error(error);
        self.answers.send(header.correlation, &error).await?;
        Ok(self.incoming.skip(header.payload_len).await?)
    }

    async fn start(
        &mut self,
        header: FrameHeader,
        request: Request<'_>,
        slot: Slot,
    ) -> Result<(), End> {
        let id = header.correlation;
        let service = &self.context.service;
        match request {
            Request::Put { stream } => return self.put(header, stream, slot).await,
            Request::PutBatches { stream, entries } => {
                return self.put_batches(header, stream, &entries, slot).await;
            }
            Request::Get {
                stream,
                shard,
                position,
                max_records,
                max_bytes,
                wait_ms,
            } => {
                let stream = stream.to_owned();
                let position = engine_position(position);
                let most = (u64::from(max_records), max_bytes as usize);
                self.get(id, (stream, shard, position), most, wait_ms, slot);
            }
            Request::Follow {
                stream,
                shard,
                position,
                credit,
            } => {
                drop(slot); // follows have a limit of their own
                let place = (stream.to_owned(), shard, engine_position(position));
                return self.follow(id, place, credit).await;
            }
            Request::ShardMapOf { stream, first } => {
                let map = service.served(stream);
                let map =
                    map.map(|s| Response::ShardMap(answer::shard_map(&self.context, &s, first)));
                return self.answer(id, map).await;
            }
            Request::DescribeStream { stream, first } => {
                let stream = service.stream(stream);
                let stream = stream.map(|s| Response::Stream(answer::description(&s, first)));
                return self.answer(id, stream).await;
            }
            Request::ListStreams { after, limit } => {
                let limit = (limit as usize).clamp(1, MAX_STREAMS_PER_PAGE);
                let (streams, more) = service.list_streams(after, limit);
                let streams = streams.iter().map(|s| answer::summary(s)).collect();
                return self
                    .answer(id, Ok(Response::Streams { streams, more }))
                    .await;
            }
            Request::CreateStream(create) => {
                let create = wanted(create);
                self.change(id, slot, |service| async move {
                    let stream = service.create_stream(create).await?;
                    Ok(Response::Created { id: stream.row.id })
                });
            }
            Request::DeleteStream { stream } => {
                let stream = stream.to_owned();
                self.change(id, slot, |service| async move {
                    service.delete_stream(&stream).await?;
                    Ok(Response::Deleted)
                });
            }
            Request::SetRetention { stream, hours } => {
                let stream = stream.to_owned();
                self.change(id, slot, |service| async move {
                    service.set_retention(&stream, hours).await?;
                    Ok(Response::RetentionSet)
                });
            }
            other => {
                let message = format!("this server does not do {:?}", other.opcode());
                let error = ErrorAnswer::new(ErrorCode::UnknownVerb, message);
                return self.refuse(header, error).await;
            }
        }
        Ok(())
    }

    pub(super) async fn answer(
        &self,
        id: u64,
        result: Result<Response, ServiceError>,
    ) -> Result<(), End> {
        let response =
            result.unwrap_or_else(|error| Response::Error(fault::answer(&self.context, &error)));
        Ok(self.answers.send(id, &response).await?)
    }

    /// Starts a change of the catalog.
    fn change<F>(&mut self, id: u64, slot: Slot, change: impl FnOnce(Arc<service::Service>) -> F)
    where
        F: Future<Output = Result<Response, ServiceError>> + Send + 'static,
    {
        let change = change(Arc::clone(&self.context.service));
        let (context, answers) = (Arc::clone(&self.context), self.answers.clone());
        self.tasks.spawn(async move {
            let result = change.await;
            let response =
                result.unwrap_or_else(|error| Response::Error(fault::answer(&context, &error)));
            let _ = answers.send(id, &response).await;
            drop(slot);
        });
    }
}

fn wanted(create: CreateStream<'_>) -> service::CreateStream {
    let as_configured = create.compression == AS_CONFIGURED;
    service::CreateStream {
        retention_hours: create.retention_hours,
        compression: (!as_configured).then_some(create.compression),
        durability: (!as_configured).then_some(match create.durability {
            StreamDurability::Durable => Durability::Durable,
            StreamDurability::Written => Durability::Written,
        }),
        ..service::CreateStream::plain(create.name, create.shards)
    }
}

fn engine_position(position: Position) -> EnginePosition {
    match position {
        Position::Oldest => EnginePosition::Oldest,
        Position::AfterLatest => EnginePosition::AfterLatest,
        Position::At(sequence) => EnginePosition::At(SequenceNumber(sequence)),
        Position::After(sequence) => EnginePosition::After(SequenceNumber(sequence)),
        Position::AtTime(ms) => EnginePosition::AtTime(ms),
    }
}
