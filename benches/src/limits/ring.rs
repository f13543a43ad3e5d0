//! The same large writes through the engine's queue on io_uring, without the engine.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_engine::{
    DeviceChoice, PoolBuffer,
    io::{
        Pool,
        device::{Access, Device, DeviceOptions, File, WriteOp, WriteQueue, WriteSlice},
        system_device,
    },
};

use super::{IN_FLIGHT, LARGE, OVERWRITTEN};
use crate::{error::BenchError, noise::Noise, rounds::Bench, statistics::Throughput};

/// Over blocks that were written before; `None` where there is no io_uring.
pub(super) fn overwrite(bench: &Bench) -> Result<Option<Throughput>, BenchError> {
    let time = bench.seconds;
    let start_over = |start: Instant| move |_| start.elapsed() < time;
    measure(bench, OVERWRITTEN, true, start_over)
}

/// Into `len` bytes of blocks that were only allocated.
pub(super) fn fresh(bench: &Bench, len: u64) -> Result<Option<Throughput>, BenchError> {
    measure(bench, len, false, |_| move |offset| offset < len)
}

/// Writes to a file of `len` bytes while what `go_on` makes at the start says so.
fn measure<G: Fn(u64) -> bool>(
    bench: &Bench,
    len: u64,
    written: bool,
    go_on: impl FnOnce(Instant) -> G,
) -> Result<Option<Throughput>, BenchError> {
    let dir = bench.fresh_dir("ring")?;
    let device = system_device(&DeviceOptions {
        choice: DeviceChoice::Auto,
        direct: true,
        allow_network: false,
        path: dir.path().to_owned(),
    })?;
    if device.report().name != "io_uring" {
        eprintln!("  no io_uring here: left out");
        return Ok(None);
    }
    let path = dir.path().join("file");
    let file = open(&*device, &path, len, written)?;
    let lock = device
        .lock(&dir.path().join("lock"), Duration::from_secs(1))
        .map_err(BenchError::io("lock", dir.path()))?;
    let mut queue = device
        .queue(&lock)
        .map_err(BenchError::io("make a ring in", dir.path()))?;
    let mut writes = Writes::new(&mut *queue, &path, file, len)?;
    let start = Instant::now();
    let bytes = writes.run(go_on(start))?;
    let elapsed = start.elapsed();
    Ok(Some(Throughput { bytes, elapsed }))
}

fn open(
    device: &dyn Device,
    path: &Path,
    len: u64,
    written: bool,
) -> Result<Arc<dyn File>, BenchError> {
    let file = device
        .open(path, Access::Create)
        .map_err(BenchError::io("make", path))?;
    file.set_len(len).map_err(BenchError::io("extend", path))?;
    file.allocate(0, len)
        .map_err(BenchError::io("allocate", path))?;
    if written {
        file.write_zeros(0, len)
            .map_err(BenchError::io("write zeros to", path))?;
    }
    file.sync().map_err(BenchError::io("sync", path))?;
    Ok(file)
}

struct Writes<'a> {
    queue: &'a mut dyn WriteQueue,
    path: &'a Path,
    file: Arc<dyn File>,
    len: u64,
    buffers: Vec<Arc<PoolBuffer>>,
}

impl<'a> Writes<'a> {
    fn new(
        queue: &'a mut dyn WriteQueue,
        path: &'a Path,
        file: Arc<dyn File>,
        len: u64,
    ) -> Result<Writes<'a>, BenchError> {
        let pool = Pool::new(64 << 20);
        let mut buffers = Vec::new();
        for seed in 0..IN_FLIGHT {
            let Some(mut buffer) = pool.get(LARGE) else {
                return Err(BenchError::wrong("no memory for a buffer"));
            };
            Noise::new(seed as u64).fill(&mut buffer);
            buffers.push(Arc::new(buffer));
        }
        Ok(Writes {
            queue,
            path,
            file,
            len,
            buffers,
        })
    }

    /// Writes one large block after another, [`IN_FLIGHT`] at a time, while `go_on` says so of
    /// the bytes begun; gives the bytes that are durable.
    fn run(&mut self, go_on: impl Fn(u64) -> bool) -> Result<u64, BenchError> {
        let (mut begun, mut bytes, mut done) = (0u64, 0u64, Vec::new());
        let mut idle: Vec<usize> = (0..IN_FLIGHT).collect();
        loop {
            while go_on(begun)
                && let Some(slot) = idle.pop()
            {
                let op = WriteOp {
                    token: slot as u64,
                    file: Arc::clone(&self.file),
                    offset: begun % self.len,
                    slices: vec![WriteSlice {
                        buffer: Arc::clone(&self.buffers[slot]),
                        len: LARGE,
                    }],
                    durable: true,
                };
                self.queue
                    .submit(op)
                    .map_err(BenchError::io("submit a write to", self.path))?;
                begun += LARGE as u64;
            }
            if idle.len() == IN_FLIGHT {
                return Ok(bytes);
            }
            self.queue
                .wait(None, &mut done)
                .map_err(BenchError::io("wait for writes to", self.path))?;
            for completion in done.drain(..) {
                completion
                    .result
                    .map_err(BenchError::io("write", self.path))?;
                bytes += LARGE as u64;
                idle.push(completion.token as usize);
            }
        }
    }
}
