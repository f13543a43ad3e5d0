//! Processor time of the whole process: all its threads, in user mode and in the kernel.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time that this process has had.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
