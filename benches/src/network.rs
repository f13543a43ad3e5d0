//! Client and server over loopback TCP, in processes of their own on the same cores.

mod catch_up;
mod ingest;
mod one_by_one;
mod server;

use crate::rounds::Family;

pub(crate) use ingest::families as ingest_families;
pub(crate) use server::{MeasuredServer, STREAM};

/// What is shown beside the figures.
pub(crate) fn families() -> Vec<Family> {
    let mut families = one_by_one::families();
    families.extend(catch_up::families());
    families
}
