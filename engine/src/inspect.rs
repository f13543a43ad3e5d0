//! A look at a store from outside: read-only, without its lock, at any time. What is in it, and
//! whether every checksum and every order in it holds.
//!
//! On a store that is in use the newest batches may be missing from the look; nothing that was
//! acknowledged before it began is taken for damage.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_format::{BatchHeader, BatchLimits, Compression, HashRange};

use crate::{
    error::{Damage, Error},
    io::{
        device::{Access, Device, DeviceChoice, DeviceOptions},
        system_device,
    },
    read::walk::{Found, Spot},
    recover::segment_ordinals,
    segment::{Segment, SegmentHeader, file_name, header::SEGMENT_HEADER_LEN},
    sequence::{SequenceNumber, ShardId},
    store::{SHARDS_DIR, STORE_FILE, STORE_FORMAT, read_store_file, shard_ids},
};

/// What a path turned out to be.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The store, when a store was looked at.
    pub store: Option<StoreInfo>,
    /// Its shards, or the one that was looked at, by number.
    pub shards: Vec<ShardInfo>,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its directory.
    pub path: PathBuf,
    /// Its random identity.
    pub id: u64,
    /// Version of its layout.
    pub format: u32,
}

/// A shard.
#[derive(Debug, Clone)]
pub struct ShardInfo {
    /// Its number.
    pub id: ShardId,
    /// Its directory.
    pub dir: PathBuf,
    /// Its segments, oldest first.
    pub segments: Vec<SegmentInfo>,
    /// Segments past retention that wait to be written again.
    pub spares: usize,
}

/// What a segment is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// Full, or followed by another: never written again.
    Sealed,
    /// The one that is written.
    Active,
    /// Made ahead: nothing in it yet.
    MadeAhead,
}

/// A segment. Times in milliseconds since 1970, sizes in bytes.
#[derive(Debug, Clone)]
pub struct SegmentInfo {
    /// Its file.
    pub file: PathBuf,
    /// What it is.
    pub state: SegmentState,
    /// Its place among the segments.
    pub ordinal: u64,
    /// Its random epoch.
    pub epoch: u64,
    /// Bytes to which batches are padded.
    pub block: u32,
    /// Bytes of the file.
    pub segment_bytes: u64,
    /// When it was begun.
    pub created_ms: u64,
    /// Sequence numbers were skipped before it.
    pub jumped: bool,
    /// The segment before was trimmed at recovery.
    pub trimmed: bool,
    /// Sequence number of its first record.
    pub first_sequence: SequenceNumber,
    /// Sequence number after its last record.
    pub end_sequence: SequenceNumber,
    /// Where its batches end.
    pub end_offset: u64,
    /// Time of its first record.
    pub first_time_ms: Option<u64>,
    /// Time of its last record.
    pub last_time_ms: Option<u64>,
    /// Batches with records.
    pub batches: u64,
    /// Empty batches, which show the watermark.
    pub stamps: u64,
    /// Batches whose body is compressed.
    pub compressed: u64,
    /// Records.
    pub records: u64,
    /// Bytes of batch bodies before compression.
    pub raw_bytes: u64,
    /// Bytes of batch bodies as stored.
    pub stored_bytes: u64,
    /// Whether its last batch is the mark of a clean close.
    pub closed: bool,
    /// What does not verify.
    pub damage: Vec<Damage>,
    /// What is worth knowing and is no damage.
    pub notes: Vec<String>,
}

/// How far a look has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of batches looked at.
    pub bytes: u64,
    /// Segments looked at.
    pub segments: u64,
    /// Segments in all.
    pub of_segments: u64,
}

/// Looks at a store, a shard's directory or a segment file, verifying every checksum and order.
/// A directory that holds a store in `store` (a server's data directory) stands for it.
///
/// # Errors
/// When the path is none of these, or cannot be read. Damage is not an error but a finding.
pub fn inspect(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Inspection, Error> {
    inspect_routed(path, &HashMap::new(), progress)
}

/// The same, and that every record of a shard in `routing` belongs into that shard's range.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_routed(
    path: &Path,
    routing: &HashMap<ShardId, HashRange>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Inspection, Error> {
    let device = system_device(&DeviceOptions {
        choice: DeviceChoice::Portable,
        direct: false,
        allow_network: true,
        path: path.to_path_buf(),
    })?;
    let mut look = Look {
        device,
        routing,
        progress,
        seen: Progress {
            bytes: 0,
            segments: 0,
            of_segments: 0,
        },
    };
    look.path(path)
}

struct Look<'a> {
    device: Arc<dyn Device>,
    routing: &'a HashMap<ShardId, HashRange>,
    progress: &'a mut dyn FnMut(Progress),
    seen: Progress,
}

impl Look<'_> {
    fn path(&mut self, path: &Path) -> Result<Inspection, Error> {
        for dir in [path.to_path_buf(), path.join("store")] {
            if dir.join(STORE_FILE).is_file() {
                return self.store(&dir);
            }
        }
        if path.is_dir() {
            if !segment_ordinals(&*self.device, path)?.is_empty() {
                let shard = self.shard(self.shard_of(path)?, path)?;
                return Ok(Inspection {
                    store: None,
                    shards: vec![shard],
                });
            }
        } else if let Some(shard) = self.lone_segment(path)? {
            return Ok(Inspection {
                store: None,
                shards: vec![shard],
            });
        }
        Err(Error::Option {
            option: "path",
            reason: format!(
                "{} is no store, shard directory or segment file (….seg)",
                path.display()
            ),
        })
    }

    fn store(&mut self, path: &Path) -> Result<Inspection, Error> {
        let device = Arc::clone(&self.device);
        let id = read_store_file(&*device, path)?.unwrap_or_default();
        let mut ids = shard_ids(&*device, path)?;
        ids.sort_unstable();
        let dir = |id: ShardId| path.join(SHARDS_DIR).join(id.dir_name());
        for id in &ids {
            let segments = segment_ordinals(&*device, &dir(*id)).map_or(0, |all| all.len());
            self.seen.of_segments += segments as u64;
        }
        let mut shards = Vec::new();
        for id in ids {
            shards.push(self.shard(id, &dir(id))?);
        }
        Ok(Inspection {
            store: Some(StoreInfo {
                path: path.to_path_buf(),
                id,
                format: STORE_FORMAT,
            }),
            shards,
        })
    }

    /// The shard of a directory: by its name, or by what its first readable segment says.
    fn shard_of(&self, dir: &Path) -> Result<ShardId, Error> {
        let name = dir.file_name().and_then(|name| name.to_str());
        if let Some(id) = name.and_then(ShardId::from_dir_name) {
            return Ok(id);
        }
        for ordinal in segment_ordinals(&*self.device, dir)? {
            if let Some(header) = self.raw_header(&dir.join(file_name::segment(ordinal)))? {
                return Ok(ShardId(header.shard));
            }
        }
        Ok(ShardId(0))
    }

    fn raw_header(&self, path: &Path) -> Result<Option<SegmentHeader>, Error> {
        let io = || Error::io("reading the segment header", path);
        let file = self.device.open(path, Access::Read).map_err(io())?;
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        if file.len().map_err(io())? < SEGMENT_HEADER_LEN as u64 {
            return Ok(None);
        }
        file.read_at(&mut bytes, 0).map_err(io())?;
        Ok(SegmentHeader::decode(&bytes).ok().flatten())
    }

    fn lone_segment(&mut self, path: &Path) -> Result<Option<ShardInfo>, Error> {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(file_name::Name::Segment(ordinal)) = name.and_then(file_name::parse) else {
            return Ok(None);
        };
        let dir = path.parent().unwrap_or(Path::new(".")).to_path_buf();
        let id = match self.raw_header(path)? {
            Some(header) => ShardId(header.shard),
            None => ShardId(0),
        };
        self.seen.of_segments = 1;
        let segment = Segment::new(id, &dir, ordinal);
        let (info, _) = self.segment(&segment, None)?;
        Ok(Some(ShardInfo {
            id,
            dir,
            segments: vec![info],
            spares: 0,
        }))
    }

    fn shard(&mut self, id: ShardId, dir: &Path) -> Result<ShardInfo, Error> {
        let ordinals = segment_ordinals(&*self.device, dir)?;
        self.seen.of_segments = self.seen.of_segments.max(ordinals.len() as u64);
        let entries = self
            .device
            .list(dir)
            .map_err(Error::io("listing the shard", dir))?;
        let spare = |name: &str| matches!(file_name::parse(name), Some(file_name::Name::Spare(_)));
        let mut segments: Vec<SegmentInfo> = Vec::new();
        // From the newest to the oldest, as each header tells where the one before ends.
        let mut after: Option<(u64, SegmentHeader)> = None;
        for ordinal in ordinals.into_iter().rev() {
            let segment = Segment::new(id, dir, ordinal);
            let next = after
                .filter(|(next, _)| *next == ordinal + 1)
                .map(|(_, header)| header);
            let (mut info, header) = self.segment(&segment, next.as_ref())?;
            if let Some((next, _)) = after
                && next != ordinal + 1
            {
                let missing = Segment::new(id, dir, ordinal + 1);
                info.damage.push(damage_at(
                    &missing,
                    0,
                    info.end_sequence.0,
                    "the segment file is missing",
                ));
            }
            if header.is_some() || !segments.is_empty() {
                after = header
                    .map(|header| (ordinal, header))
                    .or(Some((ordinal, no_header(ordinal))));
            }
            segments.push(info);
        }
        segments.reverse();
        if segments
            .iter()
            .all(|segment| segment.state == SegmentState::MadeAhead)
            && let Some(first) = segments.first_mut()
        {
            first
                .notes
                .push("the shard was never finished: no segment has a header".into());
        }
        Ok(ShardInfo {
            id,
            dir: dir.to_path_buf(),
            segments,
            spares: entries.iter().filter(|entry| spare(&entry.name)).count(),
        })
    }

    /// Looks at a segment; `next` is the header of the one after it.
    fn segment(
        &mut self,
        segment: &Arc<Segment>,
        next: Option<&SegmentHeader>,
    ) -> Result<(SegmentInfo, Option<SegmentHeader>), Error> {
        let mut info = empty_info(segment);
        let header = match segment.read_header(&*self.device) {
            Ok(Some(header)) => header,
            Ok(None) => {
                if next.is_some() {
                    info.damage
                        .push(damage_at(segment, 0, 0, "the segment header is all zeros"));
                }
                self.told(&info);
                return Ok((info, None));
            }
            Err(Error::Damaged { damage, .. }) => {
                info.state = SegmentState::Sealed;
                info.damage.push((*damage).clone());
                self.told(&info);
                return Ok((info, None));
            }
            Err(error) => return Err(error),
        };
        info.state = if next.is_some() {
            SegmentState::Sealed
        } else {
            SegmentState::Active
        };
        info.epoch = header.epoch;
        info.block = header.block;
        info.segment_bytes = header.segment_bytes;
        info.created_ms = header.created_ms;
        info.jumped = header.jumped;
        info.trimmed = header.trimmed;
        info.first_sequence = SequenceNumber(header.base_sequence);
        let file = self.device.open(&segment.path, Access::Read);
        let map = file.and_then(|file| file.map());
        let map = map.map_err(Error::io("mapping the segment", &segment.path))?;
        if map.len() as u64 != header.segment_bytes {
            let (len, said) = (map.len(), header.segment_bytes);
            let reason = format!("the file has {len} bytes, its header says {said}");
            let at = len as u64;
            info.damage
                .push(damage_at(segment, at, header.base_sequence, &reason));
        }
        let mut spot = Spot {
            segment: Arc::clone(segment),
            header,
            map,
            offset: header.block.into(),
            sequence: header.base_sequence,
        };
        // Only what the next segment vouches for is certain to be there.
        let next = next.filter(|next| next.previous_epoch == header.epoch);
        self.walk(&mut spot, next, &mut info);
        if let Some(next) = next {
            check_succession(segment, &header, next, &mut info);
        }
        self.told(&info);
        Ok((info, Some(header)))
    }

    fn told(&mut self, info: &SegmentInfo) {
        self.seen.segments += 1;
        self.seen.bytes += info.stored_bytes;
        (self.progress)(self.seen);
    }

    fn walk(&self, spot: &mut Spot, next: Option<&SegmentHeader>, info: &mut SegmentInfo) {
        let length = spot.map.len() as u64;
        let certain = next.map(|next| next.previous_end_offset);
        let end = certain.unwrap_or(length).min(length);
        let mut watermark = spot.header.watermark;
        let mut last_time = spot.header.previous_last_time_ms;
        while spot.offset < end {
            match self.check(spot, last_time) {
                Ok(header) => {
                    watermark = watermark.max(header.watermark);
                    last_time = header.time_ms;
                    info.count(&header);
                    spot.step(&header);
                }
                Err(reason) => {
                    let behind = spot.resume(end);
                    let seen = match certain {
                        Some(_) => u64::MAX,
                        // Nobody can tell whether that was acknowledged.
                        None if spot.is_unreadable(&*self.device) => u64::MAX,
                        None => watermark.max(watermark_beyond(spot, end)),
                    };
                    if seen <= spot.sequence {
                        if behind.is_some() {
                            info.notes.push(format!(
                                "a torn tail at byte {}: {reason}; what follows was never known to be acknowledged",
                                spot.offset
                            ));
                        }
                        break;
                    }
                    // A batch that was not there a moment ago may be by now: the store is in use.
                    if self.check(spot, last_time).is_ok() {
                        continue;
                    }
                    let mut damage = damage_at(&spot.segment, spot.offset, spot.sequence, &reason);
                    damage.resume = behind.as_ref().map(|b| SequenceNumber(b.sequence));
                    info.damage.push(damage);
                    match behind {
                        Some(behind) => *spot = behind,
                        None => break,
                    }
                }
            }
        }
        info.end_offset = spot.offset;
        info.end_sequence = SequenceNumber(spot.sequence);
    }

    /// Checks one batch wholly: header, checksum, framing, time.
    fn check(&self, spot: &Spot, last_time: u64) -> Result<BatchHeader, String> {
        let seen = match spot.look() {
            Found::Batch(header) => spot.batch(header, 0),
            Found::Nothing => Err("there is no batch".to_owned()),
            Found::Broken(reason) => Err(reason),
        };
        // The page cache may be behind direct writes of a process that has the store open.
        let batch = match seen {
            Ok(batch) => batch,
            Err(_) => spot
                .batch_from_medium(&*self.device, 0)
                .map_err(|error| match error {
                    Error::Damaged { damage, .. } => damage.reason.clone(),
                    other => other.to_string(),
                })?,
        };
        let body = batch.body().map_err(|e| e.to_string())?;
        body.check(&BatchLimits::default())
            .map_err(|e| e.to_string())?;
        if let Some(range) = self.routing.get(&spot.segment.shard) {
            let mut records = body.records().flatten();
            if let Some(at) = records.position(|r| !range.contains(r.as_record().hash_key())) {
                return Err(format!("its record {at} belongs to another shard"));
            }
        }
        if batch.time_ms() < last_time {
            return Err("its time is before that of the batch before".into());
        }
        Ok(*batch.header())
    }
}

/// The highest watermark in a header behind a place that does not verify.
fn watermark_beyond(spot: &Spot, end: u64) -> u64 {
    let block = u64::from(spot.header.block);
    let mut highest = 0;
    let mut offset = spot.offset + block;
    while offset < end {
        if let Some(bytes) = spot
            .map
            .bytes(offset as usize, millstream_format::BATCH_HEADER_LEN)
            && let Ok(Some(header)) = BatchHeader::decode(bytes)
            && header.epoch == spot.header.epoch
            && header.watermark <= header.first_sequence
        {
            highest = highest.max(header.watermark);
        }
        offset += block;
    }
    highest
}

fn check_succession(
    segment: &Segment,
    header: &SegmentHeader,
    next: &SegmentHeader,
    info: &mut SegmentInfo,
) {
    let mut wrong = |reason: String| {
        info.damage.push(damage_at(
            segment,
            info.end_offset,
            info.end_sequence.0,
            &reason,
        ));
    };
    if next.previous_end_sequence != info.end_sequence.0
        || next.previous_end_offset != info.end_offset
    {
        wrong(format!(
            "the next segment says that this one ends with record {} at byte {}",
            next.previous_end_sequence, next.previous_end_offset
        ));
    }
    let goes_on = next.base_sequence == next.previous_end_sequence;
    let jumps = next.jumped && next.base_sequence > next.previous_end_sequence;
    if !(goes_on || jumps) {
        wrong(format!(
            "the next segment begins with record {}",
            next.base_sequence
        ));
    }
    if next.previous_end_sequence < header.base_sequence {
        wrong("it ends before it begins".into());
    }
}

impl SegmentInfo {
    fn count(&mut self, header: &BatchHeader) {
        self.closed = header.close;
        if header.count == 0 {
            self.stamps += 1;
            return;
        }
        self.batches += 1;
        self.compressed += u64::from(header.compression != Compression::None);
        self.records += u64::from(header.count);
        self.raw_bytes += u64::from(header.raw_len);
        self.stored_bytes += u64::from(header.stored_len);
        self.first_time_ms.get_or_insert(header.time_ms);
        self.last_time_ms = Some(header.time_ms);
    }
}

fn damage_at(segment: &Segment, offset: u64, sequence: u64, reason: &str) -> Damage {
    Damage {
        file: segment.path.clone(),
        offset,
        sequence: SequenceNumber(sequence),
        resume: None,
        reason: reason.into(),
    }
}

/// Stands for a header that cannot be read: it vouches for nothing.
fn no_header(ordinal: u64) -> SegmentHeader {
    SegmentHeader {
        block: 4096,
        shard: 0,
        ordinal,
        epoch: 0,
        segment_bytes: 0,
        base_sequence: 0,
        watermark: 0,
        created_ms: 0,
        previous_epoch: 0,
        previous_end_offset: 0,
        previous_end_sequence: 0,
        previous_last_time_ms: 0,
        jumped: false,
        trimmed: false,
    }
}

fn empty_info(segment: &Segment) -> SegmentInfo {
    SegmentInfo {
        file: segment.path.clone(),
        state: SegmentState::MadeAhead,
        ordinal: segment.ordinal,
        epoch: 0,
        block: 0,
        segment_bytes: 0,
        created_ms: 0,
        jumped: false,
        trimmed: false,
        first_sequence: SequenceNumber(0),
        end_sequence: SequenceNumber(0),
        end_offset: 0,
        first_time_ms: None,
        last_time_ms: None,
        batches: 0,
        stamps: 0,
        compressed: 0,
        records: 0,
        raw_bytes: 0,
        stored_bytes: 0,
        closed: false,
        damage: Vec::new(),
        notes: Vec::new(),
    }
}

impl Inspection {
    /// Everything that does not verify, with its shard.
    pub fn damage(&self) -> impl Iterator<Item = (ShardId, &Damage)> {
        let segments = self
            .shards
            .iter()
            .flat_map(|shard| shard.segments.iter().map(|s| (shard.id, s)));
        segments.flat_map(|(id, segment)| segment.damage.iter().map(move |damage| (id, damage)))
    }

    /// Everything worth knowing that is no damage, with its shard and file.
    pub fn notes(&self) -> impl Iterator<Item = (ShardId, &Path, &str)> {
        let segments = self
            .shards
            .iter()
            .flat_map(|shard| shard.segments.iter().map(|s| (shard.id, s)));
        segments.flat_map(|(id, segment)| {
            let file = segment.file.as_path();
            segment
                .notes
                .iter()
                .map(move |note| (id, file, note.as_str()))
        })
    }
}
