//! What a client is told when a verb was not done.

use millstream_engine::{Error as EngineError, format::FormatError};
use millstream_wire::{ErrorAnswer, ErrorCode};

use super::Context;
use crate::service::ServiceError;

/// No place to go on after damage.
const NO_RESUME: u64 = u64::MAX;

/// The error as it travels.
pub(super) fn answer(context: &Context, error: &ServiceError) -> ErrorAnswer {
    if let ServiceError::Engine(error) = error {
        context.service.note(error);
        // A shard is closed by the end of the server, with its stream, or to be opened again.
        if let EngineError::Closed { shard } | EngineError::NoShard { shard } = error
            && !context.shutdown.is_stopping()
            && let Some(error) = context.service.being_opened(*shard)
        {
            return answer(context, &error);
        }
    }
    let (code, detail) = code(context, error);
    if code == ErrorCode::Internal {
        tracing::error!(%error, "a request failed");
    }
    ErrorAnswer::new(code, error.to_string()).with_detail(detail)
}

fn code(context: &Context, error: &ServiceError) -> (ErrorCode, u64) {
    let code = match error {
        ServiceError::NoSuchStream { .. } => ErrorCode::NoSuchStream,
        ServiceError::StreamExists { .. } => ErrorCode::StreamExists,
        ServiceError::InvalidName { .. } => ErrorCode::InvalidName,
        ServiceError::InvalidShardCount { .. } => ErrorCode::InvalidShardCount,
        ServiceError::InvalidRetention { .. } => ErrorCode::InvalidRetention,
        ServiceError::InvalidCompression { .. }
        | ServiceError::TooMany { .. }
        | ServiceError::EmptyKey
        | ServiceError::LongKey => ErrorCode::BadRequest,
        ServiceError::NoSuchShard { .. } => ErrorCode::NoSuchShard,
        ServiceError::StreamBusy { .. } => ErrorCode::NoSuchStream,
        ServiceError::HasConsumers { .. }
        | ServiceError::Invalid(_)
        | ServiceError::NotInThisMode(_)
        | ServiceError::Quota(_)
        | ServiceError::NoSuchConsumer { .. }
        | ServiceError::ConsumerExists { .. }
        | ServiceError::ConsumerBusy { .. }
        | ServiceError::NoPolicy { .. } => ErrorCode::BadRequest,
        ServiceError::ShardMapChanged { .. } => ErrorCode::ShardMapChanged,
        ServiceError::ShardLost { .. } => ErrorCode::ShardLost,
        ServiceError::Unavailable { .. } | ServiceError::Overloaded | ServiceError::Throttled => {
            ErrorCode::Overloaded
        }
        ServiceError::RecordTooLarge { limit, .. } => {
            return (ErrorCode::RecordTooLarge, *limit as u64);
        }
        ServiceError::BatchInvalid { .. } => ErrorCode::BatchInvalid,
        ServiceError::Batch(error) => return of_format(error),
        ServiceError::NoSpace { .. } => ErrorCode::NoSpace,
        ServiceError::ShuttingDown => ErrorCode::ShuttingDown,
        ServiceError::FrameLimit { limit, .. } => return (ErrorCode::FrameTooLarge, *limit as u64),
        ServiceError::Engine(error) => return of_engine(context, error),
        ServiceError::Catalog(_) | ServiceError::Defect(_) | ServiceError::TaskFailed => {
            ErrorCode::Internal
        }
    };
    (code, 0)
}

fn of_format(error: &FormatError) -> (ErrorCode, u64) {
    match error {
        FormatError::Checksum { .. } => (ErrorCode::BatchChecksum, 0),
        FormatError::TooLarge { limit, .. } => (ErrorCode::RecordTooLarge, *limit as u64),
        _ => (ErrorCode::BatchInvalid, 0),
    }
}

fn of_engine(context: &Context, error: &EngineError) -> (ErrorCode, u64) {
    let code = match error {
        EngineError::Full { .. } => ErrorCode::Overloaded,
        EngineError::NoSpace { .. } => ErrorCode::NoSpace,
        EngineError::BatchTooLarge { .. } => ErrorCode::BatchInvalid,
        EngineError::Format(error) => return of_format(error),
        EngineError::OutOfOrder { expected, .. } => return (ErrorCode::OutOfOrder, *expected),
        EngineError::UnknownProducer { .. } => ErrorCode::UnknownProducer,
        EngineError::TakenBefore { .. } => ErrorCode::TakenBefore,
        EngineError::Poisoned { .. } => ErrorCode::ShardPoisoned,
        EngineError::ReadOnly { .. } => ErrorCode::ShardReadOnly,
        EngineError::Damaged { damage, .. } => {
            let resume = damage.resume.map_or(NO_RESUME, |sequence| sequence.0);
            return (ErrorCode::Damaged, resume);
        }
        EngineError::Closed { .. } if context.shutdown.is_stopping() => ErrorCode::ShuttingDown,
        EngineError::Closed { .. } | EngineError::NoShard { .. } => ErrorCode::NoSuchStream,
        _ => ErrorCode::Internal,
    };
    (code, 0)
}
