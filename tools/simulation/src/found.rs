//! What a reader finds in a shard.

use millstream_engine::{Damage, Error, Position, Shard, ShardState};

use crate::payload::Identity;

/// Everything that can be read of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) state: String,
    pub(crate) oldest: u64,
    pub(crate) end: u64,
    /// Number, record, time.
    pub(crate) records: Vec<(u64, Identity, u64)>,
    /// What was reported, by the shard or by its cursor.
    pub(crate) gaps: Vec<Damage>,
    /// Bytes that are no record of ours.
    pub(crate) stranger: Option<String>,
}

impl Found {
    /// Reads a shard from `position` on.
    pub(crate) fn read(shard: &Shard, position: Position) -> Result<Found, String> {
        let mut found = Found {
            state: format!("{:?}", shard.status()),
            oldest: shard.oldest().0,
            end: shard.end().0,
            records: Vec::new(),
            gaps: Vec::new(),
            stranger: None,
        };
        if let ShardState::ReadOnly(damage) = shard.status().state {
            found.gaps.push((*damage).clone());
        }
        let told = |error: Error| format!("reading: {error}");
        let mut cursor = shard.read(position).map_err(told)?;
        loop {
            let before = cursor.position();
            match cursor.next_batch() {
                Ok(None) => return Ok(found),
                Ok(Some(batch)) => {
                    for record in batch.records() {
                        let (sequence, record) = record.map_err(told)?;
                        match Identity::read(record.data) {
                            Some(identity) => {
                                found.records.push((sequence.0, identity, batch.time_ms()))
                            }
                            None => {
                                let bytes = &record.data[..record.data.len().min(32)];
                                found.stranger = Some(format!("{sequence}: {bytes:02x?}"));
                            }
                        }
                    }
                    if cursor.position() <= before {
                        return Err(format!("reading does not get beyond {before}"));
                    }
                }
                Err(Error::Damaged { damage, .. }) => {
                    found.gaps.push((*damage).clone());
                    match damage.resume {
                        Some(resume) if resume > before => cursor.skip_to(resume),
                        Some(resume) => {
                            return Err(format!(
                                "reading stands at {before} and is to go on at {resume}"
                            ));
                        }
                        None => return Ok(found),
                    }
                }
                Err(error) => return Err(told(error)),
            }
        }
    }

    /// Whether a report covers a number.
    pub(crate) fn gap_covers(&self, sequence: u64) -> bool {
        self.gaps.iter().any(|gap| {
            gap.sequence.0 <= sequence && gap.resume.is_none_or(|resume| sequence < resume.0)
        })
    }
}
