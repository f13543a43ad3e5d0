//! Shards are split and merged: parents take no more records, children take theirs over.
//!
//! A round changes any number of shards at once. Its steps, each durable before the next:
//!
//! 1. the rows of the children, as shards that are being made, and the stream's as one that is
//!    updated. Now the request can be answered;
//! 2. the children in the store;
//! 3. the parents are sealed: they take no more, and what they took is finished, which gives
//!    their ends;
//! 4. the rows of the parents, as closed with their ends, and those of the children, as open, in
//!    one transaction; and the stream's, as active, when this was the last round.
//!
//! Then the table shows the children, and puts that met a sealed parent go on there: nobody is
//! refused. As a record of a key goes to the child only once all that went to the parent are
//! durable, a reader who reads parents to their end first sees them in order.
//!
//! A round is never undone, only gone on with: a start finds the rows of children that are being
//! made, and seals their parents before anybody can write to them. So a parent that was seen to
//! take no more never does.

mod plan;

use std::sync::Arc;

use millstream_engine::format::{HashKey, HashRange};

use super::{
    Service, ServiceError, Stream, StreamShard, limits, quotas::Rare, stream_shard::Closed,
    streams::gaps, work::Progress,
};
use crate::catalog::{ShardLife, ShardRow, StreamMode, StreamRow, StreamStatus};
use plan::Child;

/// How many open shards a stream had, and is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardCounts {
    pub before: u32,
    pub target: u32,
}

impl Service {
    /// Begins to split a shard in two, of which the second begins at `at`.
    pub(crate) async fn split_shard(
        self: &Arc<Self>,
        stream: &str,
        shard: u32,
        at: HashKey,
    ) -> Result<(), ServiceError> {
        self.begin_round(stream, move |stream| {
            let shard = open_shard(stream, shard)?;
            let HashRange { start, end } = shard.range;
            // Both have to have a key.
            if !(start < at && at <= end) {
                return Err(ServiceError::Invalid(format!(
                    "shard {} of stream {:?} has the hash keys {} to {}: it cannot be split at {}, the new first key has to lie behind the first and not behind the last",
                    shard.index, stream.name(), start.0, end.0, at.0,
                )));
            }
            Ok(plan::split(shard.index, shard.range, at))
        })
        .await
    }

    /// Begins to merge two shards whose ranges touch.
    pub(crate) async fn merge_shards(
        self: &Arc<Self>,
        stream: &str,
        shard: u32,
        adjacent: u32,
    ) -> Result<(), ServiceError> {
        self.begin_round(stream, move |stream| {
            let (one, other) = (open_shard(stream, shard)?, open_shard(stream, adjacent)?);
            let merged = plan::merge((shard, one.range), (adjacent, other.range));
            merged.map(|child| vec![child]).ok_or_else(|| {
                ServiceError::Invalid(format!(
                    "shards {shard} and {adjacent} of stream {:?} are not adjacent: merge two whose hash ranges touch",
                    stream.name(),
                ))
            })
        })
        .await
    }

    /// Begins to bring the number of open shards to `target`, of equal ranges.
    pub(crate) async fn update_shard_count(
        self: &Arc<Self>,
        stream: &str,
        target: u32,
    ) -> Result<ShardCounts, ServiceError> {
        let (name, room) = (stream.to_owned(), Arc::clone(&self.changes));
        let began = self.blocking(&room, move |service| {
            let _together = service.together();
            let stream = service.stream(&name)?;
            require_provisioned(&stream)?;
            stream.require_active()?;
            let before = u32::try_from(stream.map.open_count()).unwrap_or(u32::MAX);
            check_target(&name, before, target)?;
            let now: Vec<(u32, HashRange)> =
                stream.map.open().map(|s| (s.index, s.range)).collect();
            let more = plan::rounds(&now, target);
            service.check_room(0, more.saturating_sub(now.len()))?;
            service.check_shards((target as usize).saturating_sub(now.len()))?;
            service.count_rare(Rare::ShardCountUpdate, &stream)?;
            let counts = ShardCounts { before, target };
            if plan::toward(&now, target).is_empty() {
                return Ok((counts, stream));
            }
            let row = updating(&stream);
            service.catalog.put_shards(&row, Some(target), &[])?;
            let stream = Stream::clone(&stream);
            let stream = service.replace(Stream {
                row,
                target: Some(target),
                ..stream
            });
            Ok::<_, ServiceError>((counts, stream))
        });
        let (counts, stream) = began.await??;
        drop(self.work_on(&stream));
        Ok(counts)
    }

    /// The first step of a round whose children `plan` names.
    async fn begin_round(
        self: &Arc<Self>,
        name: &str,
        plan: impl FnOnce(&Stream) -> Result<Vec<Child>, ServiceError> + Send + 'static,
    ) -> Result<(), ServiceError> {
        let (name, room) = (name.to_owned(), Arc::clone(&self.changes));
        let began = self.blocking(&room, move |service| {
            let _together = service.together();
            let stream = service.stream(&name)?;
            require_provisioned(&stream)?;
            let children = plan(&stream)?;
            stream.require_active()?;
            for parent in children.iter().flat_map(|child| child.parents).flatten() {
                // One that cannot be opened has no end that could be known.
                stream.open(stream.shard(parent)?)?;
            }
            service.check_room(0, children.len())?;
            let parents: usize = if children.len() == 1 { 2 } else { 1 };
            service.check_shards(children.len().saturating_sub(parents))?;
            service.name_children(&stream, None, &children)
        });
        let stream = began.await??;
        drop(self.work_on(&stream));
        Ok(())
    }

    /// Step 1. Under the lock of changes.
    fn name_children(
        &self,
        stream: &Stream,
        target: Option<u32>,
        children: &[Child],
    ) -> Result<Arc<Stream>, ServiceError> {
        let now_s = self.clock.wall_ms() / 1000;
        let next = stream.every_shard().map(|s| s.index + 1).max().unwrap_or(0);
        let mut rows: Vec<ShardRow> = children
            .iter()
            .zip(next..)
            .map(|(child, number)| {
                let parents = child.parents.iter().flatten();
                let made = parents
                    .filter_map(|p| stream.map.get(*p))
                    .map(|p| p.created_s);
                ShardRow {
                    number,
                    id: 0, // given by the catalog
                    range: child.range,
                    // Its sequence numbers are to be higher than its parents'.
                    created_s: made.max().map_or(now_s, |s| now_s.max(s + 1)),
                    opened_ms: 0, // known when it opens
                    parents: child.parents,
                    life: ShardLife::Opening,
                }
            })
            .collect();
        let row = updating(stream);
        self.catalog.begin_reshard(&row, target, &mut rows)?;
        let stream = Stream::clone(stream);
        Ok(self.replace(Stream {
            row,
            target,
            opening: rows.iter().map(StreamShard::new).collect(),
            ..stream
        }))
    }

    /// Goes on with a stream that is being updated: plans a round, or carries one out.
    pub(super) fn reshard(&self, stream: &Stream) -> Result<Progress, ServiceError> {
        if !stream.opening.is_empty() {
            self.step()?;
            return self.carry_out(stream).map(|()| Progress::More);
        }
        let now: Vec<(u32, HashRange)> = stream.map.open().map(|s| (s.index, s.range)).collect();
        let children = match stream.target {
            Some(target) => plan::toward(&now, target),
            None => Vec::new(),
        };
        let _together = self.together();
        let Some(now) = self.updated(stream) else {
            return Ok(Progress::More);
        };
        if children.is_empty() {
            let row = StreamRow {
                status: StreamStatus::Active,
                ..now.row.clone()
            };
            self.catalog.put_shards(&row, None, &[])?;
            let now = Stream::clone(&now);
            self.replace(Stream {
                row,
                target: None,
                ..now
            });
            return Ok(Progress::Done);
        }
        self.name_children(&now, stream.target, &children)?;
        Ok(Progress::More)
    }

    /// Steps 2 to 4.
    fn carry_out(&self, stream: &Stream) -> Result<(), ServiceError> {
        self.make_shards(stream, &stream.opening)?;
        self.step()?;
        let parents = parents_of(stream);
        let mut ends = Vec::with_capacity(parents.len());
        for parent in &parents {
            let end = parent.open(stream.name())?.seal();
            ends.push(end.map_err(|error| self.noted(error))?.0);
        }
        self.step()?;
        let _together = self.together();
        let Some(now) = self.updated(stream) else {
            return Ok(());
        };
        // Not before they were opened, whatever the clock says.
        let opened = parents.iter().map(|parent| parent.opened_ms);
        let at_ms = opened.fold(self.clock.wall_ms(), u64::max);
        let mut changed: Vec<StreamShard> = parents.iter().copied().cloned().collect();
        for (parent, end) in changed.iter_mut().zip(ends) {
            parent.closed = Some(Closed { at_ms, end });
        }
        for child in stream.opening.iter() {
            let mut child = child.clone();
            child.opened_ms = at_ms;
            changed.push(child);
        }
        let rows: Vec<ShardRow> = changed.iter().map(StreamShard::row).collect();
        let map = now.map.with(&changed);
        let map = map.ok_or_else(|| gaps(stream.name()))?;
        let mut row = now.row.clone();
        if stream.target.is_none() {
            row.status = StreamStatus::Active;
        }
        self.catalog.put_shards(&row, stream.target, &rows)?;
        let now = Stream::clone(&now);
        let now = self.replace(Stream {
            row,
            map: Arc::new(map),
            opening: Arc::default(),
            ..now
        });
        for shard in &changed {
            if let Some(closed) = shard.closed {
                shard.door().close(closed);
            }
        }
        let (name, open) = (now.name(), now.map.open_count());
        tracing::info!(
            stream = name,
            closed = parents.len(),
            opened = stream.opening.len(),
            open,
            "shards were taken over by their children"
        );
        Ok(())
    }

    /// The stream as it is now, unless something else than updating it is to be done by now.
    fn updated(&self, stream: &Stream) -> Option<Arc<Stream>> {
        let now = self.same_stream(stream.name(), stream.row.id);
        now.filter(|now| now.row.status == StreamStatus::Updating)
    }
}

/// The shards that those which are being made take over from.
pub(super) fn parents_of(stream: &Stream) -> Vec<&StreamShard> {
    let mut numbers: Vec<u32> = stream
        .opening
        .iter()
        .flat_map(|child| child.parents)
        .flatten()
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let parents = numbers.iter().filter_map(|number| stream.map.get(*number));
    parents.collect()
}

fn updating(stream: &Stream) -> StreamRow {
    StreamRow {
        status: StreamStatus::Updating,
        ..stream.row.clone()
    }
}

fn require_provisioned(stream: &Stream) -> Result<(), ServiceError> {
    if stream.row.mode == StreamMode::OnDemand {
        return Err(ServiceError::NotInThisMode(format!(
            "stream {:?} is on demand, and the server says how many shards it has: change its mode to provisioned first",
            stream.name(),
        )));
    }
    Ok(())
}

/// An open shard.
fn open_shard(stream: &Stream, number: u32) -> Result<&StreamShard, ServiceError> {
    let shard = stream.shard(number)?;
    if !shard.is_open() {
        return Err(ServiceError::Invalid(format!(
            "shard {number} of stream {:?} is closed: it was split or merged before",
            stream.name(),
        )));
    }
    Ok(shard)
}

fn check_target(stream: &str, before: u32, target: u32) -> Result<(), ServiceError> {
    let refused = |what: &str| {
        Err(ServiceError::Quota(format!(
            "stream {stream:?} has {before} open shards, and {target} are asked for: {what}"
        )))
    };
    if target == 0 || target > limits::TARGET_SHARDS {
        let most = limits::TARGET_SHARDS;
        return refused(&format!("1 to {most} can be"));
    }
    if target > before.saturating_mul(2) {
        return refused("at most double can be; go there in steps");
    }
    if target < before.div_ceil(2) {
        return refused("at least half has to be; go there in steps");
    }
    Ok(())
}
