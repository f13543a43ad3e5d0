//! The real device, broken on purpose: to see that the check bites.

use std::{io, path::Path, sync::Arc, time::Duration};

use millstream_engine::{
    DeviceChoice, DeviceReport, Error,
    io::{
        device::{
            Access, Completion, Device, DeviceOptions, DirEntry, File, Lock, Wake, WriteOp,
            WriteQueue,
        },
        system_device,
    },
};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Bug {
    /// Durable writes are reported as such although nothing flushed them.
    AcknowledgeBeforeFlush,
}

/// The device under `path` with the bug in it.
pub(crate) fn device(
    path: &Path,
    choice: DeviceChoice,
    bug: Bug,
) -> Result<Arc<dyn Device>, Error> {
    let inner = system_device(&DeviceOptions {
        choice,
        direct: true,
        allow_network: false,
        path: path.to_path_buf(),
    })?;
    match bug {
        Bug::AcknowledgeBeforeFlush => Ok(Arc::new(Unflushed { inner })),
    }
}

#[derive(Debug)]
struct Unflushed {
    inner: Arc<dyn Device>,
}

struct UnflushedQueue {
    inner: Box<dyn WriteQueue>,
}

impl Device for Unflushed {
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
        self.inner.open(path, access)
    }
    fn write(&self, op: WriteOp) -> io::Result<()> {
        self.inner.write(WriteOp {
            durable: false,
            ..op
        })
    }
    fn queue(&self, lock: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>> {
        Ok(Box::new(UnflushedQueue {
            inner: self.inner.queue(lock)?,
        }))
    }
}

impl WriteQueue for UnflushedQueue {
    fn depth(&self) -> usize {
        self.inner.depth()
    }
    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        self.inner.submit(WriteOp {
            durable: false,
            ..op
        })
    }
    fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        self.inner.wait(timeout, done)
    }
    fn waker(&self) -> Arc<dyn Wake> {
        self.inner.waker()
    }
}
