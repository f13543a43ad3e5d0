//! Where reading begins.

use crate::{
    CodecError,
    meta::{MetaReader, MetaWriter},
};

/// A place in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The oldest record that is kept.
    Oldest,
    /// Only what is put from now on.
    AfterLatest,
    /// The record with this sequence number, or the next that is kept.
    At(u64),
    /// The record after this sequence number.
    After(u64),
    /// The first record of this time (milliseconds since 1970) or later.
    AtTime(u64),
}

impl Position {
    pub(crate) fn encode(self, out: &mut MetaWriter<'_>) {
        let (tag, value) = match self {
            Position::Oldest => (0, 0),
            Position::AfterLatest => (1, 0),
            Position::At(sequence) => (2, sequence),
            Position::After(sequence) => (3, sequence),
            Position::AtTime(ms) => (4, ms),
        };
        out.u8(tag);
        out.u64(value);
    }

    pub(crate) fn decode(meta: &mut MetaReader<'_>) -> Result<Position, CodecError> {
        let tag = meta.u8("position")?;
        let value = meta.u64("position")?;
        match (tag, value) {
            (0, 0) => Ok(Position::Oldest),
            (1, 0) => Ok(Position::AfterLatest),
            (2, sequence) => Ok(Position::At(sequence)),
            (3, sequence) => Ok(Position::After(sequence)),
            (4, ms) => Ok(Position::AtTime(ms)),
            (tag, _) => Err(CodecError::Value {
                what: "position",
                value: tag.into(),
            }),
        }
    }
}
