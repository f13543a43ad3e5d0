//! The operations.

mod get_records;
mod get_shard_iterator;
mod put_record;
mod put_records;

use bytes::Bytes;

use super::{
    Caller, Front,
    answer::Answer,
    body::{self, Encoding},
    fault::{Fault, FaultKind},
    model::Operation,
};

/// Carries out an operation.
pub(super) async fn answer(
    front: &Front,
    operation: Operation,
    encoding: Encoding,
    body: Bytes,
    _caller: &Caller,
) -> Result<Answer, Fault> {
    let body = &body[..];
    Ok(Answer::Whole(match operation {
        Operation::GetRecords => {
            get_records::run(front, encoding, body::decode(encoding, body)?).await?
        }
        Operation::GetShardIterator => {
            let input = body::decode(encoding, body)?;
            body::encode(encoding, &get_shard_iterator::run(front, input).await?)
        }
        Operation::PutRecord => {
            put_record::run(front, encoding, body::decode(encoding, body)?).await?
        }
        Operation::PutRecords => put_records::run(front, encoding, body).await?,
        other => {
            let message = format!("this server does not do {} yet", other.name());
            return Err(Fault::new(FaultKind::InvalidArgumentException, message));
        }
    }))
}

/// What a request is told that would have been carried out.
fn dry_run() -> Fault {
    Fault::new(
        FaultKind::DryRunOperationException,
        "The request would have succeeded, but the DryRun parameter is set.",
    )
}
