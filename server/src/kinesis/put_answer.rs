//! What became of a put, as PutRecords tells it: each record for itself.

use bytes::Bytes;

use super::{
    Front,
    fault::{Fault, FaultKind},
    sequence::Decimal,
    shard_id::ShardName,
    standin,
    writer::{Form, Writer},
};
use crate::service::{PutOutcome, ServiceError, Stream};

/// What an entry takes, about.
const ENTRY_BYTES: usize = 128;

/// What a record is refused with, of those that may be in an answer.
pub(crate) fn refusal(front: &Front, stream: &Stream, shard: u32, error: &ServiceError) -> Fault {
    match error {
        ServiceError::Overloaded | ServiceError::Throttled => {
            let message = format!(
                "Rate exceeded for shard {} in stream {} under account {}.",
                ShardName(shard),
                stream.name(),
                front.account
            );
            Fault::new(FaultKind::ProvisionedThroughputExceededException, message)
        }
        error => Fault::new(
            FaultKind::InternalFailure,
            format!("Internal Service Failure: {error}"),
        ),
    }
}

/// Records that met the same fate.
enum Fate {
    Written { shard: String, next: Decimal },
    Refused(Fault),
}

/// The body of an answer.
pub(crate) fn encode(front: &Front, stream: &Stream, outcome: PutOutcome, form: Form) -> Bytes {
    let groups = outcome
        .groups
        .into_iter()
        .map(|(shard, result)| match result {
            Ok(first) => Fate::Written {
                next: standin::origin(&shard).record(first).decimal(),
                shard: ShardName(shard.index).to_string(),
            },
            Err(error) => Fate::Refused(refusal(front, stream, shard.index, &error)),
        });
    let mut fates: Vec<Fate> = groups.collect();
    let records = outcome.group_of.len();
    let out = Vec::with_capacity(64 + records * ENTRY_BYTES);
    let mut writer = Writer::new(form, out);
    let answer = writer.map();
    writer.name("Records");
    let array = writer.array();
    let mut failed = 0;
    for group in outcome.group_of {
        let entry = writer.map();
        match &mut fates[group as usize] {
            Fate::Written { shard, next } => {
                writer.name("SequenceNumber");
                writer.plain(&next.digits());
                next.step();
                writer.name("ShardId");
                writer.plain(shard.as_bytes());
            }
            Fate::Refused(fault) => {
                failed += 1;
                writer.name("ErrorCode");
                writer.plain(fault.name().as_bytes());
                writer.name("ErrorMessage");
                writer.text(fault.message());
            }
        }
        writer.end_map(entry, 2);
    }
    writer.end_array(array, records);
    writer.name("FailedRecordCount");
    writer.number(failed);
    writer.end_map(answer, 2);
    writer.finish().into()
}
