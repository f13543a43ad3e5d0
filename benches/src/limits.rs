//! What the machine gives, measured with nothing of ours on the path.
//!
//! The device limits are io_uring, O_DIRECT, RWF_DSYNC, two writes in flight. They are
//! taken twice. Once by two threads that each call pwritev2: safe code, and none of it the
//! engine's. Once by the engine's own queue of writes on io_uring: a ring needs `unsafe`, which
//! this workspace allows in one room only, and a limit that came out lower than that of plain
//! system calls would show a queue that holds the engine back. Both stand in the report; rows
//! are compared with the first, which nobody here can bend.

mod cached_read;
mod direct_file;
mod fresh;
mod loopback;
mod overwrite;
mod ring;
mod small_write;

pub(crate) use cached_read::read_through;
pub(crate) use small_write::SmallWrites;

use crate::rounds::Scenario;

/// Row of large durable writes over written blocks.
pub(crate) const OVERWRITE: &str = "limit: overwrite 1 MiB × 2, system calls";
/// Row of large durable writes into blocks that were only allocated.
pub(crate) const FRESH: &str = "limit: fresh 1 MiB × 2, system calls";
/// Row of bytes through the loopback.
pub(crate) const LOOPBACK: &str = "limit: loopback TCP, 1 connection";

/// Bytes of a large write.
const LARGE: usize = 1 << 20;
/// Writes in flight.
const IN_FLIGHT: usize = 2;

/// All limits.
pub(crate) fn scenarios() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(overwrite::Overwrite),
        Box::new(ring::Ring { fresh: false }),
        Box::new(fresh::Fresh),
        Box::new(ring::Ring { fresh: true }),
        Box::new(small_write::SmallWriteLimit),
        Box::new(cached_read::CachedRead),
        Box::new(loopback::Loopback),
    ]
}

/// Those beside which ingest rows stand.
pub(crate) fn of_ingest() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(overwrite::Overwrite), Box::new(fresh::Fresh)]
}

/// That beside which rows over TCP stand, too.
pub(crate) fn of_network() -> Box<dyn Scenario> {
    Box::new(loopback::Loopback)
}
