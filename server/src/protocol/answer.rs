//! From what the verbs return to what travels.

use millstream_engine::{CompressionChoice, Durability, Shard, ShardState as EngineState};
use millstream_wire::{
    BatchResult, BatchesAnswer, Chunk, ErrorCode, MAX_SHARDS_PER_PAGE, PutAnswer, PutGroup,
    Response, ShardDescription, ShardEntry, ShardMap, ShardState, StreamDescription,
    StreamDurability, StreamStatus, StreamSummary,
};

use super::{Context, fault};
use crate::{
    catalog,
    service::{BatchOutcome, Piece, PutOutcome, Stream, StreamShard},
};

/// Why a shard takes no records although nothing is wrong with it.
const SEALED: &str = "it was split or merged";

pub(super) fn put(context: &Context, outcome: PutOutcome) -> Response {
    let mut answer = PutAnswer {
        groups: Vec::with_capacity(outcome.groups.len()),
        group_of: outcome.group_of,
        errors: Vec::new(),
    };
    for (shard, result) in outcome.groups {
        let shard = shard.index;
        let (first_sequence, refused) = match result {
            Ok(first) => (first, None),
            Err(error) => {
                let error = fault::answer(context, &error);
                let code = error.code;
                if !answer.errors.iter().any(|known| known.code == code) {
                    answer.errors.push(error);
                }
                (0, Some(code))
            }
        };
        answer.groups.push(PutGroup {
            shard,
            refused,
            first_sequence,
        });
    }
    Response::Put(answer)
}

pub(super) fn batches(context: &Context, stream: &Stream, outcomes: Vec<BatchOutcome>) -> Response {
    let results: Vec<BatchResult> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(appended) => BatchResult::Written {
                first_sequence: appended.first.0,
                count: appended.count,
                duplicate: appended.duplicate,
            },
            Err(error) => BatchResult::Failed(fault::answer(context, &error)),
        })
        .collect();
    let stale = |result: &BatchResult| matches!(result, BatchResult::Failed(error) if error.code == ErrorCode::ShardMapChanged);
    // The one that has taken over meanwhile.
    let now = context.service.same_stream(stream.name(), stream.row.id);
    let now = now.filter(|now| now.map.open_count() <= MAX_SHARDS_PER_PAGE);
    let wanted = now.filter(|_| results.iter().any(stale));
    let shard_map = wanted.map(|now| shard_map(context, &now, 0));
    Response::Batches(BatchesAnswer { results, shard_map })
}

pub(super) fn chunk(piece: &Piece) -> Chunk {
    Chunk {
        first: piece.first,
        next: piece.next,
        end: piece.end,
        oldest: piece.oldest,
        behind_ms: piece.behind_ms,
        closed: piece.closed,
    }
}

pub(super) fn shard_map(context: &Context, stream: &Stream, first: u32) -> ShardMap {
    let limit = stream.record_limit(context.service.settings().record_limit);
    ShardMap {
        stream: stream.row.id,
        version: stream.map.version(),
        max_record_bytes: limit as u32,
        total: stream.map.open_count() as u32,
        shards: stream
            .map
            .open()
            .skip(first as usize)
            .take(MAX_SHARDS_PER_PAGE)
            .map(entry)
            .collect(),
    }
}

pub(super) fn description(stream: &Stream, first: u32) -> StreamDescription {
    StreamDescription {
        name: stream.name().to_owned(),
        id: stream.row.id,
        created_ms: stream.row.created_ms,
        retention_hours: stream.row.retention_hours,
        status: status(stream),
        compression: match stream.row.compression {
            CompressionChoice::None => 0,
            CompressionChoice::Zstd(level) => u8::try_from(level).unwrap_or(u8::MAX),
        },
        durability: match stream.row.durability {
            Durability::Durable => StreamDurability::Durable,
            Durability::Written => StreamDurability::Written,
        },
        total: stream.map.all().len() as u32,
        shards: stream
            .map
            .all()
            .iter()
            .skip(first as usize)
            .take(MAX_SHARDS_PER_PAGE)
            .map(|shard| match stream.open(shard) {
                Ok(open) => described(shard, &open),
                Err(error) => ShardDescription {
                    shard: entry(shard),
                    oldest: 0,
                    end: 0,
                    bytes: 0,
                    state: ShardState::Closed,
                    message: error.to_string(),
                },
            })
            .collect(),
    }
}

fn described(shard: &StreamShard, open: &Shard) -> ShardDescription {
    let status = open.status();
    let (state, message) = match status.state {
        EngineState::Open => (ShardState::Open, String::new()),
        EngineState::Sealed => (ShardState::Closed, SEALED.to_owned()),
        EngineState::NoSpace => (ShardState::NoSpace, "the medium is full".to_owned()),
        EngineState::ReadOnly(damage) => (ShardState::ReadOnly, damage.to_string()),
        EngineState::Poisoned(cause) => (ShardState::Poisoned, cause.to_string()),
        _ => (ShardState::Closed, String::new()),
    };
    ShardDescription {
        shard: entry(shard),
        oldest: status.oldest.0,
        end: status.end.0,
        bytes: status.bytes,
        state,
        message,
    }
}

pub(super) fn summary(stream: &Stream) -> StreamSummary {
    StreamSummary {
        name: stream.name().to_owned(),
        shards: stream.map.open_count() as u32,
        retention_hours: stream.row.retention_hours,
        created_ms: stream.row.created_ms,
        status: status(stream),
    }
}

/// A stream that is updated is in use as any other.
fn status(stream: &Stream) -> StreamStatus {
    match stream.row.status {
        catalog::StreamStatus::Creating => StreamStatus::Creating,
        catalog::StreamStatus::Active | catalog::StreamStatus::Updating => StreamStatus::Active,
        catalog::StreamStatus::Deleting => StreamStatus::Deleting,
    }
}

fn entry(shard: &StreamShard) -> ShardEntry {
    ShardEntry {
        id: shard.id.0,
        index: shard.index,
        range: shard.range,
    }
}
