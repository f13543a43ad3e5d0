//! Everything that can be read of a shard, and what is reported of the rest.

use std::collections::BTreeMap;

use millstream_engine::{Damage, Error, Position, Shard, ShardState};

/// What a record is: partition key and data.
pub type Content = (String, Vec<u8>);

/// What was found in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// By sequence number.
    pub records: BTreeMap<u64, Content>,
    /// What the cursor reported.
    pub gaps: Vec<Damage>,
    /// Why the shard takes no appends, if so.
    pub read_only: Option<Damage>,
    /// The oldest record that is kept.
    pub oldest: u64,
    /// The sequence number after the newest.
    pub end: u64,
    /// An error other than damage has ended the reading.
    pub broken_off: Option<String>,
}

impl Found {
    /// Reads a shard past every gap. Panics where numbers go back, or a gap leads nowhere.
    #[must_use]
    pub fn read(shard: &Shard) -> Found {
        let read_only = match shard.status().state {
            ShardState::ReadOnly(damage) => Some((*damage).clone()),
            _ => None,
        };
        let mut found = Found {
            records: BTreeMap::new(),
            gaps: Vec::new(),
            read_only,
            oldest: shard.oldest().0,
            end: shard.end().0,
            broken_off: None,
        };
        let mut cursor = match shard.read(Position::Oldest) {
            Ok(cursor) => cursor,
            Err(error) => {
                found.broken_off = Some(error.to_string());
                return found;
            }
        };
        let mut last = None;
        loop {
            let before = cursor.position();
            match cursor.next_batch() {
                Ok(None) => return found,
                Ok(Some(batch)) => {
                    for record in batch.records() {
                        // A body that verifies may still be forged, and its framing broken.
                        let Ok((sequence, record)) = record else {
                            break;
                        };
                        assert!(
                            last.is_none_or(|last| last < sequence),
                            "sequence numbers go back"
                        );
                        last = Some(sequence);
                        let content = (record.key.to_owned(), record.data.to_vec());
                        found.records.insert(sequence.0, content);
                    }
                    assert!(cursor.position() > before, "reading stands still");
                }
                Err(Error::Damaged { damage, .. }) => {
                    found.gaps.push((*damage).clone());
                    let Some(resume) = damage.resume else {
                        return found;
                    };
                    assert!(resume > before, "a gap that leads back");
                    cursor.skip_to(resume);
                }
                Err(error) => {
                    found.broken_off = Some(error.to_string());
                    return found;
                }
            }
        }
    }

    /// Whether a record is reported as lost.
    #[must_use]
    pub fn is_reported(&self, sequence: u64) -> bool {
        self.gaps.iter().any(|gap| {
            gap.sequence.0 <= sequence && gap.resume.is_none_or(|resume| sequence < resume.0)
        })
    }
}
