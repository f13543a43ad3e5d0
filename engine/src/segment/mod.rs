//! Segment files: their names, headers, blocks prepared ahead, and the list of a shard's segments.

pub(crate) mod file_name;
pub(crate) mod header;
pub(crate) mod list;
mod lost_header;
pub(crate) mod prepare;

pub(crate) use header::SegmentHeader;
pub(crate) use list::{Segment, SegmentList};
