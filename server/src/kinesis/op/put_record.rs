//! PutRecord.

use bytes::Bytes;

use crate::kinesis::{
    Front,
    body::Encoding,
    entries::{self, Data, Entry},
    fault::{Fault, FaultKind},
    model::input::PutRecordInput,
    name::Named,
    put_answer,
    sequence::{Number, Origin},
    shard_id::ShardName,
    writer::{Form, Writer},
};
use crate::service::Stream;

pub(in crate::kinesis) async fn run(
    front: &Front,
    encoding: Encoding,
    input: PutRecordInput<'_>,
) -> Result<Bytes, Fault> {
    let (Some(key), Some(data)) = (&input.partition_key, &input.data) else {
        let message = "a record needs a PartitionKey and Data";
        return Err(Fault::new(FaultKind::ValidationException, message));
    };
    let entry = [Entry {
        key,
        explicit_hash: entries::explicit_hash(input.explicit_hash_key.as_deref())?,
        data: Data::Blob(data),
    }];
    let stream = front.served_stream(Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    })?;
    // Zero stands for no record at all: who begins with it need not tell the first put apart.
    if let Some(number) = input.sequence_number_for_ordering.as_deref()
        && number != "0"
    {
        check_ordering(front, &stream, number)?;
    }
    let limit = stream.record_limit(front.service.settings().record_limit);
    entries::check_each(&entry, limit, |_| "data".to_owned())?;
    if input.dry_run == Some(true) {
        return Err(super::dry_run());
    }
    let [entry] = entry;
    let decode = |_: usize, out: &mut [u8]| entry.data.decode(out);
    let pending = front
        .service
        .put_outlines(&stream, &[entry.outline()], &front.capacity, decode)
        .await;
    let pending = pending.map_err(|_| {
        let message = "the Data of the record cannot be decoded";
        Fault::new(FaultKind::SerializationException, message)
    })?;
    let lost = || Fault::new(FaultKind::InternalFailure, "a record went nowhere");
    let (shard, written) = pending.await.groups.pop().ok_or_else(lost)?;
    let first =
        written.map_err(|error| put_answer::refusal(front, &stream, shard.index, &error))?;
    let number = Origin::of(&shard).record(first);
    let mut writer = Writer::new(Form::of(encoding), Vec::with_capacity(160));
    let answer = writer.map();
    writer.name("ShardId");
    writer.plain(ShardName(shard.index).to_string().as_bytes());
    writer.name("SequenceNumber");
    writer.plain(&number.decimal().digits());
    let encrypted = put_answer::say_encrypted(&mut writer, &stream);
    writer.end_map(answer, 2 + encrypted);
    Ok(writer.finish().into())
}

/// The number that is given is always above one that was given before, so there is only to see
/// that it was.
fn check_ordering(front: &Front, stream: &Stream, text: &str) -> Result<(), Fault> {
    let given = text.parse::<Number>().is_ok_and(|number| {
        let origin = number.origin();
        match stream.shard(origin.shard()) {
            Ok(shard) => {
                Origin::of(shard) == origin
                    && stream
                        .open(shard)
                        .is_ok_and(|open| number.after().is_some_and(|next| next <= open.end().0))
            }
            Err(_) => false,
        }
    });
    if given {
        return Ok(());
    }
    let message = format!(
        "ExclusiveMinimumSequenceNumber {text} used in PutRecord on stream {} under account {} is invalid.",
        stream.name(),
        front.account
    );
    Err(Fault::new(FaultKind::InvalidArgumentException, message))
}

#[cfg(test)]
mod tests;
