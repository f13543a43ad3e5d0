//! The sparse index of a segment: derived from its batches, never believed over them.

pub(crate) mod checkpoint;
mod sparse;

pub(crate) use checkpoint::Checkpoint;
pub(crate) use sparse::{Entry, SparseIndex};
