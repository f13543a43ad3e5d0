//! ListStreams.

use crate::kinesis::{
    Front, description,
    fault::{Fault, FaultKind},
    model::{
        input::ListStreamsInput,
        output::{ListStreamsOutput, StreamSummary},
    },
    token::{self, Place},
};
use crate::service::Stream;

/// Streams in an answer, unless fewer are asked for.
const PAGE: usize = 100;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: ListStreamsInput<'_>,
) -> Result<ListStreamsOutput, Fault> {
    let now_ms = front.service.clock().wall_ms();
    let after = match (input.exclusive_start_stream_name, input.next_token) {
        (Some(_), Some(_)) => {
            let message = "NextToken and ExclusiveStartStreamName cannot be provided together.";
            return Err(Fault::new(FaultKind::InvalidArgumentException, message));
        }
        (None, Some(text)) => match front.tokens.open(&text, now_ms)? {
            Place::Streams { after } => after,
            _ => return Err(token::of_another()),
        },
        (after, None) => after.unwrap_or_default().into_owned(),
    };
    front.count_call("ListStreams", "")?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(PAGE).min(PAGE);
    let (streams, more) = front.service.list_streams(&after, limit);
    let names: Vec<String> = streams.iter().map(|s| s.name().to_owned()).collect();
    let next = names.last().filter(|_| more).cloned();
    let next = next.map(|after| front.tokens.seal(Place::Streams { after }, now_ms));
    let summary = |stream: &Stream| StreamSummary {
        stream_name: Some(stream.name().to_owned()),
        stream_arn: Some(front.stream_arn(stream.name())),
        stream_status: Some(description::status(stream)),
        stream_mode_details: Some(description::mode(stream)),
        stream_creation_timestamp: Some(description::time(stream.row.created_ms)),
    };
    Ok(ListStreamsOutput {
        stream_names: Some(names),
        has_more_streams: Some(more),
        next_token: next,
        stream_summaries: Some(streams.iter().map(|stream| summary(stream)).collect()),
    })
}
