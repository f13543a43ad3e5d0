//! The marks up to a cut, folded: what must be there, and what may be.

use std::collections::BTreeMap;

use millstream_engine::ShardId;

use crate::{
    mark::{MARK_BYTES, Mark},
    plan::CURSORS,
};

/// How far a shard has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Life {
    /// It may be there or not, whole or not.
    #[default]
    Creating,
    /// It is there.
    Created,
    /// As for creating.
    Deleting,
    /// It is gone.
    Deleted,
}

/// A put that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) number: u64,
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// What is known of a shard, or of the records of the buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) life: Life,
    /// No record of this number or above was ever appended.
    pub(crate) below: u64,
    /// All records below this were acknowledged.
    pub(crate) acknowledged: u64,
    /// All records below this were there when it was closed.
    pub(crate) closed: u64,
    /// The newest put that was acknowledged.
    pub(crate) put: Option<Put>,
}

/// What is known of a cursor that was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// It was made, and an acknowledgement up to here had returned.
    pub(crate) passed: Option<u64>,
    /// One up to here had begun.
    pub(crate) passing: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expectation {
    pub(crate) shards: BTreeMap<ShardId, Shard>,
    pub(crate) cursors: [Cursor; CURSORS.len()],
}

impl Expectation {
    /// Folds marks, one after another as they were recorded.
    pub(crate) fn read(marks: &[u8]) -> Expectation {
        let mut expectation = Expectation::default();
        for mark in marks.chunks_exact(MARK_BYTES).filter_map(Mark::decode) {
            expectation.add(mark);
        }
        expectation
    }

    fn add(&mut self, mark: Mark) {
        let shards = &mut self.shards;
        let cursors = &mut self.cursors;
        match mark {
            Mark::Creating(id) => shards.entry(id).or_default().life = Life::Creating,
            Mark::Created(id) => shards.entry(id).or_default().life = Life::Created,
            Mark::Deleting(id) => shards.entry(id).or_default().life = Life::Deleting,
            Mark::Deleted(id) => shards.entry(id).or_default().life = Life::Deleted,
            Mark::Below(id, end) => shards.entry(id).or_default().below = end,
            Mark::Acknowledged(id, end) => {
                let shard = shards.entry(id).or_default();
                shard.acknowledged = shard.acknowledged.max(end);
            }
            Mark::Put(id, number, first, count) => {
                shards.entry(id).or_default().put = Some(Put {
                    number,
                    first,
                    count,
                });
            }
            Mark::Closed(id, end) => shards.entry(id).or_default().closed = end,
            Mark::Passing(cursor, end) => {
                if let Some(cursor) = cursors.get_mut(cursor as usize) {
                    cursor.passing = end;
                }
            }
            Mark::Passed(cursor, end) => {
                if let Some(cursor) = cursors.get_mut(cursor as usize) {
                    cursor.passed = Some(end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_marks_say_more() {
        let (one, two) = (ShardId(1), ShardId(2));
        let marks = [
            Mark::Creating(one),
            Mark::Created(one),
            Mark::Below(one, 100),
            Mark::Acknowledged(one, 3),
            Mark::Put(one, 0, 1, 2),
            Mark::Acknowledged(one, 7),
            Mark::Creating(two),
            Mark::Passing(1, 5),
        ];
        let mut bytes = vec![0; marks.len() * MARK_BYTES];
        for (block, mark) in bytes.chunks_exact_mut(MARK_BYTES).zip(marks) {
            mark.encode(block);
        }
        let found = Expectation::read(&bytes);
        assert_eq!(
            found.shards[&one],
            Shard {
                life: Life::Created,
                below: 100,
                acknowledged: 7,
                closed: 0,
                put: Some(Put {
                    number: 0,
                    first: 1,
                    count: 2
                }),
            }
        );
        assert_eq!(found.shards[&two].life, Life::Creating);
        assert_eq!(
            found.cursors[1],
            Cursor {
                passed: None,
                passing: 5
            }
        );
        // Marks that were cut off promise nothing.
        let fewer = Expectation::read(&bytes[..4 * MARK_BYTES]);
        assert_eq!(fewer.shards[&one].acknowledged, 3);
        assert!(!fewer.shards.contains_key(&two));
    }
}
