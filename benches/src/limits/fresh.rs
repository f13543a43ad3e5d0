//! Large durable writes into blocks that were only allocated, each once, by two threads.

use std::time::Instant;

use super::{FRESH, LARGE, direct_file::DirectFile, overwrite::write_in_turns};
use crate::{
    error::BenchError,
    rounds::{Bench, Outcome, Scenario},
};

/// Bytes for each second of measuring: about what a good device writes.
const BYTES_PER_SECOND: f64 = 1.5e9;

#[derive(Debug)]
pub(super) struct Fresh;

impl Scenario for Fresh {
    fn name(&self) -> &'static str {
        FRESH
    }

    fn is_limit(&self) -> bool {
        true
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Outcome>, BenchError> {
        let dir = bench.fresh_dir("fresh")?;
        let len = file_len(bench);
        let file = DirectFile::allocated(&dir.path().join("file"), len)?;
        let before = bench.counter.now()?;
        let start = Instant::now();
        let bytes = write_in_turns(&file, |at| {
            let offset = at * LARGE as u64;
            (offset < len).then_some(offset)
        })?;
        let outcome = Outcome::throughput(FRESH, bytes, start.elapsed(), "durable");
        Ok(vec![outcome.with_device(bench.counter.since(before)?)])
    }
}

/// Bytes of a file that is to be written once, in whole large blocks.
pub(super) fn file_len(bench: &Bench) -> u64 {
    let wanted = (bench.seconds.as_secs_f64() * BYTES_PER_SECOND) as u64;
    wanted.next_multiple_of(LARGE as u64)
}
