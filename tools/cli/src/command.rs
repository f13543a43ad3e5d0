//! The commands, one a file: its arguments, its help and what it does.

pub(crate) mod get;
pub(crate) mod inspect;
pub(crate) mod put;
pub(crate) mod repair;
pub(crate) mod serve;
pub(crate) mod snapshot;
pub(crate) mod stream;
pub(crate) mod verify;
