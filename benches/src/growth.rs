//! What grows with what: shards, stored bytes, producers, the size of records and of segments; and
//! what the store takes while it does nothing.
//!
//! What is said of a process (memory, the time to open, being killed) is measured in processes of
//! their own, which the harness starts from its own program.

mod child;
mod load;
mod rest;
mod segments;
mod shards;
mod stored;

pub(crate) use child::Child;

use crate::rounds::Family;

/// All tables, and the figures among them.
pub(crate) fn families(quick: bool) -> Vec<Family> {
    let mut families = rest::families();
    families.extend(stored::families());
    families.extend(shards::families(quick));
    families.extend(load::families());
    families.extend(segments::families());
    families
}
