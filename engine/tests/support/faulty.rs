//! A device that fails when it is told to, over the real one.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    DeviceReport, StoreOptions,
    io::{
        device::{
            Access, Completion, Device, DeviceOptions, DirEntry, File, Lock, Map, Wake, WriteOp,
            WriteQueue,
        },
        system_device,
    },
};

/// What fails at the moment.
#[derive(Debug, Default)]
pub struct Faults {
    /// The medium has no room.
    pub full: AtomicBool,
    /// Writes end with an error, after they were made.
    pub writes: AtomicBool,
    /// Flushes of segments find no room for what was written to them.
    pub flushes: AtomicBool,
    /// Writes do not end.
    pub stalled: AtomicBool,
}

#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn Device>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn File>,
    is_segment: bool,
    faults: Arc<Faults>,
}

struct FaultyQueue {
    inner: Box<dyn WriteQueue>,
    faults: Arc<Faults>,
    /// Ends that are not told yet.
    held: Vec<Completion>,
}

/// Options for a store on a device that fails when `faults` say so.
pub fn faulty_options(path: &Path) -> (StoreOptions, Arc<Faults>) {
    let mut options = super::store_options();
    let inner = system_device(&DeviceOptions {
        choice: options.device,
        direct: true,
        allow_network: false,
        path: path.to_path_buf(),
    })
    .unwrap();
    let faults = Arc::new(Faults::default());
    options.environment.device = Some(Arc::new(Faulty {
        inner,
        faults: Arc::clone(&faults),
    }));
    (options, faults)
}

impl Device for Faulty {
    fn report(&self) -> DeviceReport {
        self.inner.report()
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }
    fn sync_all(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_all(path)
    }
    fn lock(&self, path: &Path, wait: Duration) -> io::Result<Arc<dyn Lock>> {
        self.inner.lock(path, wait)
    }
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(FaultyFile {
            inner: self.inner.open(path, access)?,
            is_segment: path.extension().is_some_and(|extension| extension == "seg"),
            faults: Arc::clone(&self.faults),
        }))
    }
    fn write(&self, op: WriteOp) -> io::Result<()> {
        self.inner.write(op)?;
        while self.faults.stalled.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        match self.faults.writes.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the medium failed")),
            false => Ok(()),
        }
    }
    fn queue(&self, lock: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>> {
        Ok(Box::new(FaultyQueue {
            inner: self.inner.queue(lock)?,
            faults: Arc::clone(&self.faults),
            held: Vec::new(),
        }))
    }
}

impl File for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        if self.faults.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.allocate(offset, len)
    }
    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        self.inner.write_zeros(offset, len)
    }
    fn sync(&self) -> io::Result<()> {
        if self.is_segment && self.faults.flushes.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.sync()
    }
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_at(out, offset)
    }
    fn read_medium_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_medium_at(out, offset)
    }
    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_durable_at(bytes, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)
    }
    fn next_data(&self, offset: u64) -> io::Result<Option<(u64, u64)>> {
        self.inner.next_data(offset)
    }
    fn allocated_bytes(&self) -> io::Result<u64> {
        self.inner.allocated_bytes()
    }
    fn map(&self) -> io::Result<Arc<dyn Map>> {
        self.inner.map()
    }
    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }
}

impl WriteQueue for FaultyQueue {
    fn depth(&self) -> usize {
        self.inner.depth()
    }
    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        self.inner.submit(op)
    }
    fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        let before = done.len();
        if self.faults.stalled.load(Ordering::SeqCst) {
            let short = Duration::from_millis(10);
            return self.inner.wait(Some(short), &mut self.held);
        }
        if !self.held.is_empty() {
            done.append(&mut self.held);
            return Ok(());
        }
        self.inner.wait(timeout, done)?;
        if self.faults.writes.load(Ordering::SeqCst) {
            for completion in &mut done[before..] {
                completion.result = Err(io::Error::other("the medium failed"));
            }
        }
        Ok(())
    }
    fn waker(&self) -> Arc<dyn Wake> {
        self.inner.waker()
    }
}
