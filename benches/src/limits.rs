//! What the machine gives, measured with nothing of ours on the path.
//!
//! The device limits are direct writes of which each is flushed (RWF_DSYNC), two in flight. They
//! are plain system calls of two threads: safe code, and none of it the engine's, so that nobody
//! here can bend them. `bench limits` takes them once more by the engine's own queue of writes on
//! io_uring, without the engine: were that slower, the queue would be at fault.

mod cached_read;
mod cold_read;
mod direct_file;
mod fresh;
mod loopback;
mod overwrite;
mod ring;
mod small_write;

pub(crate) use cached_read::read_through;
pub(crate) use cold_read::{forget, read_direct};
pub(crate) use fresh::write_fresh;
pub(crate) use loopback::loopback;
pub(crate) use overwrite::OverwriteLimit;
pub(crate) use small_write::SmallWrites;

use crate::{error::BenchError, figure::Outcome, rounds::Bench, rounds::Family};

/// Bytes of a large write, or read.
const LARGE: usize = 1 << 20;
/// Writes or reads in flight.
const IN_FLIGHT: usize = 2;
/// Bytes of the file that is written over and over.
const OVERWRITTEN: u64 = 512 << 20;
/// Bytes that are written into fresh blocks, or read: enough for a second of a good device.
const ONCE: u64 = 2 << 30;

/// The limits alone, and the engine's queue of writes beside those of the device.
pub(crate) fn families() -> Vec<Family> {
    vec![
        Family::new(&["limit-overwrite", "ring-overwrite"], overwrite_and_ring),
        Family::new(&["limit-fresh", "ring-fresh"], fresh_and_ring),
        Family::new(
            &["limit-durable-4k-p50", "limit-durable-4k-p99"],
            small_write::limit,
        ),
        Family::new(&["limit-cached-read"], cached_read::limit),
        Family::new(&["limit-cold-read"], cold_read::limit),
        Family::new(&["limit-loopback"], |bench| {
            let rate = loopback(bench.seconds)?.mb_per_second();
            Ok(vec![Outcome::new("limit-loopback", "MB/s", rate)])
        }),
    ]
}

fn overwrite_and_ring(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let before = bench.counter.now()?;
    let limit = bench.overwrite.measure(bench.seconds)?.mb_per_second();
    let device = bench.counter.since(before)?;
    let outcome = Outcome::new("limit-overwrite", "MB/s", limit);
    let mut outcomes = vec![outcome.durable().device(device)];
    if let Some(ring) = ring::overwrite(bench)? {
        let ring = Outcome::new("ring-overwrite", "MB/s", ring.mb_per_second());
        outcomes.push(ring.limit(limit).durable());
    }
    Ok(outcomes)
}

fn fresh_and_ring(bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
    let dir = bench.fresh_dir("fresh")?;
    let before = bench.counter.now()?;
    let limit = write_fresh(dir.path(), ONCE)?.mb_per_second();
    let device = bench.counter.since(before)?;
    let outcome = Outcome::new("limit-fresh", "MB/s", limit);
    let mut outcomes = vec![outcome.durable().device(device)];
    if let Some(ring) = ring::fresh(bench, ONCE)? {
        let ring = Outcome::new("ring-fresh", "MB/s", ring.mb_per_second());
        outcomes.push(ring.limit(limit).durable());
    }
    Ok(outcomes)
}
