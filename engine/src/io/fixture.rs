//! Devices of every kind that this system grants, for the tests of this room.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    device::{Access, Device, DeviceChoice, DeviceOptions, File, WriteOp, WriteQueue, WriteSlice},
    pool::Pool,
    system_device,
};

/// A device with a directory of its own.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) directory: TempDir,
    pub(super) device: Arc<dyn Device>,
}

impl Place {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn queue(&self) -> Box<dyn WriteQueue> {
        let lock = self.device.lock(&self.path("LOCK"), Duration::ZERO);
        self.device.queue(&lock.unwrap()).unwrap()
    }

    pub(super) fn create(&self, name: &str) -> Arc<dyn File> {
        self.device.open(&self.path(name), Access::Create).unwrap()
    }
}

/// On a disk and, where there is one, on a file system in memory.
pub(super) fn directories() -> Vec<TempDir> {
    let memory = tempfile::tempdir_in("/dev/shm").ok();
    [Some(tempfile::tempdir().unwrap()), memory]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) fn options(directory: &TempDir, choice: DeviceChoice, direct: bool) -> DeviceOptions {
    DeviceOptions {
        choice,
        direct,
        allow_network: false,
        path: directory.path().to_owned(),
    }
}

/// Both queues (io_uring where it is granted), direct and buffered, on each directory.
pub(super) fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for choice in [DeviceChoice::Auto, DeviceChoice::Portable] {
        for direct in [true, false] {
            for directory in directories() {
                let device = system_device(&options(&directory, choice, direct)).unwrap();
                places.push(Place {
                    name: format!("{:?} in {}", device.report(), directory.path().display()),
                    directory,
                    device,
                });
            }
        }
    }
    places
}

/// `len` bytes that tell where they belong.
pub(super) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(step).collect();
    bytes.truncate(len);
    bytes
}

/// A durable write of `slices` at `offset`.
pub(super) fn write(
    pool: &Arc<Pool>,
    file: &Arc<dyn File>,
    token: u64,
    offset: u64,
    slices: &[&[u8]],
) -> WriteOp {
    let slices = slices.iter().map(|bytes| {
        let mut buffer = pool.get(bytes.len()).unwrap();
        buffer[..bytes.len()].copy_from_slice(bytes);
        let buffer = Arc::new(buffer);
        let len = bytes.len();
        WriteSlice { buffer, len }
    });
    WriteOp {
        token,
        file: Arc::clone(file),
        offset,
        slices: slices.collect(),
        durable: true,
    }
}

/// Fails when `work` does not come to an end, instead of waiting for ever.
pub(super) fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    let thread = thread::spawn(move || send.send(work()).unwrap());
    match receive.recv_timeout(Duration::from_secs(120)) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().unwrap_err())
        }
    }
}
