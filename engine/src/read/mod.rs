//! Reading: from the tail in memory or the map of a segment, below the watermark, verified.

pub(crate) mod batch;
pub(crate) mod cursor;
pub(crate) mod end;
pub(crate) mod tail;
pub(crate) mod walk;
