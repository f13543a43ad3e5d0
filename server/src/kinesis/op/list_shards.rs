//! ListShards.

use std::sync::Arc;

use crate::{
    kinesis::{
        Front,
        description::{self, was_made},
        fault::{Fault, FaultKind},
        model::{
            choice::ShardFilterType,
            input::{ListShardsInput, ShardFilter},
            output::ListShardsOutput,
        },
        name::{Named, shard_number},
        refusal,
        token::{self, Place, Which},
    },
    service::{ServiceError, Stream, StreamShard},
};

/// Shards in an answer, unless fewer are asked for.
const PAGE: usize = 1000;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: ListShardsInput<'_>,
) -> Result<ListShardsOutput, Fault> {
    let now_ms = front.service.clock().wall_ms();
    let (stream, after, which) = match &input.next_token {
        Some(text) => go_on(front, &input, text, now_ms)?,
        None => begin(front, &input, now_ms)?,
    };
    let served = stream.require_served();
    served.map_err(|error| refusal::of(front, error))?;
    front.count_call("ListShards", stream.name())?;
    let limit = input.max_results.and_then(|n| usize::try_from(n).ok());
    let limit = limit.unwrap_or(PAGE).min(PAGE);
    let shards = stream.map.all().iter();
    let mut shards = shards
        .filter(|shard| after.is_none_or(|after| shard.index > after))
        .filter(|shard| is_listed(shard, which));
    let page: Vec<&StreamShard> = shards.by_ref().take(limit).collect();
    let more = shards.next().is_some();
    let next = page.last().filter(|_| more).map(|last| {
        let place = Place::Shards {
            stream: stream.name().to_owned(),
            id: stream.row.id,
            after: last.index,
            which,
        };
        front.tokens.seal(place, now_ms)
    });
    Ok(ListShardsOutput {
        shards: Some(page.into_iter().map(description::shard).collect()),
        next_token: next,
    })
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::InvalidArgumentException, message)
}

/// Stream, number of the last shard of the page before, and which are listed.
type Listing = (Arc<Stream>, Option<u32>, Which);

fn begin(front: &Front, input: &ListShardsInput<'_>, now_ms: u64) -> Result<Listing, Fault> {
    if let Some(filter) = &input.shard_filter {
        check(filter)?;
    }
    let exclusive = input.exclusive_start_shard_id.as_deref();
    let mut after = exclusive.map(shard_number).transpose()?;
    let stream = front.stream(Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    })?;
    was_made(front, &stream, input.stream_creation_timestamp)?;
    let which = match &input.shard_filter {
        None => Which::All,
        Some(filter) => {
            let (which, behind) = filtered(&stream, filter, now_ms)?;
            after = after.max(behind);
            which
        }
    };
    Ok((stream, after, which))
}

fn go_on(
    front: &Front,
    input: &ListShardsInput<'_>,
    token: &str,
    now_ms: u64,
) -> Result<Listing, Fault> {
    let together = [
        ("StreamName", input.stream_name.is_some()),
        (
            "ExclusiveStartShardId",
            input.exclusive_start_shard_id.is_some(),
        ),
        (
            "StreamCreationTimestamp",
            input.stream_creation_timestamp.is_some(),
        ),
    ];
    if let Some((name, _)) = together.iter().find(|(_, there)| *there) {
        return Err(invalid(format!(
            "NextToken and {name} cannot be provided together."
        )));
    }
    let Place::Shards {
        stream: name,
        id,
        after,
        which,
    } = front.tokens.open(token, now_ms)?
    else {
        return Err(token::of_another());
    };
    // Clients that have an ARN give it with every page.
    let named = Named {
        name: Some(&name),
        arn: input.stream_arn.as_deref(),
    };
    front.stream_name(named)?;
    let stream = front.service.same_stream(&name, id).ok_or_else(|| {
        let name = name.clone();
        refusal::of(front, ServiceError::NoSuchStream { name })
    })?;
    Ok((stream, Some(after), which))
}

/// Whether a filter has what its type needs, and nothing else.
fn check(filter: &ShardFilter<'_>) -> Result<(), Fault> {
    let name = filter.r#type.as_deref().unwrap_or_default();
    let kind = ShardFilterType::from_name(name);
    let needs_id = kind == Some(ShardFilterType::AfterShardId);
    let needs_time = matches!(
        kind,
        Some(ShardFilterType::AtTimestamp | ShardFilterType::FromTimestamp)
    );
    let wrong = |what: &str, needed: bool| {
        let verb = if needed { "needs" } else { "takes no" };
        Err(invalid(format!(
            "ShardFilter of type {name} {verb} {what}."
        )))
    };
    if needs_id != filter.shard_id.is_some() {
        return wrong("ShardId", needs_id);
    }
    if needs_time != filter.timestamp.is_some() {
        return wrong("Timestamp", needs_time);
    }
    Ok(())
}

/// Which shards a filter lets through, and behind which number.
fn filtered(
    stream: &Stream,
    filter: &ShardFilter<'_>,
    now_ms: u64,
) -> Result<(Which, Option<u32>), Fault> {
    let name = filter.r#type.as_deref().unwrap_or_default();
    let horizon_ms = stream.horizon_ms(now_ms);
    let time_ms = filter.timestamp.map(|t| u64::try_from(t.ms).unwrap_or(0));
    // What is open now is fixed as what is open at this moment, for the pages to come.
    let opened = stream.map.all().iter().map(|shard| shard.opened_ms);
    let latest_ms = opened.fold(now_ms, u64::max);
    let at_ms = time_ms
        .unwrap_or(0)
        .clamp(horizon_ms, latest_ms.max(horizon_ms));
    let which = match ShardFilterType::from_name(name) {
        Some(ShardFilterType::AfterShardId) => {
            let behind = filter.shard_id.as_deref().unwrap_or_default();
            return Ok((Which::All, Some(shard_number(behind)?)));
        }
        Some(ShardFilterType::AtLatest) => Which::At(latest_ms),
        Some(ShardFilterType::AtTrimHorizon) => Which::At(horizon_ms),
        Some(ShardFilterType::AtTimestamp) => Which::At(at_ms),
        Some(ShardFilterType::FromTimestamp) => Which::From(at_ms),
        Some(ShardFilterType::FromTrimHorizon) | None => Which::All,
    };
    Ok((which, None))
}

fn is_listed(shard: &StreamShard, which: Which) -> bool {
    let open_after = |ms: u64| shard.closed.is_none_or(|closed| closed.at_ms > ms);
    match which {
        Which::All => true,
        // One that closes at a moment has handed over by then.
        Which::At(ms) => shard.opened_ms <= ms && open_after(ms),
        Which::From(ms) => open_after(ms),
    }
}

#[cfg(test)]
mod tests;
