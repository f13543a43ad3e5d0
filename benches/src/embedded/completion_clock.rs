//! A device that notes when writes of a shard were known to have ended: the moment before the
//! engine can tell anybody. It is the system's device in all else.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use millstream_engine::{
    DeviceChoice,
    io::{
        device::{
            Access, Completion, Device, DeviceOptions, DeviceReport, DirEntry, File, Lock, Wake,
            WriteOp, WriteQueue,
        },
        system_device,
    },
};
use millstream_format::BatchHeader;

use crate::error::BenchError;

/// What was noted.
#[derive(Debug, Default)]
struct Notes {
    /// Files of the shard.
    files: Vec<Arc<dyn File>>,
    /// The sequence number after a write, and when the write was known to have ended.
    ended: Vec<(u64, Instant)>,
}

/// The device, and the clock.
#[derive(Debug, Clone)]
pub(super) struct CompletionClock {
    device: Arc<dyn Device>,
    /// The directory of the shard whose writes are timed.
    shard: PathBuf,
    notes: Arc<Mutex<Notes>>,
}

impl CompletionClock {
    /// Times the writes of the shard whose directory has this name, in the store at `path`, which
    /// exists.
    pub(super) fn new(path: &Path, shard: &str) -> Result<CompletionClock, BenchError> {
        let options = DeviceOptions {
            choice: DeviceChoice::Auto,
            direct: true,
            allow_network: false,
            path: path.to_owned(),
        };
        Ok(CompletionClock {
            device: system_device(&options)?,
            shard: shard.into(),
            notes: Arc::default(),
        })
    }

    /// When all before each sequence number was durable, ascending.
    pub(super) fn durable(&self) -> Vec<(u64, Instant)> {
        let mut ended = self.notes().ended.clone();
        ended.sort_unstable_by_key(|(end, _)| *end);
        // A write that ended before an earlier one waits for it.
        let mut latest = None;
        for (_, at) in &mut ended {
            *at = latest.map_or(*at, |latest: Instant| latest.max(*at));
            latest = Some(*at);
        }
        ended
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequence number after the records of a write; `None` when it is of another shard, or
    /// there are no records in it.
    fn end_of(&self, op: &WriteOp) -> Option<u64> {
        let files = &self.notes().files;
        if !files.iter().any(|file| Arc::ptr_eq(file, &op.file)) {
            return None;
        }
        let last = op.slices.last()?;
        let header = BatchHeader::decode(&last.buffer).ok()??;
        (header.count > 0).then(|| header.end_sequence())
    }
}

impl Device for CompletionClock {
    fn report(&self) -> DeviceReport {
        self.device.report()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.device.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.device.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.device.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.device.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.device.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.device.sync_dir(path)
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        self.device.sync_all(path)
    }

    fn lock(&self, path: &Path, wait: Duration) -> io::Result<Arc<dyn Lock>> {
        self.device.lock(path, wait)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let file = self.device.open(path, access)?;
        if path.parent().is_some_and(|dir| dir.ends_with(&self.shard)) {
            self.notes().files.push(Arc::clone(&file));
        }
        Ok(file)
    }

    fn write(&self, op: WriteOp) -> io::Result<()> {
        let end = self.end_of(&op);
        let written = self.device.write(op);
        let now = Instant::now();
        if let Some(end) = end {
            self.notes().ended.push((end, now));
        }
        written
    }

    fn queue(&self, lock: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>> {
        Ok(Box::new(TimedQueue {
            queue: self.device.queue(lock)?,
            clock: self.clone(),
            in_flight: Vec::new(),
        }))
    }
}

struct TimedQueue {
    queue: Box<dyn WriteQueue>,
    clock: CompletionClock,
    /// Token of a write, and the sequence number after it.
    in_flight: Vec<(u64, u64)>,
}

impl WriteQueue for TimedQueue {
    fn depth(&self) -> usize {
        self.queue.depth()
    }

    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        if let Some(end) = self.clock.end_of(&op) {
            self.in_flight.push((op.token, end));
        }
        self.queue.submit(op)
    }

    fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        let before = done.len();
        let waited = self.queue.wait(timeout, done);
        let now = Instant::now();
        for completion in &done[before..] {
            let token = completion.token;
            if let Some(at) = self.in_flight.iter().position(|(t, _)| *t == token) {
                let (_, end) = self.in_flight.swap_remove(at);
                self.clock.notes().ended.push((end, now));
            }
        }
        waited
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.queue.waker()
    }
}
