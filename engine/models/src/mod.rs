//! Models: small worlds in which threads work with the engine, and in which every interleaving of
//! their steps is one run. A model panics when something is wrong; a deadlock is a panic too.
//!
//! - [`explore`]: many runs of a model, by random and by few-preemption schedules, or one again.
//! - `medium`: a device in memory that looks on; `world`: a store on it, and what is asked of it.
//! - the others hold the models, by what they are about.
// Models are tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

pub mod appends;
pub mod endings;
mod explore;
mod medium;
pub mod memory;
pub mod segments;
pub mod waiting;
mod world;

pub use explore::{Exploration, explore};
