//! The system's device, which can be told to have no room or to fail its writes.

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
    DeviceChoice, DeviceReport,
    io::{
        device::{
            Access, Completion, Device, DeviceOptions, DirEntry, File, Lock, Map, Wake, WriteOp,
            WriteQueue,
        },
        system_device,
    },
};

/// What is wrong at the moment.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub full: AtomicBool,
    pub broken: AtomicBool,
    /// There is not even room to remove something, as where removing is writing.
    pub brimful: AtomicBool,
}

impl Faults {
    fn check_room(&self) -> io::Result<()> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

#[derive(Debug)]
pub(super) struct FlakyDevice {
    inner: Arc<dyn Device>,
    faults: Arc<Faults>,
}

impl FlakyDevice {
    pub(super) fn new(path: &Path, faults: &Arc<Faults>) -> FlakyDevice {
        let inner = system_device(&DeviceOptions {
            choice: DeviceChoice::Portable,
            direct: false,
            allow_network: false,
            path: path.to_owned(),
        });
        FlakyDevice {
            inner: inner.unwrap(),
            faults: Arc::clone(faults),
        }
    }
}

impl Device for FlakyDevice {
    fn report(&self) -> DeviceReport {
        self.inner.report()
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.faults.check_room()?;
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
        match self.faults.brimful.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.inner.remove_dir(path),
        }
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
        if access == Access::Create {
            self.faults.check_room()?;
        }
        Ok(Arc::new(FlakyFile {
            inner: self.inner.open(path, access)?,
            faults: Arc::clone(&self.faults),
        }))
    }
    fn write(&self, op: WriteOp) -> io::Result<()> {
        self.inner.write(op)?;
        match self.faults.broken.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the medium is gone")),
            false => Ok(()),
        }
    }
    fn queue(&self, lock: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>> {
        Ok(Box::new(FlakyQueue {
            inner: self.inner.queue(lock)?,
            faults: Arc::clone(&self.faults),
        }))
    }
}

#[derive(Debug)]
struct FlakyFile {
    inner: Arc<dyn File>,
    faults: Arc<Faults>,
}

impl File for FlakyFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.faults.check_room()?;
        self.inner.allocate(offset, len)
    }
    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        self.inner.write_zeros(offset, len)
    }
    fn sync(&self) -> io::Result<()> {
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
    fn map(&self) -> io::Result<Arc<dyn Map>> {
        self.inner.map()
    }
    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }
}

struct FlakyQueue {
    inner: Box<dyn WriteQueue>,
    faults: Arc<Faults>,
}

impl WriteQueue for FlakyQueue {
    fn depth(&self) -> usize {
        self.inner.depth()
    }
    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        self.inner.submit(op)
    }
    fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        let before = done.len();
        self.inner.wait(timeout, done)?;
        if self.faults.broken.load(Ordering::SeqCst) {
            for completion in &mut done[before..] {
                completion.result = Err(io::Error::other("the medium is gone"));
            }
        }
        Ok(())
    }
    fn waker(&self) -> Arc<dyn Wake> {
        self.inner.waker()
    }
}
