//! A look at a store from outside: read-only, without its lock, at any time. What is in it, and
//! whether every checksum and every order in it holds.
//!
//! On a store that is in use the newest batches may be missing from the look; nothing that was
//! acknowledged before it began is taken for damage.

pub(crate) mod files;
mod lost_header;
mod report;
mod segment;
pub(crate) mod survey;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_format::HashRange;

pub use report::{
    Finding, Inspection, Note, NoteKind, Progress, SegmentInfo, SegmentState, ShardInfo, StoreInfo,
};

use crate::{
    error::{Damage, Error},
    io::{
        device::{Device, DeviceChoice, DeviceOptions},
        system_device,
    },
    read::{batch::Batch, walk::Spot},
    recover::segment_ordinals,
    segment::{Segment, file_name, list::SegmentEnd},
    sequence::{SequenceNumber, ShardId},
    store::{SHARDS_DIR, STORE_FILE, STORE_FORMAT, read_store_file, shard_ids},
};
use files::{exists, raw_header};
use survey::{Head, Survey, Visitor};

/// What is known from elsewhere of a shard that should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expected {
    /// The range of hash keys of its records.
    pub range: Option<HashRange>,
    /// It promises no more than that records are written: the power may take the last ones.
    pub lossy: bool,
    /// It was made wholly, so that there has to be something.
    pub finished: bool,
}

/// What is known from elsewhere of the shards of a store, by number.
pub type ExpectedShards = HashMap<ShardId, Expected>;

/// Looks at a store, a shard's directory or a segment file, verifying every checksum and order.
/// A directory that holds a store in `store` (a server's data directory) stands for it.
///
/// # Errors
/// When the path is none of these, or cannot be read. Damage is not an error but a finding.
pub fn inspect(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Inspection, Error> {
    inspect_expecting(path, &ExpectedShards::new(), progress)
}

/// The same, with what is known of the shards: those that are said to be finished and are not
/// there are damage, records outside of their shard's range are noted.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_expecting(
    path: &Path,
    expected: &ExpectedShards,
    progress: &mut dyn FnMut(Progress),
) -> Result<Inspection, Error> {
    inspect_on(&outside(path)?, path, expected, progress)
}

/// The same on a device of the caller's.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_on(
    device: &Arc<dyn Device>,
    path: &Path,
    expected: &ExpectedShards,
    progress: &mut dyn FnMut(Progress),
) -> Result<Inspection, Error> {
    let mut look = Look {
        device,
        expected,
        progress,
        seen: Progress::default(),
    };
    look.path(path)
}

/// The device of whoever looks from outside: it has no lock, and goes through the page cache.
pub(crate) fn outside(path: &Path) -> Result<Arc<dyn Device>, Error> {
    system_device(&DeviceOptions {
        choice: DeviceChoice::Portable,
        direct: false,
        allow_network: true,
        path: path.to_path_buf(),
    })
}

/// What a path is to whoever looks from outside.
pub(crate) enum Place {
    /// The directory of a store.
    Store(PathBuf),
    /// The directory of a shard.
    Shard(ShardId),
    /// A segment file, and its ordinal.
    Segment(u64),
}

/// Says what lies at a path.
pub(crate) fn place(device: &dyn Device, path: &Path) -> Result<Place, Error> {
    for dir in [path.to_path_buf(), path.join("store")] {
        if exists(device, &dir.join(STORE_FILE)) || device.list(&dir.join(SHARDS_DIR)).is_ok() {
            return Ok(Place::Store(dir));
        }
    }
    let name = path.file_name().and_then(|name| name.to_str());
    if let Some(entries) = listed(device, path)? {
        let ours = |name: &str| {
            use file_name::Name::{Index, Segment};
            matches!(file_name::parse(name), Some(Segment(_) | Index(_)))
        };
        if entries.iter().any(|entry| ours(&entry.name)) {
            return Ok(Place::Shard(shard_of(device, path)?));
        }
    } else if let Some(file_name::Name::Segment(ordinal)) = name.and_then(file_name::parse) {
        return Ok(Place::Segment(ordinal));
    }
    Err(Error::Option {
        option: "path",
        reason: format!(
            "{} is no store, shard directory or segment file (….seg)",
            path.display()
        ),
    })
}

/// The names in a directory; `None` where it is none.
fn listed(
    device: &dyn Device,
    path: &Path,
) -> Result<Option<Vec<crate::io::device::DirEntry>>, Error> {
    match device.list(path) {
        Ok(entries) => Ok(Some(entries)),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(Error::io("listing", path)(error)),
    }
}

/// The shard of a directory: by its name, or by what its first readable segment says.
fn shard_of(device: &dyn Device, dir: &Path) -> Result<ShardId, Error> {
    let name = dir.file_name().and_then(|name| name.to_str());
    if let Some(id) = name.and_then(ShardId::from_dir_name) {
        return Ok(id);
    }
    for ordinal in segment_ordinals(device, dir)? {
        let path = dir.join(file_name::segment(ordinal));
        if let Ok(Ok(Some(header))) = raw_header(device, &path) {
            return Ok(ShardId(header.shard));
        }
    }
    Ok(ShardId(0))
}

/// Damage to all of a file or directory.
fn whole_finding(file: PathBuf, shard: Option<ShardId>, reason: String) -> Finding {
    Finding {
        shard,
        damage: Damage {
            file,
            offset: 0,
            sequence: SequenceNumber(0),
            resume: None,
            reason,
        },
        end: None,
    }
}

/// The shards that should be in the store `path`, and are not among `ids`, which ascend.
pub(crate) fn missing_shards(
    path: &Path,
    ids: &[ShardId],
    expected: &ExpectedShards,
) -> Vec<Finding> {
    let missing = expected
        .iter()
        .filter(|(id, expected)| expected.finished && ids.binary_search(id).is_err());
    let mut missing: Vec<ShardId> = missing.map(|(id, _)| *id).collect();
    missing.sort_unstable();
    let finding = |id: ShardId| {
        let dir = path.join(SHARDS_DIR).join(id.dir_name());
        whole_finding(
            dir,
            Some(id),
            "the directory of the shard is missing".into(),
        )
    };
    missing.into_iter().map(finding).collect()
}

struct Look<'a> {
    device: &'a Arc<dyn Device>,
    expected: &'a ExpectedShards,
    progress: &'a mut dyn FnMut(Progress),
    seen: Progress,
}

impl Look<'_> {
    fn path(&mut self, path: &Path) -> Result<Inspection, Error> {
        let shard = match place(&**self.device, path)? {
            Place::Store(dir) => return self.store(&dir),
            Place::Shard(id) => self.shard(id, path)?,
            Place::Segment(ordinal) => self.lone_segment(path, ordinal)?,
        };
        Ok(Inspection {
            store: None,
            shards: vec![shard],
            damage: Vec::new(),
        })
    }

    fn store(&mut self, path: &Path) -> Result<Inspection, Error> {
        let device = &**self.device;
        let mut damage = Vec::new();
        let mut wrong = |reason: String| {
            let mut finding = whole_finding(path.join(STORE_FILE), None, reason);
            finding.end = Some(SequenceNumber(0));
            damage.push(finding);
        };
        let id = match read_store_file(device, path) {
            Ok(Some(id)) => id,
            Ok(None) => {
                wrong("the file that makes a store is missing".into());
                0
            }
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidData => {
                wrong(source.to_string());
                0
            }
            Err(error) => return Err(error),
        };
        let mut ids = match shard_ids(device, path) {
            Ok(ids) => ids,
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        ids.sort_unstable();
        damage.extend(missing_shards(path, &ids, self.expected));
        let dir = |id: ShardId| path.join(SHARDS_DIR).join(id.dir_name());
        for id in &ids {
            let segments = segment_ordinals(device, &dir(*id)).map_or(0, |all| all.len());
            self.seen.of_segments += segments as u64;
        }
        let mut shards = Vec::new();
        for id in ids {
            match self.shard(id, &dir(id)) {
                Ok(shard) => shards.push(shard),
                // It was deleted meanwhile.
                Err(Error::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound
                        && device.list(&dir(id)).is_err() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Inspection {
            store: Some(StoreInfo {
                path: path.to_path_buf(),
                id,
                format: STORE_FORMAT,
            }),
            shards,
            damage,
        })
    }

    fn shard(&mut self, id: ShardId, dir: &Path) -> Result<ShardInfo, Error> {
        let device = &**self.device;
        let entries = device.list(dir);
        let entries = entries.map_err(Error::io("listing the shard", dir))?;
        let spare = |name: &str| matches!(file_name::parse(name), Some(file_name::Name::Spare(_)));
        let segment =
            |name: &str| matches!(file_name::parse(name), Some(file_name::Name::Segment(_)));
        let count = |kind: &dyn Fn(&str) -> bool| entries.iter().filter(|e| kind(&e.name)).count();
        self.seen.of_segments = self.seen.of_segments.max(count(&segment) as u64);
        let expected = self.expected.get(&id).copied().unwrap_or_default();
        let mut info = ShardInfo {
            id,
            dir: dir.to_path_buf(),
            segments: Vec::new(),
            spares: count(&spare),
            damage: Vec::new(),
        };
        let survey = Survey {
            device,
            id,
            dir,
            expected,
        };
        survey.run(&mut Collector {
            info: &mut info,
            open: false,
            seen: &mut self.seen,
            progress: self.progress,
        })?;
        if info.segments.is_empty() && info.damage.is_empty() && expected.finished {
            let reason = "all segment files of the shard are missing".into();
            let finding = whole_finding(dir.to_path_buf(), Some(id), reason);
            info.damage.push(finding);
        }
        Ok(info)
    }

    fn lone_segment(&mut self, path: &Path, ordinal: u64) -> Result<ShardInfo, Error> {
        let dir = path.parent().unwrap_or(Path::new(".")).to_path_buf();
        let header = raw_header(&**self.device, path);
        let header = header.map_err(Error::io("reading the segment header", path))?;
        let id = ShardId(header.ok().flatten().map_or(0, |header| header.shard));
        self.seen.of_segments = 1;
        let mut info = ShardInfo {
            id,
            dir: dir.clone(),
            segments: Vec::new(),
            spares: 0,
            damage: Vec::new(),
        };
        let survey = Survey {
            device: &**self.device,
            id,
            dir: &dir,
            expected: self.expected.get(&id).copied().unwrap_or_default(),
        };
        survey.run_one(
            ordinal,
            &mut Collector {
                info: &mut info,
                open: false,
                seen: &mut self.seen,
                progress: self.progress,
            },
        )?;
        Ok(info)
    }
}

/// Collects what a survey finds of a shard.
struct Collector<'a> {
    info: &'a mut ShardInfo,
    /// The last segment is being looked at.
    open: bool,
    seen: &'a mut Progress,
    progress: &'a mut dyn FnMut(Progress),
}

impl Collector<'_> {
    fn told(&mut self) {
        self.seen.segments += 1;
        if let Some(info) = self.info.segments.last() {
            self.seen.bytes += info.stored_bytes;
        }
        (self.progress)(*self.seen);
    }
}

impl Visitor for Collector<'_> {
    fn segment(&mut self, segment: &Arc<Segment>, head: &Head) -> Result<(), Error> {
        let mut info = SegmentInfo::new(segment, head.state);
        if let Some(header) = &head.header {
            info.take_header(header);
        }
        self.info.segments.push(info);
        self.open = head.state != SegmentState::MadeAhead;
        if !self.open {
            self.told();
        }
        Ok(())
    }

    fn batch(&mut self, _spot: &Spot, batch: &Batch) -> Result<(), Error> {
        if let Some(info) = self.info.segments.last_mut() {
            info.count(batch.header());
        }
        Ok(())
    }

    fn damage(&mut self, finding: Finding) {
        match self.info.segments.last_mut() {
            Some(info) => info.damage.push(finding),
            None => self.info.damage.push(finding),
        }
    }

    fn note(&mut self, note: Note) {
        if let Some(info) = self.info.segments.last_mut() {
            info.notes.push(note);
        }
    }

    fn segment_end(&mut self, end: &SegmentEnd) -> Result<(), Error> {
        if let Some(info) = self.info.segments.last_mut() {
            info.end_offset = end.offset;
            info.end_sequence = SequenceNumber(end.sequence);
        }
        self.open = false;
        self.told();
        Ok(())
    }

    fn dropped(&mut self) -> Result<(), Error> {
        self.info.segments.clear();
        self.info.damage.clear();
        Ok(())
    }
}
