//! Everything that touches the system, behind the traits of [`device`].
//!
//! - [`device`]: the traits: devices, files, maps, queues of writes.
//! - [`system`]: the real device, chosen by `probe` when a store is opened.
//! - `uring` and `portable`: its two queues of writes; `write` is what they share.
//! - `file`, `directory`, `lock`, `mmap`, [`network`]: its files and what is around them.
//! - `sigbus`: pages of maps that cannot be had.
//! - `futex`: many threads woken by one call.
//! - `simulated`, a feature: a device in memory that fails, and loses its power, as it is told.
//! - [`pool`] and [`aligned`]: block-aligned memory, within a budget.
//!
//! The only room of the engine in which `unsafe` is allowed, module by module.

pub mod aligned;
pub mod device;
mod directory;
mod file;
#[cfg(test)]
mod fixture;
pub(crate) mod futex;
mod lock;
mod mmap;
pub mod network;
pub mod pool;
mod portable;
mod probe;
mod sigbus;
#[cfg(feature = "simulated")]
pub mod simulated;
pub mod system;
#[cfg(target_os = "linux")]
mod uring;
mod write;

pub(crate) use directory::create as create_directory;
pub use network::network_kind;
pub use pool::{Pool, PoolBuffer, Reclaim};
pub use system::system_device;
