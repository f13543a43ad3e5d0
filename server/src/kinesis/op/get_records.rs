//! GetRecords.

use bytes::Bytes;
use jiff::Timestamp;

use crate::kinesis::{
    Front,
    body::Encoding,
    fault::{Fault, FaultKind},
    iterator::{IteratorError, LIFETIME_MS, Place, ShardIterator},
    model::input::GetRecordsInput,
    name::Named,
    page::{self, PageLimits},
    put_answer,
    sequence::Origin,
    start,
    writer::{Form, Writer},
};
use crate::service::ServiceError;

/// Most records of an answer.
const MAX_RECORDS: usize = 10_000;
/// Most bytes of data and keys of one, but for a first record that is larger.
const MAX_BYTES: usize = 10 << 20;

pub(in crate::kinesis) async fn run(
    front: &Front,
    encoding: Encoding,
    input: GetRecordsInput<'_>,
) -> Result<Bytes, Fault> {
    let text = input.shard_iterator.as_deref().unwrap_or_default();
    let now_ms = front.service.clock().wall_ms();
    let opened = front.iterators.open(text, now_ms, |iterator| {
        (
            iterator.stream.to_owned(),
            iterator.stream_id,
            iterator.shard,
            iterator.place,
        )
    });
    let (name, id, number, place) = opened.map_err(|error| unusable(error, now_ms))?;
    let records = input
        .limit
        .map_or(MAX_RECORDS, |limit| limit.max(1) as usize);
    let limits = PageLimits {
        records: records.min(MAX_RECORDS),
        bytes: MAX_BYTES,
    };
    let gone = || start::no_shard(front, &name, &format!("shardId-{number:012}"));
    let stream = front.service.served(&name).map_err(|_| gone())?;
    if stream.row.id != id {
        return Err(gone());
    }
    if let Some(arn) = input.stream_arn.as_deref()
        && front
            .served_stream(Named {
                name: None,
                arn: Some(arn),
            })?
            .row
            .id
            != id
    {
        let message = "The StreamARN is not that of the ShardIterator's stream.";
        return Err(Fault::new(FaultKind::InvalidArgumentException, message));
    }
    let shard = stream.shard(number).map_err(|_| gone())?;
    if input.dry_run == Some(true) {
        return Err(super::dry_run());
    }
    let capacity = front.capacity.shard(shard.id);
    if capacity
        .as_ref()
        .is_some_and(|capacity| !capacity.begin_read())
    {
        return Err(put_answer::refusal(
            front,
            &stream,
            number,
            &ServiceError::Throttled,
        ));
    }
    let service = &front.service;
    let reading = service.read_in(&stream, number, place.position()).await;
    let mut reading = reading.map_err(Fault::from)?;
    let mut writer = Writer::new(Form::of(encoding), Vec::new());
    let answer = writer.map();
    writer.name("Records");
    let numbers = (Origin::of(shard), put_answer::encryption(&stream));
    let page = page::write_page(service, &mut reading, numbers, limits, &mut writer).await;
    let page = page.map_err(|error| page::fault(numbers.0, error))?;
    if let Some(capacity) = capacity {
        capacity.end_read(page.bytes);
    }
    writer.name("MillisBehindLatest");
    writer.number(page.behind_ms);
    if page.is_last {
        // As it is by now: the children may be younger than what was looked up before.
        let now = service.same_stream(&name, id).ok_or_else(gone)?;
        writer.name("ChildShards");
        page::write_children(&now, number, &mut writer);
    } else {
        writer.name("NextShardIterator");
        let next = ShardIterator {
            stream: &name,
            stream_id: id,
            shard: number,
            place: Place::At(page.next),
            issued_ms: now_ms,
        };
        writer.plain(front.iterators.seal(&next).as_bytes());
    }
    writer.end_map(answer, 3);
    Ok(writer.finish().into())
}

fn unusable(error: IteratorError, now_ms: u64) -> Fault {
    match error {
        IteratorError::Invalid => Fault::new(
            FaultKind::InvalidArgumentException,
            "Invalid ShardIterator.",
        ),
        IteratorError::Expired { issued_ms } => {
            let message = format!(
                "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of {LIFETIME_MS} milliseconds.",
                date(issued_ms),
                date(now_ms)
            );
            Fault::new(FaultKind::ExpiredIteratorException, message)
        }
    }
}

/// As `Thu Jan 22 01:22:02 UTC 2015`.
fn date(ms: u64) -> String {
    let time = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let time = time.unwrap_or_default();
    time.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
}

#[cfg(test)]
mod tests;
