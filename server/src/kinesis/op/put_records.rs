//! PutRecords: a plain body goes from where it lies into the batches of its shards;
//! anything else is decoded as the other operations' are.

use std::borrow::Cow;

use bytes::Bytes;
use millstream_engine::format::RecordOutline;

use crate::kinesis::{
    Front,
    body::{self, Encoding, Path, Validate, Violations},
    entries::{self, Data, Entry, PutRecordsBody, cbor, json},
    fault::{Fault, FaultKind},
    model::input::{DescribeStreamSummaryInput, PutRecordsInput},
    name::Named,
    put_answer,
    writer::Form,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    encoding: Encoding,
    body: &[u8],
) -> Result<Bytes, Fault> {
    let form = Form::of(encoding);
    if let Some(plain) = plain(form, body) {
        let names = (plain.stream_name, plain.stream_arn);
        // What is wrong with it, if something is, is for the general way to say.
        if let Ok(Some(answer)) = put(front, names, &plain.entries, form, false).await {
            return Ok(answer);
        }
    }
    general(front, encoding, body).await
}

/// A body that needs no general decoding.
pub(crate) fn plain(form: Form, body: &[u8]) -> Option<PutRecordsBody<'_>> {
    let read = match form {
        Form::Json => json::read(body),
        Form::Cbor => cbor::read(body),
    };
    read.filter(|plain| is_name(plain.stream_name, plain.stream_arn))
}

/// Whether names are as the model wants them, which any input with no more than them tells.
fn is_name(name: Option<&str>, arn: Option<&str>) -> bool {
    let mut violations = Violations::default();
    let named = DescribeStreamSummaryInput {
        stream_name: name.map(Cow::Borrowed),
        stream_arn: arn.map(Cow::Borrowed),
        stream_id: None,
    };
    named.validate(&Path::Root, &mut violations);
    violations.is_empty()
}

async fn general(front: &Front, encoding: Encoding, body: &[u8]) -> Result<Bytes, Fault> {
    let input: PutRecordsInput<'_> = body::decode(encoding, body)?;
    let records = input.records.unwrap_or_default();
    let mut entries = Vec::with_capacity(records.len());
    for record in &records {
        let (Some(key), Some(data)) = (&record.partition_key, &record.data) else {
            let message = "a record needs a PartitionKey and Data";
            return Err(Fault::new(FaultKind::ValidationException, message));
        };
        entries.push(Entry {
            key,
            explicit_hash: entries::explicit_hash(record.explicit_hash_key.as_deref())?,
            data: Data::Blob(data),
        });
    }
    let names = (input.stream_name.as_deref(), input.stream_arn.as_deref());
    let dry_run = input.dry_run == Some(true);
    let answer = put(front, names, &entries, Form::of(encoding), dry_run).await?;
    answer.ok_or_else(|| {
        let message = "the Data of a record cannot be decoded";
        Fault::new(FaultKind::SerializationException, message)
    })
}

/// `None` when data is not what it was taken for. Nothing was written then, nor with an error.
async fn put(
    front: &Front,
    (name, arn): (Option<&str>, Option<&str>),
    entries: &[Entry<'_>],
    form: Form,
    dry_run: bool,
) -> Result<Option<Bytes>, Fault> {
    entries::check_total(entries)?;
    let stream = front.served_stream(Named { name, arn })?;
    let limit = stream.record_limit(front.service.settings().record_limit);
    entries::check_each(entries, limit, |at| {
        format!("records.{}.member.data", at + 1)
    })?;
    if dry_run {
        return Err(super::dry_run());
    }
    let outlines: Vec<RecordOutline<'_>> = entries.iter().map(Entry::outline).collect();
    let decode = |at: usize, out: &mut [u8]| entries[at].data.decode(out);
    let service = &front.service;
    let taken = service
        .put_outlines(&stream, &outlines, &front.capacity, decode)
        .await;
    let Ok(pending) = taken else {
        return Ok(None);
    };
    let outcome = pending.await;
    Ok(Some(put_answer::encode(front, &stream, outcome, form)))
}

/// All of it but what the shards do, for benches; bytes of the answer.
pub(in crate::kinesis) fn stage(front: &Front, body: &[u8]) -> Option<usize> {
    let plain = plain(Form::Json, body)?;
    let stream = front
        .served_stream(Named {
            name: plain.stream_name,
            arn: plain.stream_arn,
        })
        .ok()?;
    let entries = &plain.entries;
    let outlines: Vec<RecordOutline<'_>> = entries.iter().map(Entry::outline).collect();
    let decode = |at: usize, out: &mut [u8]| entries[at].data.decode(out);
    let service = &front.service;
    let outcome = service
        .stage_outlines(&stream, &outlines, &front.capacity, decode)
        .ok()?;
    Some(put_answer::encode(front, &stream, outcome, Form::Json).len())
}

#[cfg(test)]
mod tests;
