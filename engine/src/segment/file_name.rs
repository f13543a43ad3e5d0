//! Names in a shard's directory. A segment is named by its ordinal, which grows by one from each
//! segment to the next; its index lies beside it.

/// What a name in a shard's directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// A segment.
    Segment(u64),
    /// A segment's index.
    Index(u64),
    /// A file past retention or made ahead, to be written again.
    Spare(u64),
    /// Something half-made, to be removed at open.
    Partial,
}

pub(crate) fn segment(ordinal: u64) -> String {
    format!("{ordinal:016x}.seg")
}

/// The same while it is made: under its name, a segment has its length.
pub(crate) fn partial_segment(ordinal: u64) -> String {
    format!("{ordinal:016x}.seg.partial")
}

pub(crate) fn index(ordinal: u64) -> String {
    format!("{ordinal:016x}.idx")
}

pub(crate) fn partial_index(ordinal: u64) -> String {
    format!("{ordinal:016x}.idx.partial")
}

/// A spare has the ordinal of the segment that it was; one made ahead has a number from
/// [`MADE_AHEAD`] on, which no segment reaches.
pub(crate) fn spare(ordinal: u64) -> String {
    format!("{ordinal:016x}.spare")
}

pub(crate) fn partial_spare(ordinal: u64) -> String {
    format!("{ordinal:016x}.spare.partial")
}

/// First number of spares that were made ahead.
pub(crate) const MADE_AHEAD: u64 = 1 << 63;

/// Reads a name; `None` when it is not the engine's.
pub(crate) fn parse(name: &str) -> Option<Name> {
    if name.ends_with(".partial") {
        return Some(Name::Partial);
    }
    let (stem, extension) = name.split_once('.')?;
    let ordinal = u64::from_str_radix(stem, 16).ok()?;
    let kind = match extension {
        "seg" => Name::Segment(ordinal),
        "idx" => Name::Index(ordinal),
        "spare" => Name::Spare(ordinal),
        _ => return None,
    };
    (format!("{ordinal:016x}") == stem).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_strangers_are_left_alone() {
        assert_eq!(parse(&segment(0x1f)), Some(Name::Segment(0x1f)));
        assert_eq!(parse(&index(3)), Some(Name::Index(3)));
        assert_eq!(parse(&spare(u64::MAX)), Some(Name::Spare(u64::MAX)));
        assert_eq!(parse(&partial_segment(3)), Some(Name::Partial));
        assert_eq!(parse(&partial_index(3)), Some(Name::Partial));
        assert_eq!(parse(&partial_spare(MADE_AHEAD)), Some(Name::Partial));
        for stranger in [
            "1.seg",
            "notes.txt",
            "00000000000000zz.seg",
            "+00000000000000f.seg",
            "00000000000000FF.seg",
            "seg",
        ] {
            assert_eq!(parse(stranger), None, "{stranger}");
        }
    }
}
