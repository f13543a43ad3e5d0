//! The seam under the engine: everything that a crash can touch. Files, directories, maps and
//! the queue of writes go through these traits, so that a simulated device can stand under the
//! very code that runs in production.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::pool::PoolBuffer;

/// What a device turned out to be, for start-up messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceReport {
    /// "io_uring" or "portable".
    pub name: &'static str,
    /// Whether writes bypass the page cache.
    pub direct: bool,
    /// Bytes to which batches are padded and aligned.
    pub block: usize,
    /// Why a better one was not chosen, if so.
    pub note: Option<String>,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without the directory. Names that are not UTF-8 are not the engine's and are left out.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Made anew, for reading and writing; an error when the name exists.
    Create,
    /// An existing file, for reading and writing (direct where the device is).
    Write,
    /// An existing file, for reading through the page cache.
    Read,
}

/// A place where stores live.
pub trait Device: fmt::Debug + Send + Sync + 'static {
    /// What this device is.
    fn report(&self) -> DeviceReport;

    /// Makes a directory and its missing parents, durably (each parent synced).
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Renames a file or directory within one directory, a file over any other; durable after
    /// [`Device::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Unlinks a file; durable after [`Device::sync_dir`].
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file a second name, on the same file system; durable after [`Device::sync_dir`].
    /// [`io::ErrorKind::Unsupported`] where there is no such thing: then it can only be copied.
    fn link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Makes the names of a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes everything on the file system of a directory durable, data and names: what it costs
    /// does not grow with the files that are asked about, but with what all have written.
    /// [`io::ErrorKind::Unsupported`] where there is no such thing.
    fn sync_all(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of a store, waiting up to `wait` for another holder to end:
    /// a killed process holds it until its last write has landed.
    /// [`io::ErrorKind::WouldBlock`] when it is still held. `None` for a reader of a store that
    /// must not be touched is not offered: readers take no lock.
    fn lock(&self, path: &Path, wait: Duration) -> io::Result<Arc<dyn Lock>>;

    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>>;

    /// Writes on the caller's own thread; all of it is written (and flushed, when it was to be)
    /// when this returns. The lock is held until then, even if the process is killed.
    fn write(&self, op: WriteOp) -> io::Result<()>;

    /// A queue of writes for one writer thread. The lock is held at least until every write that
    /// was submitted has ended, even if the process is killed.
    fn queue(&self, lock: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>>;
}

/// An exclusive hold on a store; released when the last handle is dropped.
pub trait Lock: fmt::Debug + Send + Sync {
    /// The system's descriptor, where there is one.
    fn descriptor(&self) -> Option<i32>;
}

/// An open file. Offsets and lengths in bytes.
#[allow(
    clippy::len_without_is_empty,
    reason = "asking for the length can fail"
)]
pub trait File: fmt::Debug + Send + Sync {
    /// Its length.
    fn len(&self) -> io::Result<u64>;
    /// Sets its length; a segment's is set once, and never shrinks.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Gives `offset..offset + len` real blocks, which read as zeros where nothing was written.
    /// [`io::ErrorKind::StorageFull`] when the medium has no room.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Writes zeros over an allocated, block-aligned range; durable after [`File::sync`].
    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Makes data and the metadata needed to read it durable.
    fn sync(&self) -> io::Result<()>;
    /// Fills `out` from `offset`, from the page cache or the medium, at any alignment.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()>;
    /// The same from the medium itself where the device can, past the page cache.
    fn read_medium_at(&self, out: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes a few blocks (headers, cursors) and makes them durable before it returns.
    /// `offset` and `bytes.len()` are multiples of the device's block; the address may be any.
    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// The same for what can be made again: durable after [`File::sync`], if anybody asks for it.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// The first range at or after `offset` that may hold anything but zeros, as (start, end);
    /// `None` when there is none up to the end of the file. A device that cannot tell says
    /// "from `offset` to the end".
    fn next_data(&self, offset: u64) -> io::Result<Option<(u64, u64)>>;
    /// Bytes that the file takes on the medium. A device that cannot tell says its length.
    fn allocated_bytes(&self) -> io::Result<u64> {
        self.len()
    }
    /// How many names it has. One with more is somebody else's too, and is not written again.
    fn links(&self) -> io::Result<u64> {
        Ok(1)
    }
    /// Maps the whole file, read-only.
    fn map(&self) -> io::Result<Arc<dyn Map>>;
    /// The system's descriptor, where there is one: for the queue of the same device.
    fn descriptor(&self) -> Option<i32>;
}

/// A read-only map of a whole file.
pub trait Map: fmt::Debug + Send + Sync {
    /// Bytes mapped.
    fn len(&self) -> usize;
    /// Whether nothing is mapped.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// `len` bytes at `offset`; `None` when they are not all inside the map. The caller asks only
    /// for bytes that no write will touch any more (below the watermark, or in a segment that
    /// nobody writes), or treats what it sees as hearsay until a checksum has covered a copy.
    fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]>;
    /// Whether bytes of the map could not be had since it was made: the file was cut short under
    /// it, or the medium failed. They read as zeros then, also those that were lent before, and
    /// may be there in a new map. Asked after bytes were read, `false` vouches for them.
    fn has_faulted(&self) -> bool {
        false
    }
    /// A hint: only what is touched or asked for is worth reading from the medium.
    fn read_nothing_ahead(&self) {}
    /// A hint: these bytes will be touched soon.
    fn read_ahead(&self, _offset: usize, _len: usize) {}
}

/// A part of a pool buffer that goes to the medium.
#[derive(Debug, Clone)]
pub struct WriteSlice {
    /// The buffer; shared with the tail, from which it is read.
    pub buffer: Arc<PoolBuffer>,
    /// Bytes from its start, a multiple of the device's block.
    pub len: usize,
}

/// A write for the queue: slices one after another at `offset`.
#[derive(Debug)]
pub struct WriteOp {
    /// Comes back in the completion.
    pub token: u64,
    /// Where to.
    pub file: Arc<dyn File>,
    /// Byte offset, a multiple of the device's block.
    pub offset: u64,
    /// What, in order. At most [`MAX_SLICES`].
    pub slices: Vec<WriteSlice>,
    /// Whether it is on the medium (flushed) when it completes, or only written.
    pub durable: bool,
}

/// Most slices in one write.
pub const MAX_SLICES: usize = 64;

/// The end of a write.
#[derive(Debug)]
pub struct Completion {
    /// The write's token.
    pub token: u64,
    /// Whether all of it was written (and flushed, when it was to be). Short writes are continued
    /// by the queue, never reported as success.
    pub result: io::Result<()>,
}

/// Writes in flight, owned by one thread.
pub trait WriteQueue: Send {
    /// Most writes that may be in flight.
    fn depth(&self) -> usize;
    /// Starts a write. The caller keeps to [`WriteQueue::depth`]. An error means that the write
    /// was not started; errors of the write itself come with its completion.
    fn submit(&mut self, op: WriteOp) -> io::Result<()>;
    /// Waits until a write has ended, [`Wake::wake`] was called since the last wait, or `timeout`
    /// has passed (`None`: no limit; zero: only look), and moves the ends to `done`.
    fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()>;
    /// Ends a wait from another thread.
    fn waker(&self) -> Arc<dyn Wake>;
}

/// Wakes one background worker. A wake that comes before the wait is not lost.
pub trait Wake: Send + Sync {
    /// Ends the present wait, or else the next.
    fn wake(&self);
}

/// How the device is chosen when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// io_uring where the system grants it, else portable.
    #[default]
    Auto,
    /// io_uring or an error.
    IoUring,
    /// Ordinary system calls.
    Portable,
}

/// How a real device is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Which one.
    pub choice: DeviceChoice,
    /// Try direct I/O (probed; falls back to buffered with a note).
    pub direct: bool,
    /// Accept a network file system.
    pub allow_network: bool,
    /// The directory of the store; it exists.
    pub path: PathBuf,
}
