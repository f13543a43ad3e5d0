//! A device in memory that looks on: at what is written where, by whom, and beside what else.
//! It panics at what no device could make good.

use std::{
    collections::BTreeMap,
    fmt, io, mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
    unscheduled,
};

use crate::io::device::{
    Access, Completion, Device, DeviceReport, DirEntry, File, Lock, Map, Wake, WriteOp, WriteQueue,
};

const BLOCK: usize = 4096;
/// Writes of one shard that are unacknowledged, and so under way, at most.
const SLOTS: usize = 2;
const DEPTH: usize = 8;

/// Others may go on here: what a device does takes time. No yield, by which a scheduler with
/// priorities would always let them.
fn step() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}

fn hold<T>(mutex: &unscheduled::Mutex<T>) -> unscheduled::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
enum Node {
    Directory,
    File(Arc<Content>),
}

/// What the tests of a model choose.
#[derive(Debug)]
struct Fate {
    /// Bytes that can still be given to files.
    room: u64,
    /// Writes until the one that fails.
    failing: Option<u32>,
    /// How often there was no room.
    refusals: u32,
}

/// Directories and files by their paths. Its own locks are no steps of a schedule.
#[derive(Debug)]
pub(super) struct Medium {
    nodes: unscheduled::Mutex<BTreeMap<PathBuf, Node>>,
    fate: Arc<unscheduled::Mutex<Fate>>,
    /// What small writes that ended well have put onto it, whatever became of the files.
    history: unscheduled::Mutex<Vec<u8>>,
}

impl Medium {
    pub(super) fn new() -> Arc<Medium> {
        Arc::new(Medium {
            nodes: unscheduled::Mutex::default(),
            fate: Arc::new(unscheduled::Mutex::new(Fate {
                room: u64::MAX,
                failing: None,
                refusals: 0,
            })),
            history: unscheduled::Mutex::default(),
        })
    }

    /// From now on there is room for so many bytes more.
    pub(super) fn leave_room(&self, bytes: u64) {
        hold(&self.fate).room = bytes;
    }

    /// How often there was no room.
    pub(super) fn refusals(&self) -> u32 {
        hold(&self.fate).refusals
    }

    /// Whether a write that has ended well held `data`, which is short.
    pub(super) fn was_written(&self, data: &[u8]) -> bool {
        let history = hold(&self.history);
        history.windows(data.len()).any(|bytes| bytes == data)
    }

    /// The write after so many fails.
    pub(super) fn fail_after(&self, writes: u32) {
        hold(&self.fate).failing = Some(writes);
    }

    /// Writes, with a step before and one behind.
    fn run(&self, op: &WriteOp) -> io::Result<()> {
        let failed = {
            let mut fate = hold(&self.fate);
            let failed = fate.failing == Some(0);
            fate.failing = fate.failing.and_then(|writes| writes.checked_sub(1));
            failed
        };
        if failed {
            return Err(io::Error::other("the medium has failed"));
        }
        let mut offset = op.offset;
        for slice in &op.slices {
            op.file.write_at(&slice.buffer[..slice.len], offset)?;
            offset += slice.len as u64;
            if slice.len == BLOCK {
                hold(&self.history).extend_from_slice(&slice.buffer[..BLOCK]);
            }
        }
        Ok(())
    }

    /// The file that a write goes to.
    fn target(&self, op: &WriteOp) -> Arc<Content> {
        let nodes = hold(&self.nodes);
        let found = nodes.values().find_map(|node| match node {
            Node::File(content) if Some(content.number) == op.file.descriptor() => {
                Some(Arc::clone(content))
            }
            _ => None,
        });
        found.expect("a write goes to a file that is there")
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Device for Arc<Medium> {
    fn report(&self) -> DeviceReport {
        DeviceReport {
            name: "model",
            direct: true,
            block: BLOCK,
            note: None,
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut nodes = hold(&self.nodes);
        for directory in path.ancestors() {
            let node = nodes.entry(directory.to_owned());
            node.or_insert(Node::Directory);
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let nodes = hold(&self.nodes);
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
        step();
        let mut nodes = hold(&self.nodes);
        let node = nodes.remove(from).ok_or_else(not_found)?;
        if let Node::File(content) = &node {
            content.begin_another_life();
        }
        nodes.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        step();
        let removed = hold(&self.nodes).remove(path);
        removed.map(|_| ()).ok_or_else(not_found)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.remove_file(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        step();
        Ok(())
    }

    fn sync_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path, _: Duration) -> io::Result<Arc<dyn Lock>> {
        Ok(Arc::new(NoLock))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        step();
        let mut nodes = hold(&self.nodes);
        let number = nodes.len() as i32;
        let content = match (nodes.get(path), access) {
            (Some(_), Access::Create) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, Access::Create) => {
                let taken = nodes.values().filter_map(|node| match node {
                    Node::File(content) => Some(content.number),
                    Node::Directory => None,
                });
                let number = taken.max().map_or(number, |most| most.max(number) + 1);
                let content = Arc::new(Content::new(number, Arc::clone(&self.fate)));
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
        let target = self.target(&op);
        let busy = target.begin_write(&op);
        step();
        let result = self.run(&op);
        step();
        target.end(busy);
        result
    }

    fn queue(&self, _: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>> {
        Ok(Box::new(Queue {
            medium: Arc::clone(self),
            board: Arc::default(),
            under_way: Vec::new(),
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

/// What is being done to a range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Writing,
    Zeroing,
}

/// A range that something is being done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Busy {
    doing: Doing,
    start: u64,
    end: u64,
}

#[derive(Debug, Default)]
struct Bytes {
    /// Shared with the maps that were made of it.
    all: Arc<Vec<u8>>,
    /// Bytes from the start that have blocks.
    allocated: u64,
    /// Nothing was written above this.
    written: u64,
    /// Where the batches are that were ever handed over, in this life of the file: ends by starts.
    /// Of two writes under way the second may begin first.
    batches: BTreeMap<u64, u64>,
    busy: Vec<Busy>,
    maps: Vec<Weak<Vec<u8>>>,
}

/// A file.
pub(super) struct Content {
    number: i32,
    bytes: unscheduled::Mutex<Bytes>,
    fate: Arc<unscheduled::Mutex<Fate>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Content {
    fn new(number: i32, fate: Arc<unscheduled::Mutex<Fate>>) -> Content {
        Content {
            number,
            bytes: unscheduled::Mutex::default(),
            fate,
        }
    }

    /// A file that gets another name is written again from the start: nobody reads it any more.
    fn begin_another_life(&self) {
        let mut bytes = hold(&self.bytes);
        bytes.batches.clear();
        assert!(bytes.busy.is_empty(), "a file is renamed under a write");
        let mapped = bytes.maps.iter().any(|map| map.strong_count() > 0);
        assert!(!mapped, "a file that somebody reads is to be written again");
    }

    fn begin(&self, busy: Busy) -> Busy {
        let mut bytes = hold(&self.bytes);
        for other in &bytes.busy {
            let apart = other.end <= busy.start || busy.end <= other.start;
            assert!(apart, "{busy:?} while {other:?}");
        }
        bytes.busy.push(busy);
        busy
    }

    /// A write of batches begins.
    fn begin_write(&self, op: &WriteOp) -> Busy {
        let start = op.offset;
        let end = start + op.slices.iter().map(|slice| slice.len as u64).sum::<u64>();
        let busy = self.begin(Busy {
            doing: Doing::Writing,
            start,
            end,
        });
        let mut bytes = hold(&self.bytes);
        assert!(
            !bytes.holds_batches(start, end),
            "a batch is written over another one"
        );
        assert!(end <= bytes.allocated, "a batch is written without blocks");
        bytes.batches.insert(start, end);
        let writes = bytes.busy.iter().filter(|b| b.doing == Doing::Writing);
        assert!(
            writes.count() <= SLOTS,
            "more than {SLOTS} writes of a shard"
        );
        busy
    }

    fn end(&self, busy: Busy) {
        let mut bytes = hold(&self.bytes);
        let at = bytes.busy.iter().position(|other| *other == busy);
        bytes.busy.swap_remove(at.expect("what ends has begun"));
    }
}

impl Bytes {
    /// Whether a batch was handed over for any of these bytes.
    fn holds_batches(&self, start: u64, end: u64) -> bool {
        let before = self.batches.range(..end).next_back();
        before.is_some_and(|(_, batch_end)| *batch_end > start)
    }

    /// The bytes to be changed, of which there are at least `len` then. What was mapped stays as
    /// it was: see [`Snapshot`].
    fn change(&mut self, len: u64) -> &mut Vec<u8> {
        if self.all.is_empty() {
            self.all = Arc::new(vec![0; len as usize]);
        }
        let all = Arc::make_mut(&mut self.all);
        if all.len() < len as usize {
            all.resize(len as usize, 0);
        }
        all
    }
}

impl File for Content {
    fn len(&self) -> io::Result<u64> {
        Ok(hold(&self.bytes).all.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        hold(&self.bytes).change(len).truncate(len as usize);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        step();
        let mut bytes = hold(&self.bytes);
        let end = offset + len;
        let more = end.saturating_sub(bytes.allocated);
        let mut fate = hold(&self.fate);
        let Some(left) = fate.room.checked_sub(more) else {
            fate.refusals += 1;
            return Err(io::ErrorKind::StorageFull.into());
        };
        fate.room = left;
        drop(fate);
        bytes.allocated += more;
        bytes.change(end);
        Ok(())
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        let end = offset + len;
        let busy = self.begin(Busy {
            doing: Doing::Zeroing,
            start: offset,
            end,
        });
        step();
        {
            let mut bytes = hold(&self.bytes);
            let over = bytes.holds_batches(offset, end);
            assert!(!over, "zeros are written over a batch");
            let dirty = bytes.written.min(end);
            if offset < dirty {
                bytes.change(end)[offset as usize..dirty as usize].fill(0);
            }
        }
        step();
        self.end(busy);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        step();
        Ok(())
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = hold(&self.bytes);
        let from = bytes.all.get(offset as usize..);
        let from = from.and_then(|from| from.get(..out.len()));
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn read_medium_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_at(out, offset)
    }

    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        step();
        self.write_at(bytes, offset)
    }

    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<()> {
        let end = offset + from.len() as u64;
        let mut bytes = hold(&self.bytes);
        bytes.change(end)[offset as usize..end as usize].copy_from_slice(from);
        bytes.written = bytes.written.max(end);
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<(u64, u64)>> {
        let end = hold(&self.bytes).written;
        Ok((offset < end).then_some((offset, end)))
    }

    fn map(&self) -> io::Result<Arc<dyn Map>> {
        let mut bytes = hold(&self.bytes);
        // Of its own: the content's own hold on the bytes is no reader's.
        let map = Arc::new(bytes.all.to_vec());
        bytes.maps.retain(|map| map.strong_count() > 0);
        bytes.maps.push(Arc::downgrade(&map));
        Ok(Arc::new(Snapshot(map)))
    }

    fn descriptor(&self) -> Option<i32> {
        Some(self.number)
    }
}

/// A file as it was when it was mapped. What comes later the engine reads from the file.
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

/// Whether the writer was called.
#[derive(Debug, Default)]
struct Board {
    called: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Board {
    fn wake(&self) {
        *crate::segment::list::lock(&self.called) = true;
        self.bell.notify_one();
    }
}

/// A write that was handed over.
struct UnderWay {
    op: WriteOp,
    target: Arc<Content>,
    busy: Busy,
}

/// Writes end in any order, one in a wait.
struct Queue {
    medium: Arc<Medium>,
    board: Arc<Board>,
    under_way: Vec<UnderWay>,
}

impl WriteQueue for Queue {
    fn depth(&self) -> usize {
        DEPTH
    }

    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        let target = self.medium.target(&op);
        let busy = target.begin_write(&op);
        self.under_way.push(UnderWay { op, target, busy });
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        step();
        if !self.under_way.is_empty() && shuttle_chance() {
            let at = shuttle_choice(self.under_way.len());
            let UnderWay { op, target, busy } = self.under_way.swap_remove(at);
            let result = self.medium.run(&op);
            target.end(busy);
            done.push(Completion {
                token: op.token,
                result,
            });
            return Ok(());
        }
        let mut called = crate::segment::list::lock(&self.board.called);
        let idle = self.under_way.is_empty() && timeout != Some(Duration::ZERO);
        if idle && !*called {
            let limit = timeout.unwrap_or(Duration::MAX);
            let waited = self
                .board
                .bell
                .wait_timeout_while(called, limit, |called| !*called);
            called = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *called = false;
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.board) as Arc<dyn Wake>
    }
}

/// Nothing is under way any more when a queue is gone.
impl Drop for Queue {
    fn drop(&mut self) {
        for UnderWay { target, busy, .. } in mem::take(&mut self.under_way) {
            target.end(busy);
        }
    }
}

/// One way or the other, chosen by the schedule.
fn shuttle_chance() -> bool {
    shuttle_choice(2) == 0
}

fn shuttle_choice(of: usize) -> usize {
    use shuttle::rand::{Rng, thread_rng};
    thread_rng().gen_range(0..of)
}
