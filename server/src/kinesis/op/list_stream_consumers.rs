//! ListStreamConsumers.

use crate::kinesis::{
    Front,
    description::{self, was_made},
    fault::{Fault, FaultKind},
    model::{input::ListStreamConsumersInput, output::ListStreamConsumersOutput},
    name::Named,
    token::{self, Place},
};

/// Consumers in an answer, unless fewer are asked for.
const PAGE: usize = 100;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: ListStreamConsumersInput<'_>,
) -> Result<ListStreamConsumersOutput, Fault> {
    let now_ms = front.service.clock().wall_ms();
    let named = Named {
        name: None,
        arn: input.stream_arn.as_deref(),
    };
    let place = match &input.next_token {
        Some(_) if input.stream_creation_timestamp.is_some() => {
            let message = "NextToken and StreamCreationTimestamp cannot be provided together.";
            return Err(Fault::new(FaultKind::InvalidArgumentException, message));
        }
        Some(text) => match front.tokens.open(text, now_ms)? {
            Place::Consumers { stream, id, after } => Some((stream, id, after)),
            _ => return Err(token::of_another()),
        },
        None => None,
    };
    let stream = front.stream(named)?;
    was_made(front, &stream, input.stream_creation_timestamp)?;
    let after = match place {
        Some((name, id, after)) if (name.as_str(), id) == (stream.name(), stream.row.id) => after,
        Some(_) => return Err(token::of_another()),
        None => String::new(),
    };
    front.count_call("ListStreamConsumers", stream.name())?;
    let limit = input.max_results.and_then(|n| usize::try_from(n).ok());
    let limit = limit.unwrap_or(PAGE).min(PAGE);
    let first = stream.consumers.partition_point(|c| c.name <= after);
    let rest = &stream.consumers[first..];
    let page = &rest[..rest.len().min(limit)];
    let next = page.last().filter(|_| rest.len() > limit).map(|last| {
        let place = Place::Consumers {
            stream: stream.name().to_owned(),
            id: stream.row.id,
            after: last.name.clone(),
        };
        front.tokens.seal(place, now_ms)
    });
    let told = |consumer| description::consumer(front, stream.name(), consumer);
    Ok(ListStreamConsumersOutput {
        consumers: Some(page.iter().map(told).collect()),
        next_token: next,
    })
}
