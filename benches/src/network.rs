//! Client and server over loopback TCP, in processes of their own on the same cores.

mod catch_up;
mod ingest;
mod one_by_one;
mod server;

use crate::{limits, rounds::Scenario};

/// All rows, behind their limits.
pub(crate) fn scenarios() -> Vec<Box<dyn Scenario>> {
    use ingest::Ingest;
    use one_by_one::Together;
    let mut scenarios = limits::of_ingest();
    scenarios.push(limits::of_network());
    let ingest =
        |name, size, batch| -> Box<dyn Scenario> { Box::new(Ingest { name, size, batch }) };
    scenarios.extend([
        ingest("TCP: 1 KiB × 500", 1024, 500),
        ingest("TCP: 100 B × 500", 100, 500),
        ingest("TCP: 100 B × 5000", 100, 5000),
        Box::new(one_by_one::Alone),
        Box::new(Together {
            name: "TCP: one 100 B record, 16 connections",
            connections: 16,
        }),
        Box::new(Together {
            name: "TCP: one 100 B record, 256 connections",
            connections: 256,
        }),
        Box::new(catch_up::CatchUp),
    ]);
    scenarios
}
