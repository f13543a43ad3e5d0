//! What is counted and timed: steps that can be repeated any number of times.

use std::error::Error;

/// One repetition. Everything that it needs was made before.
pub(crate) type Round = Box<dyn FnMut() -> Result<(), Box<dyn Error>>>;

/// A hot path, and how it is repeated.
pub(crate) struct HotPath {
    /// Its name in the baseline.
    pub(crate) name: &'static str,
    /// What a round does so many times, for figures that can be compared.
    pub(crate) unit: &'static str,
    pub(crate) units: u64,
    /// Rounds of the two runs whose difference is counted. The fewer of them are enough to reach
    /// what goes on for ever: buffers that come back instead of new ones, headers that were read.
    pub(crate) rounds: (u64, u64),
    /// Makes what a round needs.
    pub(crate) make: fn() -> Result<Round, Box<dyn Error>>,
}
