//! The engine in this process: what appends and reads cost without a network; and, behind it, the
//! figures over TCP that stand beside the same limits.

mod completion_clock;
mod compression;
mod ingest;
mod reads;
mod single_records;
mod tail_follow;
mod versus_peers;
mod write_path;

pub(crate) use ingest::{Ingest, Until};
pub(crate) use single_records::callers;

use crate::{network, peers::Peers, rounds::Family};

/// All figures; those beside peers where there are any.
pub(crate) fn families(peers: Option<Peers>) -> Vec<Family> {
    let mut families = write_path::families();
    families.extend(network::ingest_families());
    families.extend(single_records::families());
    families.extend(reads::families());
    families.extend(tail_follow::families());
    families.extend(compression::families());
    if let Some(peers) = peers {
        families.extend(versus_peers::families(peers));
    }
    families
}
