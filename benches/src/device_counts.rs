//! What the block device says that it did: nobody's word is taken for durability.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::error::BenchError;

const DISKSTATS: &str = "/proc/diskstats";

/// The counters of the device under a directory.
#[derive(Debug)]
pub(crate) struct DeviceCounter {
    /// Major and minor number, as the columns of /proc/diskstats have them.
    major: u32,
    minor: u32,
}

/// Operations of the whole device, by whoever they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DeviceCounts {
    /// Writes completed (field 8).
    pub(crate) writes: u64,
    /// Bytes written (field 10, sectors of 512 bytes).
    pub(crate) bytes: u64,
    /// Flushes completed (field 19).
    pub(crate) flushes: u64,
    /// Bytes read (field 6, sectors of 512 bytes).
    pub(crate) bytes_read: u64,
}

impl DeviceCounter {
    pub(crate) fn of(directory: &Path) -> Result<DeviceCounter, BenchError> {
        let metadata = fs::metadata(directory).map_err(BenchError::io("examine", directory))?;
        let device = metadata.dev();
        Ok(DeviceCounter {
            major: rustix::fs::major(device),
            minor: rustix::fs::minor(device),
        })
    }

    /// The counters now; zeros for a file system that is on no block device.
    pub(crate) fn now(&self) -> Result<DeviceCounts, BenchError> {
        let table = fs::read_to_string(DISKSTATS).map_err(BenchError::io("read", DISKSTATS))?;
        let mut rows = table.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| fields.get(at - 1)?.parse::<u64>().ok();
            let here = number(1)? == u64::from(self.major) && number(2)? == u64::from(self.minor);
            here.then_some(DeviceCounts {
                writes: number(8)?,
                bytes: number(10)? * 512,
                flushes: number(19).unwrap_or(0),
                bytes_read: number(6)? * 512,
            })
        });
        Ok(rows.next().unwrap_or_default())
    }

    /// What the device did since `before`.
    pub(crate) fn since(&self, before: DeviceCounts) -> Result<DeviceCounts, BenchError> {
        let now = self.now()?;
        Ok(DeviceCounts {
            writes: now.writes.saturating_sub(before.writes),
            bytes: now.bytes.saturating_sub(before.bytes),
            flushes: now.flushes.saturating_sub(before.flushes),
            bytes_read: now.bytes_read.saturating_sub(before.bytes_read),
        })
    }
}
