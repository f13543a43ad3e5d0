//! The engine in this process: what appends and reads cost without a network.

mod catch_up;
mod ingest;
mod one_by_one;
mod store;

use crate::{limits, rounds::Scenario};

/// All rows, behind their limits.
pub(crate) fn scenarios() -> Vec<Box<dyn Scenario>> {
    use ingest::{Ingest, Lane};
    let ingest = |name, lane, size, batch| -> Box<dyn Scenario> {
        Box::new(Ingest {
            name,
            lane,
            size,
            batch,
        })
    };
    let mut scenarios = limits::of_ingest();
    scenarios.extend([
        ingest("embedded: 1 KiB × 500, appended", Lane::Staged, 1024, 500),
        ingest(
            "embedded: 1 KiB × 500, ready batches",
            Lane::Ready,
            1024,
            500,
        ),
        ingest("embedded: 100 B × 500, appended", Lane::Staged, 100, 500),
        ingest(
            "embedded: 100 B × 500, ready batches",
            Lane::Ready,
            100,
            500,
        ),
        ingest("embedded: 100 B × 5000, appended", Lane::Staged, 100, 5000),
        ingest(
            "embedded: 100 B × 5000, ready batches",
            Lane::Ready,
            100,
            5000,
        ),
        Box::new(one_by_one::Alone),
        Box::new(one_by_one::Together),
        Box::new(catch_up::CatchUp),
    ]);
    scenarios
}
