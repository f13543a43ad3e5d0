//! A device in memory: what the engine costs, without what a system and a medium cost. Every
//! write has ended when it is next asked for, and nothing of it depends on the machine.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    DeviceReport,
    io::device::{
        Access, Completion, Device, DirEntry, File, Lock, Map, Wake, WriteOp, WriteQueue,
    },
};

/// The blocks of the real device.
const BLOCK: usize = 4096;
/// Writes that may be in flight, as with the portable device.
const DEPTH: usize = 64;

/// What becomes of the batches that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// They can be read.
    Everything,
    /// They are dropped: an append costs no copy, which the real device does not make either.
    /// Such a store can be appended to, and read from its tail.
    NoBatches,
}

#[derive(Debug)]
enum Node {
    Directory,
    File(Arc<Content>),
}

/// Directories and files by their paths.
#[derive(Debug)]
pub(crate) struct MemoryDevice {
    keeping: Keeping,
    nodes: Mutex<BTreeMap<PathBuf, Node>>,
}

impl MemoryDevice {
    pub(crate) fn new(keeping: Keeping) -> Arc<MemoryDevice> {
        Arc::new(MemoryDevice {
            keeping,
            nodes: Mutex::default(),
        })
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = self.nodes().remove(path);
        removed.map(|_| ()).ok_or_else(not_found)
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn write(op: &WriteOp, keeping: Keeping) -> io::Result<()> {
    if keeping == Keeping::NoBatches {
        return Ok(());
    }
    let mut offset = op.offset;
    for slice in &op.slices {
        op.file.write_at(&slice.buffer[..slice.len], offset)?;
        offset += slice.len as u64;
    }
    Ok(())
}

impl Device for MemoryDevice {
    fn report(&self) -> DeviceReport {
        DeviceReport {
            name: "memory",
            direct: true,
            block: BLOCK,
            note: None,
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut nodes = self.nodes();
        for directory in path.ancestors() {
            let node = nodes.entry(directory.to_owned());
            node.or_insert(Node::Directory);
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let nodes = self.nodes();
        if !matches!(nodes.get(path), Some(Node::Directory)) {
            return Err(not_found());
        }
        let children = nodes
            .iter()
            .filter(|(child, _)| child.parent() == Some(path));
        let entries = children.filter_map(|(child, node)| {
            Some(DirEntry {
                name: child.file_name()?.to_str()?.to_owned(),
                is_dir: matches!(node, Node::Directory),
            })
        });
        Ok(entries.collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut nodes = self.nodes();
        let node = nodes.remove(from).ok_or_else(not_found)?;
        nodes.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.remove(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path, _: Duration) -> io::Result<Arc<dyn Lock>> {
        // Nobody else knows of this device.
        Ok(Arc::new(NoLock))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let mut nodes = self.nodes();
        let content = match (nodes.get(path), access) {
            (Some(_), Access::Create) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, Access::Create) => {
                let content = Arc::new(Content::default());
                nodes.insert(path.to_owned(), Node::File(Arc::clone(&content)));
                content
            }
            (Some(Node::File(content)), Access::Write | Access::Read) => Arc::clone(content),
            (Some(Node::Directory), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (None, _) => return Err(not_found()),
        };
        Ok(content)
    }

    fn write(&self, op: WriteOp) -> io::Result<()> {
        write(&op, self.keeping)
    }

    fn queue(&self, _: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>> {
        Ok(Box::new(Queue {
            keeping: self.keeping,
            ended: Vec::new(),
        }))
    }
}

#[derive(Debug)]
struct NoLock;

impl Lock for NoLock {
    fn descriptor(&self) -> Option<i32> {
        None
    }
}

/// A file.
#[derive(Debug, Default)]
struct Content {
    /// Shared with the maps that were made of it.
    bytes: RwLock<Arc<Vec<u8>>>,
    /// Nothing was written above this.
    written: AtomicU64,
}

impl Content {
    fn bytes(&self) -> Arc<Vec<u8>> {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&bytes)
    }

    /// Runs `change` on the bytes, of which there are at least `len` then.
    fn change(&self, len: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let mut shared = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        if shared.is_empty() {
            // Zeros that the system gives for nothing, instead of some that are written.
            *shared = Arc::new(vec![0; len]);
        }
        // What is mapped stays as it was: see `Snapshot`.
        let bytes = Arc::make_mut(&mut shared);
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        change(bytes);
    }
}

impl File for Content {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(len, |bytes| bytes.truncate(len as usize));
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.change(offset + len, |_| {});
        Ok(())
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        // Above what was written there are zeros already.
        let end = self.written.load(Ordering::Relaxed).min(offset + len);
        self.change(offset + len, |bytes| {
            if offset < end {
                bytes[offset as usize..end as usize].fill(0);
            }
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.bytes();
        let from = bytes.get(offset as usize..);
        let from = from.and_then(|from| from.get(..out.len()));
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn read_medium_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_at(out, offset)
    }

    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        self.change(end, |all| {
            all[offset as usize..end as usize].copy_from_slice(bytes);
        });
        self.written.fetch_max(end, Ordering::Relaxed);
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<(u64, u64)>> {
        let end = self.written.load(Ordering::Relaxed);
        Ok((offset < end).then_some((offset, end)))
    }

    fn map(&self) -> io::Result<Arc<dyn Map>> {
        Ok(Arc::new(Snapshot(self.bytes())))
    }

    fn descriptor(&self) -> Option<i32> {
        None
    }
}

/// A file as it was when it was mapped: without `unsafe` nothing can be lent that somebody else
/// writes to. What comes later the engine reads from the file, which is right, but not what is to
/// be measured: map what is no longer written.
#[derive(Debug)]
struct Snapshot(Arc<Vec<u8>>);

impl Map for Snapshot {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
        self.0.get(offset..offset.checked_add(len)?)
    }
}

/// Writes end when they begin, and are told of by the next wait.
struct Queue {
    keeping: Keeping,
    ended: Vec<Completion>,
}

impl WriteQueue for Queue {
    fn depth(&self) -> usize {
        DEPTH
    }

    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        self.ended.push(Completion {
            token: op.token,
            result: write(&op, self.keeping),
        });
        Ok(())
    }

    fn wait(&mut self, _: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        // Who waits is turned by hand, and never waits.
        done.append(&mut self.ended);
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(NoBell)
    }
}

struct NoBell;

impl Wake for NoBell {
    fn wake(&self) {}
}
