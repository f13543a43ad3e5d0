//! One shard beside what was promised of it.

use std::fmt;

use millstream_engine::{
    Durability, Position, SequenceNumber, Shard, ShardId, ShardState, Store, format::Record,
};

use super::Failure;
use crate::{
    expectation,
    plan::{self, PRODUCER, SEGMENT_BYTES, Style},
    record::record,
};

/// How far the numbers of a `Written` shard jump when it was not closed.
const JUMP: u64 = 1 << 32;

/// What can be read of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) oldest: u64,
    /// After the last record.
    pub(super) end: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.oldest, self.end)
    }
}

impl Found {
    /// Compares what is there with what was promised.
    pub(super) fn check(
        self,
        expected: &expectation::Shard,
        durability: Durability,
    ) -> Result<(), Failure> {
        let expectation::Shard {
            below,
            acknowledged,
            closed,
            ..
        } = *expected;
        let promised = match durability {
            Durability::Durable => acknowledged.max(closed),
            Durability::Written => closed,
        };
        if self.end < promised {
            return Err(format!("all below {promised} was promised, {self} is there").into());
        }
        if self.end > below {
            return Err(
                format!("nothing from {below} on was ever appended, {self} is there").into(),
            );
        }
        Ok(())
    }
}

/// Opens the shard, reads every record of it, and compares.
pub(super) fn look(
    store: &Store,
    id: ShardId,
    expected: &expectation::Shard,
) -> Result<Found, Failure> {
    let shard = store.open_shard(id, plan::shard_options(id, false))?;
    let status = shard.status();
    if !matches!(status.state, ShardState::Open) {
        return Err(format!("it is {:?}, and nothing was damaged", status.state).into());
    }
    let found = read(&shard)?;
    let durability = Style::of(id).durability();
    found.check(expected, durability)?;
    // A number that was acknowledged is never given again.
    let next = shard.end().0;
    if next < expected.acknowledged {
        let acknowledged = expected.acknowledged;
        return Err(format!("numbers go on at {next}, {acknowledged} were acknowledged").into());
    }
    if durability == Durability::Durable && next != found.end {
        return Err(format!("numbers go on at {next}, {found} is there").into());
    }
    match Style::of(id).kept_bytes() {
        // What was only written may have gone at the other end.
        _ if found.oldest == 0 || durability == Durability::Written => {}
        Some(kept) if status.bytes + SEGMENT_BYTES >= kept => {}
        kept => {
            let bytes = status.bytes;
            return Err(format!("{bytes} bytes are left of {found}, kept is {kept:?}").into());
        }
    }
    Ok(found)
}

/// Reads to the end: records without holes, each byte as it was written.
pub(super) fn read(shard: &Shard) -> Result<Found, Failure> {
    let jumps = Style::of(shard.id()).durability() == Durability::Written;
    let mut found = Found {
        oldest: shard.oldest().0,
        end: shard.oldest().0,
    };
    let mut cursor = shard.read(Position::Oldest)?;
    while let Some(batch) = cursor.next_batch()? {
        for item in batch.records() {
            let (sequence, item) = item?;
            let skipped = sequence.0.checked_sub(found.end);
            let is_next = skipped
                .is_some_and(|skipped| skipped == 0 || (jumps && skipped.is_multiple_of(JUMP)));
            if !is_next {
                return Err(format!("{} is next, and {sequence} comes", found.end).into());
            }
            compare(shard.id(), sequence, item.key, item.data)?;
            found.end = sequence.0 + 1;
        }
    }
    Ok(found)
}

/// Whether a record holds what its number says.
pub(super) fn compare(
    id: ShardId,
    sequence: SequenceNumber,
    key: &str,
    data: &[u8],
) -> Result<(), Failure> {
    let (right_key, right_data) = record(id, sequence);
    if (key, data) == (&*right_key, &*right_data) {
        return Ok(());
    }
    let same = data.iter().zip(&right_data).take_while(|(a, b)| a == b);
    Err(format!(
        "record {sequence} holds something else from byte {} on ({} bytes, {} were written)",
        same.count(),
        data.len(),
        right_data.len()
    )
    .into())
}

/// Retries the newest put, and appends; the number of what was appended.
pub(super) fn go_on(
    store: &Store,
    id: ShardId,
    expected: &expectation::Shard,
) -> Result<u64, Failure> {
    let shard = store.open_shard(id, plan::shard_options(id, false))?;
    let end = shard.end();
    if let Some(put) = expected.put {
        let records: Vec<_> = (put.first..put.first + put.count)
            .map(|sequence| record(id, SequenceNumber(sequence)))
            .collect();
        let records: Vec<_> = records.iter().map(|(k, d)| Record::new(k, d)).collect();
        let ticket = shard.try_append_from(PRODUCER, put.number, &records)?;
        let taken = ticket.wait()?;
        if !taken.duplicate || taken.first.0 != put.first || shard.end() != end {
            return Err(format!("shard {id}: {put:?} sent again came to {taken:?}").into());
        }
    }
    let (key, data) = record(id, end);
    let appended = shard.append_and_wait(&[Record::new(&key, &data)])?;
    if appended.first != end {
        return Err(format!("shard {id}: {end} is next, and it gave {appended:?}").into());
    }
    Ok(end.0)
}

/// After the close: what was there, and what was appended behind it.
pub(super) fn look_again(store: &Store, id: ShardId, appended: u64) -> Result<(), Failure> {
    let shard = store.open_shard(id, plan::shard_options(id, false))?;
    let status = shard.status();
    // A mark of the close has no room in a segment that is full to its last block; void is nothing.
    if !matches!(status.state, ShardState::Open) || status.opened.trimmed_bytes > 0 {
        return Err(format!("shard {id} was closed, and is {status:?}").into());
    }
    let found = read(&shard)?;
    if found.end != appended + 1 {
        return Err(format!("shard {id}: {appended} was appended, {found} is there").into());
    }
    Ok(())
}
