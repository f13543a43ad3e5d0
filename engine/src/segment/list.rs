//! A shard's segments in order. Headers are read and files mapped when first asked for, so that
//! opening does not cost more where more is stored.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{SegmentHeader, file_name, header::SEGMENT_HEADER_LEN};
use crate::{
    error::{Damage, Error},
    index::{Checkpoint, SparseIndex},
    io::device::{Access, Device, File, Map},
    sequence::{SequenceNumber, ShardId},
};

/// Locks a mutex; a panic elsewhere while it was held does not make its data unusable here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why the medium does not give what a file should have, when that is what a failed read says.
/// `None` when it says that the process lacks something, which may pass.
pub(crate) fn unreadable(file: &dyn File, error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::OutOfMemory
        | io::ErrorKind::Interrupted
        | io::ErrorKind::WouldBlock
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Unsupported => None,
        io::ErrorKind::UnexpectedEof => Some(match file.len() {
            Ok(len) => format!("the file was cut short: it has {len} bytes"),
            Err(error) => format!("the file was cut short: {error}"),
        }),
        _ => Some(format!("the medium cannot be read here: {error}")),
    }
}

/// Where the batches of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEnd {
    /// Byte offset.
    pub offset: u64,
    /// Sequence number after the last record.
    pub sequence: u64,
    /// Time of the last record.
    pub last_time_ms: u64,
}

/// One segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub shard: ShardId,
    pub ordinal: u64,
    pub path: PathBuf,
    header: OnceLock<SegmentHeader>,
    /// Set when nothing in it can be read: the file is missing, or its header cannot be made
    /// again.
    lost: OnceLock<Arc<Damage>>,
    /// Set when the segment is sealed; that of the active one moves with the watermark.
    end: Mutex<Option<SegmentEnd>>,
    index: RwLock<Option<SparseIndex>>,
    map: Mutex<Option<Arc<dyn Map>>>,
    /// Mapped or read since the map cache looked last.
    touched: AtomicBool,
}

impl Segment {
    /// A segment that lies in `dir`, nothing of which has been read.
    pub(crate) fn new(shard: ShardId, dir: &Path, ordinal: u64) -> Arc<Segment> {
        Arc::new(Segment {
            shard,
            ordinal,
            path: dir.join(file_name::segment(ordinal)),
            header: OnceLock::new(),
            lost: OnceLock::new(),
            end: Mutex::new(None),
            index: RwLock::new(None),
            map: Mutex::new(None),
            touched: AtomicBool::new(false),
        })
    }

    /// The same for a segment whose header is known, with an empty index that will be completed.
    pub(crate) fn begun(shard: ShardId, dir: &Path, header: SegmentHeader) -> Arc<Segment> {
        let segment = Segment::new(shard, dir, header.ordinal);
        let _ = segment.header.set(header);
        segment.set_index(SparseIndex::default());
        segment
    }

    /// Stands for files that are missing, from this ordinal up to the next segment.
    pub(crate) fn missing(shard: ShardId, dir: &Path, ordinal: u64) -> Arc<Segment> {
        let segment = Segment::new(shard, dir, ordinal);
        let _ = segment.lost.set(Arc::new(segment.missing_file()));
        segment
    }

    /// What is wrong where its file is missing.
    pub(crate) fn missing_file(&self) -> Damage {
        self.damage(0, 0, "the segment file is missing".into())
    }

    /// What is wrong, where nothing in it can be read: its file is missing, or its header could
    /// not be made again when it was asked for.
    pub(crate) fn lost(&self) -> Option<Damage> {
        self.lost.get().map(|damage| (**damage).clone())
    }

    /// Its header, read when first asked for. One that is lost is made again from what lies
    /// around it, as far as that goes.
    pub(crate) fn header(self: &Arc<Self>, device: &dyn Device) -> Result<SegmentHeader, Error> {
        if let Some(header) = self.header.get() {
            return Ok(*header);
        }
        if let Some(damage) = self.lost.get() {
            return Err(self.error(Arc::clone(damage)));
        }
        let lost = match self.read_header(device) {
            Ok(Some(header)) => return Ok(*self.header.get_or_init(|| header)),
            Ok(None) => self.damage(0, 0, "the segment header is all zeros".into()),
            Err(Error::Damaged { damage, .. }) => (*damage).clone(),
            Err(error) if error.is_not_found() => {
                return Err(self.error(Arc::new(self.missing_file())));
            }
            Err(error) => return Err(error),
        };
        match self.remade_header(device) {
            Some(header) => {
                tracing::error!(shard = %self.shard, damage = %lost, "the header of a segment is lost; it is read by what its batches say");
                Ok(*self.header.get_or_init(|| header))
            }
            None => Err(self.lose(lost.reason)),
        }
    }

    /// Nothing in the segment can be read, and never will be.
    fn lose(&self, reason: String) -> Error {
        let damage = || Arc::new(self.damage(0, 0, reason));
        self.error(Arc::clone(self.lost.get_or_init(damage)))
    }

    /// Reads the header from the file; `None` when the segment was not begun.
    pub(crate) fn read_header(&self, device: &dyn Device) -> Result<Option<SegmentHeader>, Error> {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        let io = || Error::io("reading the segment header", &self.path);
        let file = device.open(&self.path, Access::Read).map_err(io())?;
        let len = file.len().map_err(io())?;
        if len < SEGMENT_HEADER_LEN as u64 {
            return Err(self.damaged(0, 0, "the file is too short for a segment".into()));
        }
        file.read_at(&mut bytes, 0)
            .map_err(|error| match unreadable(&*file, &error) {
                Some(reason) => self.damaged(0, 0, reason),
                None => io()(error),
            })?;
        let header = match SegmentHeader::decode(&bytes) {
            Ok(None) => return Ok(None),
            Ok(Some(header)) => header,
            Err(e) => return Err(self.damaged(0, 0, e.to_string())),
        };
        if header.shard != self.shard.0 || header.ordinal != self.ordinal {
            let reason = format!(
                "the header is that of segment {} of shard {}",
                header.ordinal, header.shard
            );
            return Err(self.damaged(0, 0, reason));
        }
        Ok(Some(header))
    }

    /// A place in this segment that does not verify, with nothing behind it.
    pub(crate) fn damage(&self, offset: u64, sequence: u64, reason: String) -> Damage {
        Damage {
            file: self.path.clone(),
            offset,
            sequence: SequenceNumber(sequence),
            resume: None,
            reason,
        }
    }

    /// The same as an error.
    pub(crate) fn damaged(&self, offset: u64, sequence: u64, reason: String) -> Error {
        self.error(Arc::new(self.damage(offset, sequence, reason)))
    }

    fn error(&self, damage: Arc<Damage>) -> Error {
        Error::Damaged {
            shard: self.shard,
            damage,
        }
    }

    /// Where its batches end, if that is known here.
    pub(crate) fn end(&self) -> Option<SegmentEnd> {
        *lock(&self.end)
    }

    pub(crate) fn set_end(&self, end: SegmentEnd) {
        *lock(&self.end) = Some(end);
    }

    /// Runs `look` on the index, loading it from its checkpoint when it is not in memory.
    /// Without a checkpoint the index is empty, and readers walk from the first batch.
    pub(crate) fn with_index<R>(
        self: &Arc<Self>,
        device: &dyn Device,
        look: impl FnOnce(&SparseIndex) -> R,
    ) -> Result<R, Error> {
        let header = self.header(device)?;
        {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(index) = index.as_ref() {
                return Ok(look(index));
            }
        }
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let loaded = Checkpoint::load(device, dir, self.ordinal, header.epoch)
            .map(|c| c.index)
            .unwrap_or_default();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        Ok(look(index.get_or_insert(loaded)))
    }

    pub(crate) fn set_index(&self, index: SparseIndex) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(index);
    }

    /// Adds a committed batch to the index of the active segment.
    pub(crate) fn note(&self, entry: crate::index::Entry) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = index.as_mut() {
            index.note(entry);
        }
    }

    /// A copy of the index in memory.
    pub(crate) fn index_now(&self) -> SparseIndex {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.clone().unwrap_or_default()
    }

    /// Forgets the index of a sealed segment; it is loaded again when needed.
    pub(crate) fn forget_index(&self) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a reader holds the segment's map.
    pub(crate) fn is_mapped_elsewhere(&self) -> bool {
        lock(&self.map)
            .as_ref()
            .is_some_and(|map| Arc::strong_count(map) > 1)
    }
}

/// Maps of segments, at most so many at a time: a process may have 65,530.
#[derive(Debug)]
pub(crate) struct MapCache {
    limit: usize,
    mapped: Mutex<VecDeque<Weak<Segment>>>,
}

impl MapCache {
    pub(crate) fn new(limit: usize) -> MapCache {
        MapCache {
            limit: limit.max(1),
            mapped: Mutex::new(VecDeque::new()),
        }
    }

    /// Segments mapped now.
    pub(crate) fn len(&self) -> usize {
        lock(&self.mapped).len()
    }

    /// The map of a segment, made when it is not there. The one unused for longest goes for it.
    pub(crate) fn map(
        &self,
        device: &dyn Device,
        segment: &Arc<Segment>,
    ) -> Result<Arc<dyn Map>, Error> {
        segment.touched.store(true, Ordering::Relaxed);
        // One that has faulted shows zeros for good, whatever the medium would give by now.
        let good = |map: &&Arc<dyn Map>| !map.has_faulted();
        if let Some(map) = lock(&segment.map).as_ref().filter(good) {
            return Ok(Arc::clone(map));
        }
        let mapped = device
            .open(&segment.path, Access::Read)
            .and_then(|file| file.map())
            .map_err(Error::io("mapping the segment", &segment.path))?;
        {
            let mut own = lock(&segment.map);
            if let Some(map) = own.as_ref().filter(good) {
                return Ok(Arc::clone(map));
            }
            if own.replace(Arc::clone(&mapped)).is_some() {
                return Ok(mapped);
            }
        }
        let mut all = lock(&self.mapped);
        all.push_back(Arc::downgrade(segment));
        // One round of second chances is enough to find one that was not used.
        let mut chances = all.len();
        while all.len() > self.limit {
            let Some(oldest) = all.pop_front() else { break };
            let Some(segment) = oldest.upgrade() else {
                continue;
            };
            if chances > 0 && segment.touched.swap(false, Ordering::Relaxed) {
                chances -= 1;
                all.push_back(oldest);
            } else {
                *lock(&segment.map) = None;
            }
        }
        Ok(mapped)
    }

    /// Drops the map of a segment that goes.
    pub(crate) fn unmap(&self, segment: &Arc<Segment>) {
        *lock(&segment.map) = None;
        lock(&self.mapped).retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(segment)));
    }
}

/// The segments of a shard, oldest first. Where files are missing, one entry stands for all of
/// them up to the next; that, and a segment whose header cannot be made again, has no header but
/// an error that names it.
#[derive(Debug, Default)]
pub(crate) struct SegmentList {
    segments: RwLock<VecDeque<Arc<Segment>>>,
}

impl SegmentList {
    pub(crate) fn new(segments: impl IntoIterator<Item = Arc<Segment>>) -> SegmentList {
        SegmentList {
            segments: RwLock::new(segments.into_iter().collect()),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, VecDeque<Arc<Segment>>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, VecDeque<Arc<Segment>>> {
        let segments = self.segments.write();
        segments.unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries, those for missing files among them.
    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    pub(crate) fn first(&self) -> Option<Arc<Segment>> {
        self.read().front().cloned()
    }

    pub(crate) fn second(&self) -> Option<Arc<Segment>> {
        self.read().get(1).cloned()
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.write().push_back(segment);
    }

    /// Puts a segment back that was taken off.
    pub(crate) fn push_front(&self, segment: Arc<Segment>) {
        self.write().push_front(segment);
    }

    /// Takes the oldest segment off the list, unless it is the last one.
    pub(crate) fn pop_first(&self) -> Option<Arc<Segment>> {
        let mut segments = self.write();
        if segments.len() < 2 {
            return None;
        }
        segments.pop_front()
    }

    /// The segment of an ordinal.
    pub(crate) fn get(&self, ordinal: u64) -> Option<Arc<Segment>> {
        let segments = self.read();
        let at = segments.partition_point(|segment| segment.ordinal < ordinal);
        segments.get(at).filter(|s| s.ordinal == ordinal).cloned()
    }

    /// The entry after the one of an ordinal.
    pub(crate) fn after(&self, ordinal: u64) -> Option<Arc<Segment>> {
        let segments = self.read();
        let at = segments.partition_point(|segment| segment.ordinal <= ordinal);
        segments.get(at).cloned()
    }

    /// The entries with ordinals in a range.
    pub(crate) fn range(&self, ordinals: std::ops::Range<u64>) -> Vec<Arc<Segment>> {
        let segments = self.read();
        let from = segments.partition_point(|segment| segment.ordinal < ordinals.start);
        let rest = segments.range(from..);
        rest.take_while(|segment| segment.ordinal < ordinals.end)
            .cloned()
            .collect()
    }

    /// The last segment for which `before` says that it begins at or before what is sought;
    /// the first entry when none does. Reads headers as a binary search does, and passes over
    /// those that are lost: whoever reads on to such a place is told there.
    pub(crate) fn find(
        &self,
        device: &dyn Device,
        before: impl Fn(&SegmentHeader) -> bool,
    ) -> Result<Option<Arc<Segment>>, Error> {
        let segments = self.read().clone();
        let (mut low, mut high, mut found) = (0, segments.len(), 0);
        while low < high {
            let middle = low.midpoint(high);
            let mut probe = middle;
            let header = loop {
                match segments[probe].header(device) {
                    Ok(header) => break Some(header),
                    Err(Error::Damaged { .. }) if probe > low => probe -= 1,
                    Err(Error::Damaged { .. }) => break None,
                    Err(error) => return Err(error),
                }
            };
            match header {
                Some(header) if before(&header) => {
                    found = probe;
                    low = middle + 1;
                }
                Some(_) => high = probe,
                None => low = middle + 1,
            }
        }
        Ok(segments.get(found).cloned())
    }
}
