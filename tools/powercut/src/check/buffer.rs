//! The buffer beside what was promised of it.

use std::fmt::Write as _;

use millstream_engine::{Buffer, Durability, ShardState};

use super::{
    Failure,
    shard::{Found, compare},
};
use crate::{
    expectation::{Expectation, Life},
    plan::{BUFFER, CURSORS},
    record::record,
};

/// Compares the buffer with what was promised; what was found, as text.
pub(super) fn look(buffer: &Buffer, expectation: &Expectation) -> Result<String, Failure> {
    let Some(expected) = expectation.shards.get(&BUFFER) else {
        return Ok(String::new());
    };
    if !matches!(buffer.state(), ShardState::Open) {
        return Err(format!("it is {:?}, and nothing was damaged", buffer.state()).into());
    }
    let report = buffer.open_report();
    if !report.set_back.is_empty() || !report.damaged.is_empty() {
        return Err(format!("{report:?}").into());
    }
    let stats = buffer.stats()?;
    let found = Found {
        oldest: stats.oldest.0,
        end: stats.end.0,
    };
    if expected.life == Life::Created {
        found.check(expected, Durability::Durable)?;
    }
    let mut findings = found.to_string();
    for (name, promised) in CURSORS.iter().zip(expectation.cursors) {
        let status = stats.cursors.iter().find(|status| status.name == *name);
        let Some(status) = status else {
            if promised.passed.is_some() {
                return Err(format!("cursor {name} was made, and is not there").into());
            }
            continue;
        };
        let next = status.next.0;
        if status.damaged || status.dropped > 0 {
            return Err(format!("cursor {name}: {status:?}").into());
        }
        if next < promised.passed.unwrap_or(0) || next > promised.passing {
            return Err(format!("cursor {name} is at {next}, and was told {promised:?}").into());
        }
        if next < found.oldest {
            return Err(format!("cursor {name} is at {next}, and {found} is there").into());
        }
        read(buffer, name, next, found.end)?;
        write!(findings, ", {name} at {next}")?;
    }
    Ok(findings)
}

/// Reads what a cursor has before it: to the end, without holes, each byte as it was written.
fn read(buffer: &Buffer, cursor: &str, next: u64, end: u64) -> Result<(), Failure> {
    let peek = buffer.peek(cursor, usize::MAX, usize::MAX)?;
    let mut expected = next;
    for item in peek.records() {
        let item = item?;
        if item.sequence.0 != expected {
            return Err(format!("{expected} is next, and {} comes", item.sequence).into());
        }
        compare(BUFFER, item.sequence, item.key, item.data)?;
        expected += 1;
    }
    if expected != end {
        return Err(format!("records end at {expected}, the buffer at {end}").into());
    }
    Ok(())
}

/// Pushes, reads it back and acknowledges everything.
pub(super) fn go_on(buffer: &Buffer, expectation: &Expectation) -> Result<(), Failure> {
    let end = buffer.stats()?.end;
    let (key, data) = record(BUFFER, end);
    // At the cap there is no room before something is acknowledged.
    for (name, promised) in CURSORS.iter().zip(expectation.cursors) {
        if promised.passed.is_none() {
            continue;
        }
        let last = buffer.peek(name, usize::MAX, usize::MAX)?.last();
        if let Some(last) = last {
            buffer.acknowledge(name, last)?;
        }
    }
    let pushed = buffer.push_with_key(&key, &data)?;
    if pushed != end {
        return Err(format!("buffer: {end} is next, and it gave {pushed}").into());
    }
    if expectation.cursors[0].passed.is_some() {
        read(buffer, CURSORS[0], end.0, end.0 + 1)?;
    }
    Ok(())
}
