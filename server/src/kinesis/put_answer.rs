//! What became of a put, as PutRecords tells it: each record for itself.

use bytes::Bytes;

use super::{
    Front,
    fault::{Fault, FaultKind},
    sequence::Decimal,
    sequence::Origin,
    shard_id::ShardName,
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

/// How a stream's records are said to be encrypted; nothing is said where they are not.
pub(crate) fn encryption(stream: &Stream) -> Option<&'static str> {
    stream.row.encryption_key.as_ref().map(|_| "KMS")
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
                next: Origin::of(&shard).record(first).decimal(),
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
    let encrypted = say_encrypted(&mut writer, stream);
    writer.end_map(answer, 2 + encrypted);
    writer.finish().into()
}

/// Says that the stream is encrypted, if it is said to be; how many members that took.
pub(crate) fn say_encrypted(writer: &mut Writer, stream: &Stream) -> u8 {
    let Some(encryption) = encryption(stream) else {
        return 0;
    };
    writer.name("EncryptionType");
    writer.plain(encryption.as_bytes());
    1
}
