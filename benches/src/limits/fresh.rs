//! Large durable writes into blocks that were only allocated, each once, by two threads.

use std::{path::Path, time::Instant};

use super::{LARGE, direct_file::DirectFile, overwrite::write_in_turns};
use crate::{error::BenchError, statistics::Throughput};

/// Writes `len` bytes, in whole large blocks, into a new file in `directory`.
pub(crate) fn write_fresh(directory: &Path, len: u64) -> Result<Throughput, BenchError> {
    let len = len.next_multiple_of(LARGE as u64);
    let file = DirectFile::allocated(&directory.join("fresh"), len)?;
    let start = Instant::now();
    let bytes = write_in_turns(&file, |at| {
        let offset = at * LARGE as u64;
        (offset < len).then_some(offset)
    })?;
    let elapsed = start.elapsed();
    Ok(Throughput { bytes, elapsed })
}
