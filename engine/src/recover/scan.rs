//! The walk over the active segment: what verifies, and what lies beyond.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_format::{BATCH_HEADER_LEN, BatchHeader};

use super::read_ahead::ReadAhead;
use crate::{
    error::Error,
    ground::Ground,
    index::{Checkpoint, Entry, SparseIndex},
    io::device::{Access, File, Map},
    options::Durability,
    read::{
        batch::Batch,
        walk::{Found, Missing, Spot},
    },
    segment::{
        Segment, SegmentHeader,
        list::{SegmentEnd, unreadable},
    },
    sequence::ShardId,
    shard::producers::{Producers, RecentPut},
};

/// What lies behind the first place that does not verify.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beyond {
    /// From that place to the end of the last batch header of this segment's epoch.
    pub bytes: u64,
    /// Batch headers of this segment's epoch.
    pub headers: u64,
    /// Records in batches that verify.
    pub records: u64,
    /// First record of the first of them.
    pub resume: Option<u64>,
    /// Sequence number after the last of them.
    pub end_sequence: u64,
    /// The highest watermark in the headers.
    pub watermark: u64,
    /// Offset of a block that cannot be read, and why: there may be a header in it.
    pub unreadable: Option<(u64, String)>,
    pub scanned_bytes: u64,
}

/// A batch of which nothing says that it is on the medium.
#[derive(Debug, Clone, Copy)]
struct Unproven {
    offset: u64,
    sequence: u64,
    end_sequence: u64,
    close: bool,
}

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub file: PathBuf,
    pub file_bytes: u64,
    /// After the last batch that verifies with all before it.
    pub end: SegmentEnd,
    /// The highest watermark in any header of the segment.
    pub watermark: u64,
    /// Whether the last good batch is the mark of a clean close.
    pub closed: bool,
    /// Why the walk ended.
    pub reason: String,
    /// It ended at bytes that the medium does not give.
    pub unreadable: bool,
    pub beyond: Beyond,
    pub index: SparseIndex,
    /// The producers of the checkpoint, if there was one.
    pub checkpointed: Option<Producers>,
    /// The puts that were seen.
    pub puts: Vec<RecentPut>,
    /// Good batches that nothing proves to be on the medium.
    unproven: VecDeque<Unproven>,
    pub scanned_bytes: u64,
    durability: Durability,
}

impl Scan {
    /// Makes the segment durable as it is seen, then walks it.
    pub(crate) fn run(
        ground: &Ground,
        segment: &Arc<Segment>,
        header: &SegmentHeader,
        ceiling: Option<u64>,
        durability: Durability,
    ) -> Result<Scan, Error> {
        let device = &*ground.device;
        let io = || Error::io("recovering the segment", &segment.path);
        let file = device.open(&segment.path, Access::Write).map_err(io())?;
        // What the page cache shows may not be on the medium; nothing may be published that is not.
        match ceiling {
            None => {
                let dir = segment.path.parent().unwrap_or(Path::new("."));
                ground.settle(&*file, dir).map_err(io())?;
            }
            Some(_) => file.sync().map_err(io())?,
        }
        let map = ground.maps.map(device, segment)?;
        let first = Spot {
            segment: Arc::clone(segment),
            header: *header,
            map,
            offset: header.block.into(),
            sequence: header.base_sequence,
        };
        let mut scan = Scan {
            file: segment.path.clone(),
            file_bytes: first.map.len() as u64,
            end: SegmentEnd {
                offset: first.offset,
                sequence: first.sequence,
                last_time_ms: header.previous_last_time_ms,
            },
            watermark: header.watermark,
            closed: false,
            reason: String::new(),
            unreadable: false,
            beyond: Beyond::default(),
            index: SparseIndex::default(),
            checkpointed: None,
            puts: Vec::new(),
            unproven: VecDeque::new(),
            scanned_bytes: 0,
            durability,
        };
        let map = Arc::clone(&first.map);
        let mut ahead = ReadAhead::new(&*map, &*file);
        let mut spot = scan.begin(ground, &first, ceiling);
        scan.walk(ground, &mut spot, ceiling, &*file, &mut ahead)?;
        scan.beyond = look_beyond(&spot, &*file, ceiling.unwrap_or(u64::MAX), &mut ahead)
            .map_err(Error::io("looking beyond the end of", &segment.path))?;
        scan.scanned_bytes += scan.beyond.scanned_bytes;
        scan.watermark = match ceiling {
            // What the process knows stands above what the medium shows.
            Some(ceiling) => ceiling,
            None => scan.watermark.max(scan.beyond.watermark),
        };
        Ok(scan)
    }

    /// Writes what nothing proves to be on the medium once more where it stands. Before this open a
    /// flush may have failed, after which the system shows what it never writes again, and a flush
    /// that ends well says nothing of it.
    pub(super) fn prove(
        &self,
        ground: &Ground,
        segment: &Arc<Segment>,
        header: &SegmentHeader,
    ) -> Result<(), Error> {
        // What the watermark covers is on the medium, where writes are flushed one by one.
        let covered = match self.durability {
            Durability::Durable => self.watermark,
            Durability::Written => 0,
        };
        let unproven = self.unproven.iter();
        let unproven: Vec<Unproven> = unproven
            .filter(|batch| batch.end_sequence > covered || batch.close)
            .copied()
            .collect();
        // A roll writes its header together with the first batches, recovery before them.
        let rolled = header.ordinal > 0 && !header.trimmed && !header.jumped;
        let bare = rolled && self.end.offset == u64::from(header.block);
        if unproven.is_empty() && !bare {
            return Ok(());
        }
        let device = &*ground.device;
        let io = || Error::io("recovering the segment", &segment.path);
        let file = device.open(&segment.path, Access::Write).map_err(io())?;
        let map = ground.maps.map(device, segment)?;
        let block = header.block as usize;
        let with_header = bare || covered <= header.base_sequence;
        // One flush for all, or none behind a single one.
        let single = unproven.len() + usize::from(with_header) == 1;
        let write = |bytes: &[u8], offset| match single {
            true => file.write_durable_at(bytes, offset),
            false => file.write_at(bytes, offset),
        };
        if with_header {
            let mut bytes = vec![0; block];
            header.encode(&mut bytes);
            write(&bytes, 0).map_err(io())?;
        }
        for unproven in unproven {
            let spot = Spot {
                segment: Arc::clone(segment),
                header: *header,
                map: Arc::clone(&map),
                offset: unproven.offset,
                sequence: unproven.sequence,
            };
            let batch = match spot.look() {
                Found::Batch(header) => spot.batch(header, 0).ok(),
                Found::Nothing | Found::Broken(_) => None,
            };
            let batch = match batch {
                Some(batch) => batch,
                None => spot.batch_from_medium(device, 0)?,
            };
            let mut bytes = batch.stored().to_vec();
            bytes.resize(bytes.len().next_multiple_of(block), 0);
            write(&bytes, unproven.offset).map_err(io())?;
        }
        if !single {
            file.sync().map_err(io())?;
        }
        drop(map);
        ground.maps.unmap(segment);
        Ok(())
    }

    /// The puts in a segment that was sealed, up to the byte offset `end` and record `most`.
    pub(crate) fn puts_in(
        ground: &Ground,
        segment: &Arc<Segment>,
        header: &SegmentHeader,
        end: u64,
        most: u64,
    ) -> Result<Vec<RecentPut>, Error> {
        let mut spot = Spot {
            segment: Arc::clone(segment),
            header: *header,
            map: ground.maps.map(&*ground.device, segment)?,
            offset: header.block.into(),
            sequence: header.base_sequence,
        };
        let mut puts = Vec::new();
        while spot.offset < end {
            if let Found::Batch(found) = spot.look() {
                if let Ok(batch) = spot.batch(found, 0) {
                    puts_of(&batch, |put| puts.push(put));
                }
                spot.step(&found);
            } else {
                let Some(behind) = spot.resume(end, most) else {
                    break;
                };
                spot = behind;
            }
        }
        Ok(puts)
    }

    /// Begins at the last entry of the index, when the batch there is as the index says.
    fn begin(&mut self, ground: &Ground, first: &Spot, ceiling: Option<u64>) -> Spot {
        let dir = first.segment.path.parent().unwrap_or(Path::new("."));
        let (ordinal, epoch) = (first.header.ordinal, first.header.epoch);
        let Some(mut checkpoint) = Checkpoint::load(&*ground.device, dir, ordinal, epoch) else {
            return first.clone();
        };
        // Whatever becomes of the index: the segments before may be gone, and what they said of
        // producers is nowhere else. Puts at or after the end that is found are forgotten then.
        self.checkpointed = Some(std::mem::take(&mut checkpoint.producers));
        let Some(last) = checkpoint.index.entries().last().copied() else {
            return first.clone();
        };
        let spot = Spot {
            offset: last.offset,
            sequence: last.sequence,
            ..first.clone()
        };
        let as_said = match spot.look() {
            Found::Batch(h) => {
                spot.batch(h, 0).is_ok() && ceiling.is_none_or(|c| h.end_sequence() <= c)
            }
            _ => false,
        };
        if !as_said {
            return first.clone();
        }
        self.index = std::mem::take(&mut checkpoint.index);
        self.end = SegmentEnd {
            offset: spot.offset,
            sequence: spot.sequence,
            last_time_ms: last.time_ms,
        };
        spot
    }

    fn walk(
        &mut self,
        ground: &Ground,
        spot: &mut Spot,
        ceiling: Option<u64>,
        file: &dyn File,
        ahead: &mut ReadAhead<'_>,
    ) -> Result<(), Error> {
        let segment = Arc::clone(&spot.segment);
        let io = || Error::io("recovering the segment", &segment.path);
        while spot.offset < spot.map.len() as u64 {
            ahead.at(spot.offset);
            let batch = match spot.look() {
                Found::Nothing => {
                    self.reason = "there is no batch".into();
                    if file.next_data(spot.offset).map_err(io())?.is_none() {
                        break;
                    }
                    Err(String::new())
                }
                Found::Batch(header) => spot.batch(header, 0),
                Found::Broken(reason) => Err(reason),
            };
            let batch = match batch {
                Ok(batch) => batch,
                // The page cache may be behind direct writes: the medium decides.
                Err(_) => match spot.read_again(&*ground.device, 0) {
                    Ok(batch) => batch,
                    Err(Missing::Broken(reason)) => {
                        self.reason = reason;
                        break;
                    }
                    Err(Missing::Unreadable(reason)) => {
                        self.reason = reason;
                        self.unreadable = true;
                        break;
                    }
                    Err(Missing::Failed(error)) => return Err(error),
                },
            };
            let header = *batch.header();
            if ceiling.is_some_and(|ceiling| header.end_sequence() > ceiling) {
                break;
            }
            self.take(&batch, spot);
            spot.step(&header);
            self.end = SegmentEnd {
                offset: spot.offset,
                sequence: spot.sequence,
                last_time_ms: self.end.last_time_ms.max(header.time_ms),
            };
        }
        Ok(())
    }

    fn take(&mut self, batch: &Batch, spot: &Spot) {
        let header = batch.header();
        self.scanned_bytes += header.batch_len() as u64;
        self.watermark = self.watermark.max(header.watermark);
        self.closed = header.close;
        if header.count > 0 {
            self.index.note(Entry {
                sequence: header.first_sequence,
                offset: spot.offset,
                time_ms: header.time_ms,
            });
        }
        puts_of(batch, |put| self.puts.push(put));
        let proven = match self.durability {
            Durability::Durable => self.watermark,
            // A mark is written after a flush that ended well.
            Durability::Written if header.close => header.first_sequence,
            Durability::Written => 0,
        };
        while self
            .unproven
            .front()
            .is_some_and(|batch| batch.end_sequence <= proven)
        {
            self.unproven.pop_front();
        }
        if header.end_sequence() > proven || header.close {
            self.unproven.push_back(Unproven {
                offset: spot.offset,
                sequence: spot.sequence,
                end_sequence: header.end_sequence(),
                close: header.close,
            });
        }
    }
}

/// Looks at every block behind the end that may hold something. `resume` is looked for below
/// `ceiling`.
fn look_beyond(
    end: &Spot,
    file: &dyn File,
    ceiling: u64,
    ahead: &mut ReadAhead<'_>,
) -> std::io::Result<Beyond> {
    let mut beyond = Beyond::default();
    let block = u64::from(end.header.block);
    let mut offset = end.offset;
    while let Some((from, to)) = file.next_data(offset)? {
        let from = from / block * block;
        let mut at = from.max(end.offset);
        while at < to {
            ahead.at(at);
            at += beyond
                .look_at(end, file, at, ceiling)?
                .next_multiple_of(block);
        }
        offset = at.max(from + block);
    }
    Ok(beyond)
}

/// Looks into a file whose header is zeros: a segment made ahead, perhaps with a first batch that
/// landed before the header that was in flight with it. What a recycled file held before has
/// sequence numbers below `end`, which is where the shard ends without this file.
pub(super) fn look_ahead(
    ground: &Ground,
    id: ShardId,
    dir: &Path,
    ordinal: u64,
    before: &SegmentHeader,
    end: u64,
) -> Result<Beyond, Error> {
    let segment = Segment::new(id, dir, ordinal);
    let io = || Error::io("reading the segment made ahead", &segment.path);
    let file = ground
        .device
        .open(&segment.path, Access::Read)
        .map_err(io())?;
    let map = ground.maps.map(&*ground.device, &segment)?;
    let mut read_ahead = ReadAhead::new(&*map, &*file);
    let mut ahead = Beyond::default();
    let block = u64::from(before.block);
    let mut offset = block;
    while let Some((from, to)) = file.next_data(offset).map_err(io())? {
        for at in (from / block * block..to).step_by(block as usize) {
            read_ahead.at(at);
            let Some(header) = header_at(&*map, &*file, at).map_err(io())? else {
                continue;
            };
            let ours = header.epoch != before.epoch && header.watermark <= header.first_sequence;
            if header.first_sequence >= end && ours {
                ahead.headers += 1;
                ahead.records += u64::from(header.count);
                ahead.bytes = at + header.batch_len() as u64 - block;
                ahead.watermark = ahead.watermark.max(header.watermark);
            }
        }
        offset = to.max(offset + block);
    }
    ground.maps.unmap(&segment);
    Ok(ahead)
}

impl Beyond {
    /// Looks at one block; how many bytes on to look next. What lies inside a batch that verifies
    /// is its records, whatever they look like.
    fn look_at(
        &mut self,
        end: &Spot,
        file: &dyn File,
        offset: u64,
        ceiling: u64,
    ) -> std::io::Result<u64> {
        let block = u64::from(end.header.block);
        self.scanned_bytes += block;
        let header = match header_at(&*end.map, file, offset) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(block),
            Err(error) => match unreadable(file, &error) {
                Some(reason) => {
                    self.unreadable.get_or_insert((offset, reason));
                    return Ok(block);
                }
                None => return Err(error),
            },
        };
        // A writer never shows a watermark above the records that it writes.
        if header.epoch != end.header.epoch || header.watermark > header.first_sequence {
            return Ok(block);
        }
        self.headers += 1;
        self.watermark = self.watermark.max(header.watermark);
        self.bytes = offset + header.padded_len(end.header.block as usize) as u64 - end.offset;
        let spot = Spot {
            offset,
            sequence: header.first_sequence,
            ..end.clone()
        };
        let fits = offset + header.batch_len() as u64 <= end.map.len() as u64;
        if fits && header.first_sequence >= end.sequence && spot.batch(header, 0).is_ok() {
            self.records += u64::from(header.count);
            self.end_sequence = self.end_sequence.max(header.end_sequence());
            if header.first_sequence < ceiling {
                self.resume.get_or_insert(header.first_sequence);
            }
            return Ok(header.batch_len() as u64);
        }
        Ok(block)
    }
}

/// The header that lies at an offset, if one does: as the map shows it, or the medium where the
/// map shows zeros for what it could not have.
fn header_at(map: &dyn Map, file: &dyn File, offset: u64) -> std::io::Result<Option<BatchHeader>> {
    let bytes = map.bytes(offset as usize, BATCH_HEADER_LEN).unwrap_or(&[]);
    let header = BatchHeader::decode(bytes).ok().flatten();
    if header.is_some() || !map.has_faulted() {
        return Ok(header);
    }
    let mut bytes = [0; BATCH_HEADER_LEN];
    file.read_medium_at(&mut bytes, offset)?;
    Ok(BatchHeader::decode(&bytes).ok().flatten())
}

fn puts_of(batch: &Batch, mut each: impl FnMut(RecentPut)) {
    let first = batch.header().first_sequence;
    for entry in batch.body().into_iter().flat_map(|body| body.producers()) {
        each(RecentPut {
            producer: entry.producer,
            number: entry.number,
            first: first.saturating_add(entry.first.into()),
            count: entry.count,
        });
    }
}
