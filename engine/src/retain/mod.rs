//! Retention: what is past it, and the compaction thread that drops it.

pub(crate) mod policy;
pub(crate) mod reaper;
