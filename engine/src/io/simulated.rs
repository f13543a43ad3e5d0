//! A device that is simulated: files and directories in memory, with all that a medium, a system
//! and a power cut can do to them. It stands under the very code that runs in production.
//!
//! - [`Disk`] is what is there: what the system shows, what of it is on the medium, and the writes
//!   that are under way. It can be copied, cut off from its power, and damaged.
//! - [`SimulatedDevice`] gives an engine a disk. Before each operation it asks a [`Nature`] what
//!   shall become of it: that is where a test counts, crashes, lets others go first, and fails.
//!
//! What is written and not flushed reaches the medium in any subset and order, torn at sectors of
//! 512 bytes. Names that were made, renamed or removed, and lengths that were set, are on the
//! medium when their directory or file was synced, and perhaps before. A flush that failed leaves
//! what it should have flushed undecided, and no later flush takes it up again.
//!
//! One thread at a time: a disk that was forked ([`Disk::fork`]) shares memory with its origin,
//! which must not be written to while the fork lives.

mod damage;
mod disk;
mod inode;
mod memory;
mod queue;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use disk::{Disk, SECTOR};

use super::{
    aligned::BLOCK,
    device::{Access, Device, DeviceReport, DirEntry, File, Lock, Map, WriteOp, WriteQueue},
};
use disk::FileId;
use memory::Memory;
use queue::{Queue, gather};

/// What is about to be done to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A directory is made, durably.
    CreateDir,
    /// Names are listed.
    List,
    /// A file gets another name.
    Rename,
    /// A file loses its name.
    RemoveFile,
    /// A directory is removed.
    RemoveDir,
    /// Names of a directory are made durable.
    SyncDir,
    /// Everything is made durable.
    SyncAll,
    /// The lock is taken.
    Lock,
    /// A file is made.
    Create,
    /// A file is opened.
    Open,
    /// A length is set.
    SetLen,
    /// Blocks are given.
    Allocate,
    /// Zeros are written.
    WriteZeros,
    /// A file is made durable.
    Sync,
    /// Bytes are read.
    Read,
    /// A few blocks are being written, durably or not.
    Write,
    /// A write goes to the queue.
    Submit,
    /// A write is about to land.
    Land,
    /// A write has landed, and is about to be told of.
    Complete,
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Done,
    /// It fails, and nothing has happened.
    Fails(io::ErrorKind),
    /// It fails, and some of it has happened: any part of a write; nothing that was to be flushed
    /// is certain, then or later.
    FailsHalfway(io::ErrorKind),
    /// It is said to be done, and is not: a write that is dropped, a flush that flushes nothing.
    Lies,
    /// A write lands so many sectors further on, and is said to be done.
    Astray(u32),
}

/// What decides about a device's operations.
pub trait Nature: fmt::Debug + Send + Sync {
    /// Asked before each operation on `path`; nothing of the device is locked meanwhile.
    fn before(&self, device: &SimulatedDevice, action: Action, path: &Path) -> Fate;
    /// A number below `bound`, which is not 0.
    fn choose(&self, bound: u64) -> u64;
}

/// A nature in which everything goes well, in order.
#[derive(Debug)]
pub struct Calm;

impl Nature for Calm {
    fn before(&self, _: &SimulatedDevice, _: Action, _: &Path) -> Fate {
        Fate::Done
    }

    fn choose(&self, _: u64) -> u64 {
        0
    }
}

/// A device on a [`Disk`]; clones are the same device.
#[derive(Debug, Clone)]
pub struct SimulatedDevice {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Mutex<Disk>,
    nature: Arc<dyn Nature>,
    lock: Mutex<std::sync::Weak<SimulatedLock>>,
}

impl Shared {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(self: &Arc<Self>, action: Action, path: &Path) -> Fate {
        let device = SimulatedDevice {
            shared: Arc::clone(self),
        };
        self.nature.before(&device, action, path)
    }

    /// Asks nature; `Ok(true)` when it is to be done, `Ok(false)` when that is only said.
    fn ask(self: &Arc<Self>, action: Action, path: &Path) -> io::Result<bool> {
        match self.fate(action, path) {
            Fate::Done | Fate::Astray(_) => Ok(true),
            Fate::Lies => Ok(false),
            Fate::Fails(kind) | Fate::FailsHalfway(kind) => Err(failed(kind)),
        }
    }

    /// Writes bytes to a file as nature has it.
    fn write(
        &self,
        id: FileId,
        bytes: &[u8],
        offset: u64,
        durable: bool,
        fate: Fate,
    ) -> io::Result<()> {
        let mut disk = self.disk();
        match fate {
            Fate::Done => disk.write(id, bytes, offset, durable),
            Fate::Astray(sectors) => {
                let offset = offset + u64::from(sectors) * SECTOR as u64;
                // Beyond the file's end it is lost altogether.
                if offset + bytes.len() as u64 <= disk.len(id) {
                    disk.write(id, bytes, offset, durable);
                }
            }
            Fate::Lies => {}
            Fate::Fails(kind) => return Err(failed(kind)),
            Fate::FailsHalfway(kind) => {
                disk.write_some(id, bytes, offset, &*self.nature);
                if durable && self.nature.choose(2) == 0 {
                    disk.give_up(id);
                }
                return Err(failed(kind));
            }
        }
        Ok(())
    }
}

fn failed(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, format!("simulated: {kind}"))
}

impl SimulatedDevice {
    /// A device on `disk`, ruled by `nature`.
    #[must_use]
    pub fn new(disk: Disk, nature: Arc<dyn Nature>) -> SimulatedDevice {
        SimulatedDevice {
            shared: Arc::new(Shared {
                disk: Mutex::new(disk),
                nature,
                lock: Mutex::default(),
            }),
        }
    }

    /// The disk as it is now: with what is under way and what is not flushed.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.shared.disk().fork()
    }

    /// Looks at the disk, or changes it, in place.
    pub fn with_disk<T>(&self, look: impl FnOnce(&mut Disk) -> T) -> T {
        look(&mut self.shared.disk())
    }
}

impl Device for SimulatedDevice {
    fn report(&self) -> DeviceReport {
        DeviceReport {
            name: "simulated",
            direct: true,
            block: BLOCK,
            note: None,
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if self.shared.ask(Action::CreateDir, path)? {
            self.shared.disk().create_dir(path)?;
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.shared.ask(Action::List, path)?;
        self.shared.disk().list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.shared.ask(Action::Rename, to)? {
            true => self.shared.disk().rename(from, to),
            false => Ok(()),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        match self.shared.ask(Action::RemoveFile, path)? {
            true => self.shared.disk().remove_file(path),
            false => Ok(()),
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        match self.shared.ask(Action::RemoveDir, path)? {
            true => self.shared.disk().remove_dir(path),
            false => Ok(()),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self.shared.ask(Action::SyncDir, path)? {
            true => self.shared.disk().sync_dir(path),
            false => Ok(()),
        }
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        if self.shared.ask(Action::SyncAll, path)? {
            self.shared.disk().sync_all();
        }
        Ok(())
    }

    fn lock(&self, path: &Path, _: Duration) -> io::Result<Arc<dyn Lock>> {
        self.shared.ask(Action::Lock, path)?;
        let mut held = self
            .shared
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if held.upgrade().is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let lock = Arc::new(SimulatedLock);
        *held = Arc::downgrade(&lock);
        Ok(lock)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let action = match access {
            Access::Create => Action::Create,
            Access::Write | Access::Read => Action::Open,
        };
        self.shared.ask(action, path)?;
        let mut disk = self.shared.disk();
        let id = match access {
            Access::Create => disk.create(path)?,
            Access::Write => disk.open_for_writing(path)?,
            Access::Read => disk.find(path)?,
        };
        drop(disk);
        Ok(Arc::new(SimulatedFile {
            shared: Arc::clone(&self.shared),
            id,
            path: path.to_path_buf(),
        }))
    }

    fn write(&self, op: WriteOp) -> io::Result<()> {
        let (id, path) = self.shared.disk().named(op.file.descriptor())?;
        let bytes = gather(&op);
        self.shared.ask(Action::Submit, &path)?;
        let nature = &*self.shared.nature;
        let flight = self.shared.disk().launch(id, op.offset, &bytes, nature);
        let fate = self.shared.fate(Action::Land, &path);
        self.shared.disk().landed(flight);
        self.shared.write(id, &bytes, op.offset, op.durable, fate)?;
        self.shared.ask(Action::Complete, &path).map(|_| ())
    }

    fn queue(&self, _: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>> {
        Ok(Box::new(Queue::new(&self.shared)))
    }
}

#[derive(Debug)]
struct SimulatedLock;

impl Lock for SimulatedLock {
    fn descriptor(&self) -> Option<i32> {
        None
    }
}

/// An open file: the file itself, whatever its name has become.
#[derive(Debug)]
struct SimulatedFile {
    shared: Arc<Shared>,
    id: FileId,
    path: PathBuf,
}

impl SimulatedFile {
    fn write(&self, bytes: &[u8], offset: u64, durable: bool) -> io::Result<()> {
        let nature = &*self.shared.nature;
        let flight = self.shared.disk().launch(self.id, offset, bytes, nature);
        let fate = self.shared.fate(Action::Write, &self.path);
        self.shared.disk().landed(flight);
        self.shared.write(self.id, bytes, offset, durable, fate)
    }
}

impl File for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.shared.disk().len(self.id))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.shared.ask(Action::SetLen, &self.path)? {
            self.shared.disk().set_len(self.id, len)?;
        }
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        if self.shared.ask(Action::Allocate, &self.path)? {
            self.shared.disk().give(self.id, offset, len);
        }
        Ok(())
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        Ok(self.shared.disk().room(self.id))
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        let fate = self.shared.fate(Action::WriteZeros, &self.path);
        let touched = self.shared.disk().touched(self.id, offset, len);
        // Where nothing was ever written, there are zeros.
        for (start, len) in touched {
            self.shared
                .write(self.id, &vec![0; len], start, false, fate)?;
        }
        match fate {
            Fate::Fails(kind) | Fate::FailsHalfway(kind) => Err(failed(kind)),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self.shared.fate(Action::Sync, &self.path) {
            Fate::Done | Fate::Astray(_) => self.shared.disk().sync(self.id),
            Fate::Lies => {}
            Fate::Fails(kind) | Fate::FailsHalfway(kind) => {
                self.shared.disk().give_up(self.id);
                return Err(failed(kind));
            }
        }
        Ok(())
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.shared.ask(Action::Read, &self.path)?;
        self.shared.disk().read(self.id, out, offset)
    }

    fn read_medium_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_at(out, offset)
    }

    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, offset, true)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, offset, false)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<(u64, u64)>> {
        self.shared.ask(Action::Read, &self.path)?;
        Ok(self.shared.disk().next_data(self.id, offset))
    }

    fn map(&self) -> io::Result<Arc<dyn Map>> {
        self.shared.ask(Action::Open, &self.path)?;
        let (memory, len) = self.shared.disk().memory(self.id)?;
        Ok(Arc::new(SimulatedMap { memory, len }))
    }

    fn descriptor(&self) -> Option<i32> {
        Some(self.id.number())
    }
}

#[derive(Debug)]
struct SimulatedMap {
    memory: Arc<Memory>,
    len: usize,
}

impl Map for SimulatedMap {
    fn len(&self) -> usize {
        self.len
    }

    fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let end = offset.checked_add(len)?;
        (end <= self.len).then(|| self.memory.bytes(offset, len))
    }
}
