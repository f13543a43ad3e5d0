//! The walk over all segments of a shard, oldest first: every batch that verifies, and every
//! place that does not, told to whoever asked.
//!
//! The shard may be in use. So headers are read before the segments that they vouch for, and
//! nothing is called damaged before it was looked at again: retention may have dropped the
//! segment, the writer may have written the batch.

use std::{io, path::Path, sync::Arc};

use super::{
    files::{exists, raw_header},
    lost_header::Around,
    report::{Finding, Note, NoteKind, SegmentState},
    segment::{Certain, SegmentWalk},
};
use crate::{
    error::{Damage, Error},
    index::Checkpoint,
    io::device::{Access, Device},
    read::{batch::Batch, walk::Spot},
    recover::segment_ordinals,
    segment::{Segment, SegmentHeader, file_name, list::SegmentEnd},
    sequence::{SequenceNumber, ShardId},
};

/// How often a listing is made again where segments seem to be missing from a shard in use.
const LISTINGS: usize = 8;

/// What a segment turned out to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub state: SegmentState,
    /// As it is, or made again from what lies around it; `None` where nothing tells.
    pub header: Option<SegmentHeader>,
}

/// Whoever is told what a survey finds, in order.
pub(crate) trait Visitor {
    /// The next segment. What follows is in it, up to [`Visitor::segment_end`].
    fn segment(&mut self, segment: &Arc<Segment>, head: &Head) -> Result<(), Error>;
    /// A batch that verifies.
    fn batch(&mut self, spot: &Spot, batch: &Batch) -> Result<(), Error>;
    /// A place that does not.
    fn damage(&mut self, finding: Finding);
    fn note(&mut self, note: Note);
    /// The end of the segment's batches.
    fn segment_end(&mut self, end: &SegmentEnd) -> Result<(), Error>;
    /// Everything told of up to now was dropped by retention meanwhile.
    fn dropped(&mut self) -> Result<(), Error>;
}

/// A shard to be looked at.
pub(crate) struct Survey<'a> {
    pub device: &'a dyn Device,
    pub id: ShardId,
    pub dir: &'a Path,
    pub expected: super::Expected,
}

/// A file that is there as a segment, by the header that it has.
struct Found {
    segment: Arc<Segment>,
    ordinal: u64,
    header: Result<Option<SegmentHeader>, String>,
    /// It lies under the name of another segment.
    misnamed: bool,
}

/// How far the walk has come.
struct Reached {
    ordinal: u64,
    sequence: u64,
    epoch: u64,
    block: u32,
    last_time_ms: u64,
    segment: Arc<Segment>,
}

impl Survey<'_> {
    /// Looks at all of it.
    ///
    /// # Errors
    /// When files cannot be read, and the visitor's own.
    pub(crate) fn run(&self, visitor: &mut dyn Visitor) -> Result<(), Error> {
        let found = self.files()?;
        let mut reached: Option<Reached> = None;
        for (at, file) in found.iter().enumerate() {
            let next = found[at + 1..].first();
            let last = next.is_none();
            let begun_after = found[at + 1..]
                .iter()
                .any(|file| !matches!(file.header, Ok(None)));
            let state = match begun_after {
                true => SegmentState::Sealed,
                false => SegmentState::Active,
            };
            let next = next
                .filter(|next| next.ordinal == file.ordinal + 1)
                .and_then(|next| next.header.as_ref().ok().copied().flatten());
            if let Some(before) = &mut reached
                && before.ordinal + 1 != file.ordinal
            {
                self.missing(before, file, visitor)?;
            }
            if let Some(end) = self.file(
                file,
                next.as_ref(),
                (state, last),
                reached.as_ref(),
                visitor,
            )? {
                reached = Some(end);
            } else if !exists(self.device, &file.segment.path) {
                visitor.dropped()?;
                reached = None;
            }
        }
        self.beyond(&found, reached.as_ref(), visitor)
    }

    /// Looks at one segment file alone.
    ///
    /// # Errors
    /// As [`Survey::run`].
    pub(crate) fn run_one(&self, ordinal: u64, visitor: &mut dyn Visitor) -> Result<(), Error> {
        let files = self.files()?;
        let at = files
            .iter()
            .position(|file| file.segment.ordinal == ordinal);
        if let Some(at) = at {
            let last = at + 1 == files.len();
            self.file(
                &files[at],
                None,
                (SegmentState::Active, last),
                None,
                visitor,
            )?;
        }
        Ok(())
    }

    /// Walks the segment that is written, whose header is known.
    ///
    /// # Errors
    /// As [`Survey::run`].
    pub(crate) fn run_last(
        &self,
        ordinal: u64,
        header: &SegmentHeader,
        visitor: &mut dyn Visitor,
    ) -> Result<(), Error> {
        let file = Found {
            segment: Segment::new(self.id, self.dir, ordinal),
            ordinal,
            header: Ok(Some(*header)),
            misnamed: false,
        };
        let state = (SegmentState::Active, true);
        if self.file(&file, None, state, None, visitor)?.is_none() {
            visitor.dropped()?;
        }
        Ok(())
    }

    /// Whether the header of a segment is lost that seems to be made ahead: batches in it were
    /// acknowledged. `before` is the header of the segment before, `end` where its records end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn is_headless(
        &self,
        ordinal: u64,
        before: &SegmentHeader,
        end: u64,
    ) -> Result<bool, Error> {
        let segment = Segment::new(self.id, self.dir, ordinal);
        let around = Around {
            block: before.block,
            before: before.epoch,
            expected: end,
            next: None,
        };
        let heard = (|| {
            let file = self.device.open(&segment.path, Access::Read)?;
            let heard = around.hear(&segment, &*file, &*file.map()?)?;
            let begun = !matches!(raw_header(self.device, &segment.path)?, Ok(None));
            Ok(!begun && heard.is_some_and(|heard| heard.watermark > end))
        })();
        match heard {
            Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok(false),
            other => other.map_err(Error::io("reading the segment", &segment.path)),
        }
    }

    /// The segments that are there, by the ordinals in their headers.
    fn files(&self) -> Result<Vec<Found>, Error> {
        let mut ordinals = segment_ordinals(self.device, self.dir)?;
        for _ in 0..LISTINGS {
            // While a listing is made, segments come and go: what is between two that stay is
            // missing only when it cannot be opened either.
            let torn = ordinals.windows(2).any(|pair| {
                pair[1] != pair[0] + 1
                    && (exists(self.device, &self.path(pair[0] + 1))
                        || !exists(self.device, &self.path(pair[0])))
            });
            if !torn {
                break;
            }
            ordinals = segment_ordinals(self.device, self.dir)?;
        }
        let mut found = Vec::new();
        for ordinal in ordinals.iter().rev() {
            let segment = Segment::new(self.id, self.dir, *ordinal);
            let header = match raw_header(self.device, &segment.path) {
                // Retention drops the oldest first.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => {
                    return Err(Error::io("reading the segment header", &segment.path)(
                        error,
                    ));
                }
                Ok(header) => header,
            };
            let (mut place, mut misnamed) = (*ordinal, false);
            if let Ok(Some(header)) = &header
                && header.shard == self.id.0
                && header.ordinal != *ordinal
            {
                place = header.ordinal;
                misnamed = true;
            }
            found.push(Found {
                segment,
                ordinal: place,
                header,
                misnamed,
            });
        }
        // Of two files of one segment the one that has its name is believed.
        let named: Vec<u64> = found
            .iter()
            .filter(|file| !file.misnamed)
            .map(|file| file.ordinal)
            .collect();
        let mut taken = Vec::new();
        for file in &mut found {
            if file.misnamed && (named.contains(&file.ordinal) || taken.contains(&file.ordinal)) {
                file.header = Err(format!("the header is that of segment {}", file.ordinal));
                file.ordinal = file.segment.ordinal;
                file.misnamed = false;
            }
            taken.push(file.ordinal);
            if let Ok(Some(header)) = &file.header
                && header.shard != self.id.0
            {
                let (ordinal, shard) = (header.ordinal, header.shard);
                file.header = Err(format!(
                    "the header is that of segment {ordinal} of shard {shard}"
                ));
            }
        }
        found.sort_by_key(|file| file.ordinal);
        found.dedup_by_key(|file| file.ordinal);
        Ok(found)
    }

    /// Files that are missing before `file`.
    fn missing(
        &self,
        before: &mut Reached,
        file: &Found,
        visitor: &mut dyn Visitor,
    ) -> Result<(), Error> {
        let missing = self.path(before.ordinal + 1);
        if exists(self.device, &missing) || !exists(self.device, &before.segment.path) {
            visitor.dropped()?;
            before.ordinal = file.ordinal - 1;
            return Ok(());
        }
        let end = match &file.header {
            Ok(Some(header)) => Some(header.previous_end_sequence.max(before.sequence)),
            _ => None,
        };
        let reason = match file.ordinal - before.ordinal {
            2 => "the segment file is missing".to_owned(),
            more => format!("{} segment files are missing from here on", more - 1),
        };
        visitor.damage(self.finding(&missing, 0, before.sequence, end, reason));
        before.ordinal = file.ordinal - 1;
        before.sequence = end.unwrap_or(before.sequence);
        // No claim of the segment after is about the one before.
        before.epoch = 0;
        Ok(())
    }

    /// Looks at one segment; `None` when there is nothing in it, or it is gone.
    fn file(
        &self,
        file: &Found,
        next: Option<&SegmentHeader>,
        (state, last): (SegmentState, bool),
        before: Option<&Reached>,
        visitor: &mut dyn Visitor,
    ) -> Result<Option<Reached>, Error> {
        let segment = &file.segment;
        let opened = self
            .device
            .open(&segment.path, Access::Read)
            .and_then(|file| file.map().map(|map| (file, map)));
        let (handle, map) = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("mapping the segment", &segment.path))?,
        };
        let expected = before.map_or(0, |before| before.sequence);
        let around = Around {
            block: before.map_or(self.device.report().block as u32, |before| before.block),
            before: before.map_or(0, |before| before.epoch),
            expected,
            next,
        };
        let header = match &file.header {
            Ok(Some(header)) => *header,
            other => {
                let heard = match other {
                    Err(reason) if reason.contains("of shard") => None,
                    _ => around
                        .hear(segment, &*handle, &*map)
                        .map_err(Error::io("reading the segment", &segment.path))?,
                };
                let acknowledged = heard
                    .as_ref()
                    .is_some_and(|heard| heard.watermark > expected || before.is_none());
                // An index is made when its segment was begun.
                let begun = exists(self.device, &self.dir.join(file_name::index(file.ordinal)));
                if last && matches!(other, Ok(None)) && !acknowledged && !begun {
                    let head = Head {
                        state: SegmentState::MadeAhead,
                        header: None,
                    };
                    visitor.segment(segment, &head)?;
                    if before.is_none() {
                        self.unfinished(segment, visitor);
                    }
                    return Ok(None);
                }
                // It may have been begun meanwhile.
                match raw_header(self.device, &segment.path) {
                    Ok(Ok(Some(header))) if header.ordinal == file.ordinal => header,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    _ => {
                        let header = heard.map(|heard| heard.header);
                        let head = Head { state, header };
                        visitor.segment(segment, &head)?;
                        let reason = match other {
                            Err(reason) => reason.clone(),
                            _ if last && acknowledged => {
                                "the segment header is all zeros, yet acknowledged batches follow it"
                                    .into()
                            }
                            _ if last => "the segment header is all zeros, yet it has an index".into(),
                            _ => "the segment header is all zeros".into(),
                        };
                        let Some(header) = header else {
                            // Nothing of it is left.
                            let end = match next {
                                Some(next) => Some(next.previous_end_sequence.max(expected)),
                                None if last => {
                                    Some(self.index_end(file.ordinal).unwrap_or(0).max(expected))
                                }
                                None => None,
                            };
                            visitor.damage(self.finding(&segment.path, 0, expected, end, reason));
                            let end = end.unwrap_or(expected);
                            visitor.segment_end(&SegmentEnd {
                                offset: around.block.into(),
                                sequence: end,
                                last_time_ms: before.map_or(0, |before| before.last_time_ms),
                            })?;
                            return Ok(Some(Reached {
                                ordinal: file.ordinal,
                                sequence: end,
                                epoch: next.map_or(0, |next| next.previous_epoch),
                                block: around.block,
                                last_time_ms: before.map_or(0, |before| before.last_time_ms),
                                segment: Arc::clone(segment),
                            }));
                        };
                        let lost_to = match header.jumped || before.is_none() {
                            true => header.base_sequence,
                            false => header.base_sequence.max(expected),
                        };
                        let from = if header.jumped || before.is_none() {
                            header.base_sequence
                        } else {
                            expected
                        };
                        visitor.damage(self.finding(&segment.path, 0, from, Some(lost_to), reason));
                        return self
                            .walk(file, &header, &*handle, map, next, state, before, visitor);
                    }
                }
            }
        };
        visitor.segment(
            segment,
            &Head {
                state,
                header: Some(header),
            },
        )?;
        if file.misnamed {
            let reason = format!("the header is that of segment {}", file.ordinal);
            let base = header.base_sequence;
            visitor.damage(self.finding(&segment.path, 0, base, Some(base), reason));
        }
        if let Some(before) = before {
            self.succession(before, &header, visitor);
        }
        self.walk(file, &header, &*handle, map, next, state, before, visitor)
    }

    #[allow(clippy::too_many_arguments, reason = "what is known of one segment")]
    fn walk(
        &self,
        file: &Found,
        header: &SegmentHeader,
        handle: &dyn crate::io::device::File,
        map: Arc<dyn crate::io::device::Map>,
        next: Option<&SegmentHeader>,
        state: SegmentState,
        before: Option<&Reached>,
        visitor: &mut dyn Visitor,
    ) -> Result<Option<Reached>, Error> {
        let segment = &file.segment;
        let index = self.index(segment, header.epoch, visitor);
        // Only what the next segment vouches for is certain to be there.
        let certain = next
            .filter(|next| next.previous_epoch == header.epoch)
            .map(|next| Certain {
                offset: next.previous_end_offset,
                sequence: next.previous_end_sequence,
            });
        let walk = SegmentWalk {
            device: self.device,
            file: handle,
            range: self.expected.range,
            // What lies before others must be whole; the end of a shard need not be.
            lossy: self.expected.lossy && state == SegmentState::Active,
            certain,
            noted: index.unwrap_or(0),
        };
        let spot = Spot {
            segment: Arc::clone(segment),
            header: *header,
            map,
            offset: header.block.into(),
            sequence: header.base_sequence,
        };
        let previous_time = before.map_or(0, |before| before.last_time_ms);
        let Some(end) = walk.run(spot, previous_time, visitor)? else {
            return Ok(None);
        };
        visitor.segment_end(&end)?;
        Ok(Some(Reached {
            ordinal: file.ordinal,
            sequence: end.sequence,
            epoch: header.epoch,
            block: header.block,
            last_time_ms: end.last_time_ms,
            segment: Arc::clone(segment),
        }))
    }

    /// Whether a segment goes on where the one before ends.
    fn succession(&self, before: &Reached, header: &SegmentHeader, visitor: &mut dyn Visitor) {
        let path = &before.segment.path;
        let claimed = header.previous_end_sequence;
        if before.epoch != 0 && header.previous_epoch != before.epoch && header.previous_epoch != 0
        {
            let reason = "the next segment says that it follows another one".to_owned();
            let end = claimed.max(before.sequence);
            visitor.damage(self.finding(path, 0, before.sequence, Some(end), reason));
        } else if claimed != before.sequence && header.previous_epoch != 0 {
            let reason =
                format!("the next segment says that this one ends before record {claimed}");
            let end = claimed.max(before.sequence);
            visitor.damage(self.finding(path, 0, before.sequence, Some(end), reason));
        }
        let base = header.base_sequence;
        if !(base == claimed || header.jumped && base > claimed) {
            let reason = format!("it begins with record {base}, the one before ends at {claimed}");
            visitor.damage(self.finding(path, 0, claimed, Some(base.max(claimed)), reason));
        }
    }

    /// The number after the last record that the index of a segment knows: they were
    /// acknowledged when it was written.
    fn index(&self, segment: &Segment, epoch: u64, visitor: &mut dyn Visitor) -> Option<u64> {
        let ordinal = segment.ordinal;
        let path = self.dir.join(file_name::index(ordinal));
        let checkpoint = Checkpoint::load(self.device, self.dir, ordinal, epoch);
        if checkpoint.is_none() && exists(self.device, &path) {
            visitor.note(Note {
                kind: NoteKind::Index,
                text: "its index does not verify and will be made again".into(),
            });
        }
        checkpoint.map(|checkpoint| checkpoint.end_sequence)
    }

    /// Segments after the last one that is there, by the indexes that they have left.
    fn beyond(
        &self,
        found: &[Found],
        reached: Option<&Reached>,
        visitor: &mut dyn Visitor,
    ) -> Result<(), Error> {
        let last = found.last().map(|file| file.ordinal);
        let entries = self.device.list(self.dir);
        let entries = entries.map_err(Error::io("listing the shard", self.dir))?;
        let left = entries
            .iter()
            .filter_map(|entry| match file_name::parse(&entry.name) {
                Some(file_name::Name::Index(ordinal)) => Some(ordinal),
                _ => None,
            });
        let mut left: Vec<u64> = left
            .filter(|ordinal| last.is_none_or(|last| *ordinal > last))
            .filter(|ordinal| !exists(self.device, &self.path(*ordinal)))
            .collect();
        left.sort_unstable();
        // Where the last segment is gone by now, retention has gone on over all of this.
        let stayed = found
            .last()
            .is_none_or(|file| exists(self.device, &file.segment.path));
        let (Some(first), true) = (left.first(), stayed) else {
            return Ok(());
        };
        let sequence = reached.map_or(0, |reached| reached.sequence);
        let ends = left.iter().filter_map(|ordinal| self.index_end(*ordinal));
        let end = ends.max().filter(|end| *end > sequence);
        let reason = "the segment file is missing, and its index is there".to_owned();
        visitor.damage(self.finding(&self.path(*first), 0, sequence, end, reason));
        Ok(())
    }

    fn index_end(&self, ordinal: u64) -> Option<u64> {
        let path = self.dir.join(file_name::index(ordinal));
        let checkpoint = Checkpoint::read(self.device, &path)?;
        (checkpoint.ordinal == ordinal).then_some(checkpoint.end_sequence)
    }

    fn unfinished(&self, segment: &Segment, visitor: &mut dyn Visitor) {
        if self.expected.finished {
            let reason = "the segment header is all zeros, and there is no other segment".into();
            visitor.damage(self.finding(&segment.path, 0, 0, None, reason));
        } else {
            visitor.note(Note {
                kind: NoteKind::NeverFinished,
                text: "the shard was never finished: no segment has a header".into(),
            });
        }
    }

    fn path(&self, ordinal: u64) -> std::path::PathBuf {
        self.dir.join(file_name::segment(ordinal))
    }

    fn finding(
        &self,
        file: &Path,
        offset: u64,
        sequence: u64,
        end: Option<u64>,
        reason: String,
    ) -> Finding {
        Finding {
            shard: Some(self.id),
            damage: Damage {
                file: file.to_path_buf(),
                offset,
                sequence: SequenceNumber(sequence),
                resume: end.map(SequenceNumber),
                reason,
            },
            end: end.map(SequenceNumber),
        }
    }
}
