//! A copy of a store that is in use, without its lock: of each shard, everything that was
//! acknowledged before its turn came.
//!
//! A sealed segment never changes, so it gets a second name where the file system has such, and
//! is copied elsewhere; the store does not write a file again that has another name. Of the
//! segment that is written, the batches that are whole are copied.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    buffer::copy::copy_cursors,
    clock::{Random, SystemRandom},
    duplicate::{self, Appender, make_dir, make_target},
    error::Error,
    inspect::{
        Expected, Finding, Note, Place, Progress,
        files::{exists, raw_header},
        outside, place,
        survey::{Head, Survey, Visitor},
    },
    io::device::{Access, Device},
    read::{batch::Batch, walk::Spot},
    recover::segment_ordinals,
    segment::{Segment, SegmentHeader, file_name, list::SegmentEnd},
    sequence::ShardId,
    store::{SHARDS_DIR, read_store_file, shard_ids, write_store_file},
};

/// How often a shard is begun again that retention or a roll has changed meanwhile.
const ATTEMPTS: usize = 20;

/// What a snapshot came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Shards that are in it.
    pub shards: u64,
    /// Sealed segments that share their bytes with the store.
    pub linked: u64,
    /// Segments that were copied.
    pub copied: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Shards that are missing, or of which a copied segment is damaged; the copy is, too.
    pub damaged: Vec<ShardId>,
    /// Cursors of a buffer that were left out: both copies of their positions are damaged.
    pub cursors_left_out: Vec<String>,
}

/// Copies the store in `source` (or in `source/store`) to the directory `target`, which is not
/// there or empty. Without `link` every segment is copied.
///
/// # Errors
/// When there is no store, or files cannot be read or written. What was copied up to then stays;
/// it is no store, as the file that makes one comes last.
pub fn snapshot(
    source: &Path,
    target: &Path,
    link: bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<SnapshotReport, Error> {
    let mut snapshot = Snapshot::begin(source, target, link)?;
    for id in snapshot.shard_ids()? {
        snapshot.shard(id, progress)?;
    }
    snapshot.finish()
}

/// A snapshot that is being made, shard by shard.
#[derive(Debug)]
pub struct Snapshot {
    device: Arc<dyn Device>,
    source: PathBuf,
    target: PathBuf,
    link: bool,
    id: u64,
    seen: Progress,
    report: SnapshotReport,
}

impl Snapshot {
    /// Begins one, with the cursors of a buffer: what they acknowledge is in the shards that are
    /// copied later.
    ///
    /// # Errors
    /// As [`snapshot`].
    pub fn begin(source: &Path, target: &Path, link: bool) -> Result<Snapshot, Error> {
        Snapshot::begin_on(outside(source)?, source, target, link)
    }

    /// The same on a device of the caller's.
    ///
    /// # Errors
    /// As [`snapshot`].
    pub fn begin_on(
        device: Arc<dyn Device>,
        source: &Path,
        target: &Path,
        link: bool,
    ) -> Result<Snapshot, Error> {
        let Place::Store(source) = place(&*device, source)? else {
            return Err(Error::Option {
                option: "source",
                reason: format!("{} is no store", source.display()),
            });
        };
        let id = read_store_file(&*device, &source)?;
        let id = id.unwrap_or_else(|| SystemRandom.next_u64());
        make_target(&*device, target)?;
        make_dir(&*device, &target.join(SHARDS_DIR))?;
        let report = SnapshotReport {
            cursors_left_out: copy_cursors(&*device, &source, target)?,
            ..SnapshotReport::default()
        };
        Ok(Snapshot {
            device,
            source,
            target: target.to_path_buf(),
            link,
            id,
            seen: Progress::default(),
            report,
        })
    }

    /// The shards of the store at the moment, by number.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn shard_ids(&self) -> Result<Vec<ShardId>, Error> {
        let mut ids = shard_ids(&*self.device, &self.source)?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Copies a shard; whether there is one.
    ///
    /// # Errors
    /// As [`snapshot`].
    pub fn shard(
        &mut self,
        id: ShardId,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bool, Error> {
        let from = self.source.join(SHARDS_DIR).join(id.dir_name());
        let to = self.target.join(SHARDS_DIR).join(id.dir_name());
        for _ in 0..ATTEMPTS {
            make_dir(&*self.device, &to)?;
            let before = (self.report.clone(), self.seen);
            let mut copy = ShardCopy {
                device: &*self.device,
                id,
                from: &from,
                to: &to,
                link: self.link,
                report: &mut self.report,
                seen: &mut self.seen,
                progress,
            };
            match copy.run() {
                Ok(true) => {
                    self.report.shards += 1;
                    return Ok(true);
                }
                Err(error) if self.device.list(&from).is_ok() && !is_not_found(&error) => {
                    return Err(error);
                }
                // It was changed meanwhile, or deleted.
                _ => {}
            }
            (self.report, self.seen) = before;
            self.remove(&to)?;
            if self.device.list(&from).is_err() {
                return Ok(false);
            }
        }
        let busy = io::Error::new(
            io::ErrorKind::ResourceBusy,
            "its segments are dropped faster than they are copied; try again when less is written, or with a longer retention",
        );
        Err(Error::io("copying the shard", from)(busy))
    }

    /// Takes a shard out again.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn forget(&mut self, id: ShardId) -> Result<(), Error> {
        self.report.shards = self.report.shards.saturating_sub(1);
        self.remove(&self.target.join(SHARDS_DIR).join(id.dir_name()))
    }

    fn remove(&self, dir: &Path) -> Result<(), Error> {
        let io = || Error::io("removing what was copied to", dir);
        for entry in self.device.list(dir).map_err(io())? {
            let file = dir.join(&entry.name);
            self.device.remove_file(&file).map_err(io())?;
        }
        self.device.remove_dir(dir).map_err(io())
    }

    /// Makes a store of it, durably.
    ///
    /// # Errors
    /// As [`snapshot`].
    pub fn finish(self) -> Result<SnapshotReport, Error> {
        let shards = self.target.join(SHARDS_DIR);
        let synced = self.device.sync_dir(&shards);
        synced.map_err(Error::io("copying to", &shards))?;
        let block = self.device.report().block;
        write_store_file(&*self.device, &self.target, block, self.id)
            .map_err(Error::io("making the store", &self.target))?;
        Ok(self.report)
    }
}

fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

struct ShardCopy<'a> {
    device: &'a dyn Device,
    id: ShardId,
    from: &'a Path,
    to: &'a Path,
    link: bool,
    report: &'a mut SnapshotReport,
    seen: &'a mut Progress,
    progress: &'a mut dyn FnMut(Progress),
}

impl ShardCopy<'_> {
    /// Copies all of it; false when it was changed meanwhile so that it has to be done again.
    fn run(&mut self) -> Result<bool, Error> {
        let mut ordinals = segment_ordinals(self.device, self.from)?;
        // The last one that is begun is written to. Whatever is acknowledged by now lies in it
        // or before it.
        let begun = |ordinal: &u64| {
            let header = raw_header(self.device, &self.source(*ordinal));
            !matches!(header, Ok(Ok(None)))
        };
        let ahead = ordinals.pop_if(|last| !begun(last));
        self.seen.of_segments += ordinals.len() as u64;
        let active = ordinals.pop();
        let mut kept: Vec<u64> = Vec::new();
        for ordinal in ordinals {
            if !self.sealed(ordinal)? {
                // Retention has dropped it, and so all before it.
                for older in kept.drain(..) {
                    self.drop_copy(older)?;
                }
                continue;
            }
            kept.push(ordinal);
            self.told();
        }
        let Some(active) = active else {
            let copied = ahead.map_or(Ok(true), |ahead| self.whole(ahead))?;
            return self.synced(copied);
        };
        self.index(active)?;
        let header = raw_header(self.device, &self.source(active));
        let header = header.map_err(Error::io("reading the segment", self.source(active)))?;
        let copied = match header {
            Ok(Some(header)) => self.active(active, ahead, &header)?,
            _ => self.whole(active)?,
        };
        let there = exists(self.device, &self.source(active));
        self.told();
        self.synced(copied && there)
    }

    fn told(&mut self) {
        self.seen.segments += 1;
        self.seen.bytes = self.report.copied_bytes;
        (self.progress)(*self.seen);
    }

    fn synced(&self, done: bool) -> Result<bool, Error> {
        let synced = self.device.sync_dir(self.to);
        synced.map_err(Error::io("copying to", self.to))?;
        Ok(done)
    }

    fn source(&self, ordinal: u64) -> PathBuf {
        self.from.join(file_name::segment(ordinal))
    }

    fn target(&self, ordinal: u64) -> PathBuf {
        self.to.join(file_name::segment(ordinal))
    }

    /// A segment that is not written any more; false when it was dropped.
    fn sealed(&mut self, ordinal: u64) -> Result<bool, Error> {
        let (from, to) = (self.source(ordinal), self.target(ordinal));
        self.index(ordinal)?;
        if self.link {
            match self.device.link(&from, &to) {
                Ok(()) => {
                    // What is acknowledged as written only is flushed with the snapshot.
                    let opened = self.device.open(&to, Access::Read);
                    let synced = opened.and_then(|file| file.sync());
                    synced.map_err(Error::io("flushing", &to))?;
                    self.report.linked += 1;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                // Another file system, or one without links: a copy does as well.
                Err(_) => {}
            }
        }
        self.whole(ordinal)
    }

    /// Copies a segment as it is; false when it was dropped, and so perhaps written again.
    fn whole(&mut self, ordinal: u64) -> Result<bool, Error> {
        let (from, to) = (self.source(ordinal), self.target(ordinal));
        match duplicate::copy(self.device, &from, &to) {
            Ok(bytes) if exists(self.device, &from) => {
                self.report.copied += 1;
                self.report.copied_bytes += bytes;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("copying the segment", from)(error)),
        }
    }

    fn drop_copy(&self, ordinal: u64) -> Result<(), Error> {
        for path in [
            self.target(ordinal),
            self.to.join(file_name::index(ordinal)),
        ] {
            match self.device.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("removing what was copied to", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The index of a segment, if it has one: it saves the copy's first open a walk, and
    /// remembers producers of records that were dropped.
    fn index(&self, ordinal: u64) -> Result<(), Error> {
        let name = file_name::index(ordinal);
        let (from, to) = (self.from.join(&name), self.to.join(&name));
        match duplicate::copy(self.device, &from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("copying the index", from)(error))
            }
            _ => Ok(()),
        }
    }

    /// The segment that is written: its header and every whole batch up to the first place where
    /// there is none. Where something acknowledged is damaged all of it is copied as it is.
    fn active(
        &mut self,
        ordinal: u64,
        ahead: Option<u64>,
        header: &SegmentHeader,
    ) -> Result<bool, Error> {
        let (from, to) = (self.source(ordinal), self.target(ordinal));
        let io = || Error::io("copying the segment", &from);
        let block = header.block as usize;
        let mut first = vec![0; block];
        let source = self.device.open(&from, Access::Read).map_err(io())?;
        source.read_at(&mut first, 0).map_err(io())?;
        let mut file = Appender::create(self.device, &to, header.segment_bytes).map_err(io())?;
        file.put(0, &[&first], block).map_err(io())?;
        let mut copy = Prefix {
            file,
            bytes: block as u64,
            end: header.base_sequence,
            damaged: false,
            dropped: false,
        };
        let survey = Survey {
            device: self.device,
            id: self.id,
            dir: self.from,
            expected: Expected::default(),
        };
        survey.run_last(ordinal, header, &mut copy)?;
        if copy.dropped {
            return Ok(false);
        }
        // What seems to be made ahead is left out, unless it is evidence.
        if let Some(ahead) = ahead
            && survey.is_headless(ahead, header, copy.end)?
        {
            self.report.damaged.push(self.id);
            if !self.whole(ahead)? {
                return Ok(false);
            }
        }
        if copy.damaged {
            self.report.damaged.push(self.id);
            self.device.remove_file(&to).map_err(io())?;
            return self.whole(ordinal);
        }
        copy.file.finish().map_err(io())?;
        self.report.copied += 1;
        self.report.copied_bytes += copy.bytes;
        Ok(true)
    }
}

/// The beginning of a segment, up to where batches are whole.
struct Prefix {
    file: Appender,
    bytes: u64,
    /// Sequence number after the last record.
    end: u64,
    damaged: bool,
    dropped: bool,
}

impl Visitor for Prefix {
    fn segment(&mut self, _segment: &Arc<Segment>, _head: &Head) -> Result<(), Error> {
        Ok(())
    }

    fn batch(&mut self, spot: &Spot, batch: &Batch) -> Result<(), Error> {
        let block = spot.header.block as usize;
        let put = self.file.put(spot.offset, &[batch.stored()], block);
        self.bytes += batch.header().padded_len(block) as u64;
        put.map_err(Error::io("copying the segment", &spot.segment.path))
    }

    fn damage(&mut self, _finding: Finding) {
        self.damaged = true;
    }

    fn note(&mut self, _note: Note) {}

    fn segment_end(&mut self, end: &SegmentEnd) -> Result<(), Error> {
        self.end = end.sequence;
        Ok(())
    }

    fn dropped(&mut self) -> Result<(), Error> {
        self.dropped = true;
        Ok(())
    }
}
