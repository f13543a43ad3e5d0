//! A shard written anew from what a survey finds in another.

use std::{path::Path, sync::Arc};

use millstream_format::BATCH_HEADER_LEN;

use super::RepairedShard;
use crate::{
    clock::Random,
    duplicate::Appender,
    error::Error,
    index::{Checkpoint, Entry, SparseIndex},
    inspect::{
        Finding, Note, Progress, SegmentState,
        survey::{Head, Visitor},
    },
    io::device::Device,
    read::{batch::Batch, walk::Spot},
    segment::{Segment, SegmentHeader, file_name, list::SegmentEnd},
    sequence::ShardId,
    shard::producers::{Producers, RecentPut},
};

/// Bytes of a segment of which nothing says how long it was.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The segment that is being written.
struct Open {
    header: SegmentHeader,
    file: Appender,
    offset: u64,
    index: SparseIndex,
}

/// Writes the batches that it is told of to new segments.
pub(super) struct ShardWriter<'a> {
    device: &'a dyn Device,
    random: &'a dyn Random,
    source: &'a Path,
    target: &'a Path,
    seen: &'a mut Progress,
    progress: &'a mut dyn FnMut(Progress),
    made: RepairedShard,
    open: Option<Open>,
    /// The segment of the source that is being walked.
    from: Option<SegmentHeader>,
    /// Where the records end that were written, and the time of the last.
    end: Option<u64>,
    last_time_ms: u64,
    /// The header of the segment before, and where its batches end.
    previous: Option<(SegmentHeader, u64)>,
    /// Where the survey has come to, what is lost included.
    surveyed: u64,
    producers: Producers,
    /// Below this the producers are as an index of the source says.
    noted: u64,
    /// What was written is no more in the source.
    pub(super) restart: bool,
}

impl<'a> ShardWriter<'a> {
    pub(super) fn new(
        device: &'a dyn Device,
        random: &'a dyn Random,
        id: ShardId,
        (source, target): (&'a Path, &'a Path),
        (seen, progress): (&'a mut Progress, &'a mut dyn FnMut(Progress)),
    ) -> ShardWriter<'a> {
        ShardWriter {
            device,
            random,
            source,
            target,
            seen,
            progress,
            made: RepairedShard {
                id,
                dir: target.to_path_buf(),
                segments: 0,
                records: 0,
                bytes: 0,
                damage: Vec::new(),
            },
            open: None,
            from: None,
            end: None,
            last_time_ms: 0,
            previous: None,
            surveyed: 0,
            producers: Producers::default(),
            noted: 0,
            restart: false,
        }
    }

    pub(super) fn into_shard(self) -> RepairedShard {
        self.made
    }

    /// Ends the last segment. The numbers of records that are lost at the end are not given
    /// again, so a segment behind them is begun.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.end.is_none_or(|end| end < self.surveyed) {
            self.begin(self.surveyed, self.last_time_ms)?;
        }
        self.seal()?;
        let synced = self.device.sync_dir(self.target);
        synced.map_err(Error::io("repairing to", self.target))
    }

    /// Begins a segment at a sequence number.
    fn begin(&mut self, base: u64, time_ms: u64) -> Result<(), Error> {
        self.seal()?;
        let from = self.from;
        let block = self.device.report().block;
        let ordinal = self.made.segments;
        let (before, end_offset) = match &self.previous {
            Some((header, end)) => (header.epoch, *end),
            None => (0, 0),
        };
        let whole = from.filter(|from| from.base_sequence == base);
        let header = SegmentHeader {
            block: block as u32,
            shard: self.made.id.0,
            ordinal,
            epoch: self.random.next_u64().max(1),
            segment_bytes: from.map_or(SEGMENT_BYTES, |from| from.segment_bytes),
            base_sequence: base,
            watermark: base,
            created_ms: whole.map_or(time_ms, |from| from.created_ms),
            previous_epoch: before,
            previous_end_offset: end_offset,
            previous_end_sequence: self.end.unwrap_or(base),
            previous_last_time_ms: match (self.end, whole) {
                (None, Some(from)) => from.previous_last_time_ms,
                _ => self.last_time_ms,
            },
            jumped: self.end.is_some_and(|end| end < base),
            trimmed: false,
        };
        let path = self.target.join(file_name::segment(ordinal));
        let mut first = vec![0; block];
        header.encode(&mut first);
        let made = Appender::create(self.device, &path, header.segment_bytes);
        let begun = made.and_then(|mut file| file.put(0, &[&first], block).map(|()| file));
        self.open = Some(Open {
            header,
            file: begun.map_err(Error::io("writing the segment", path))?,
            offset: block as u64,
            index: SparseIndex::default(),
        });
        self.made.segments += 1;
        self.end = Some(base);
        Ok(())
    }

    /// Makes the segment that is open durable, with its index.
    fn seal(&mut self) -> Result<(), Error> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let ordinal = open.header.ordinal;
        let path = self.target.join(file_name::segment(ordinal));
        open.file
            .finish()
            .map_err(Error::io("writing the segment", path))?;
        let checkpoint = Checkpoint {
            epoch: open.header.epoch,
            ordinal,
            end_offset: open.offset,
            end_sequence: self.end.unwrap_or_default(),
            last_time_ms: self.last_time_ms,
            index: open.index,
            producers: self.producers.clone(),
        };
        checkpoint.store(self.device, self.target, true)?;
        self.previous = Some((open.header, open.offset));
        Ok(())
    }

    fn note_puts(&mut self, batch: &Batch) {
        let header = batch.header();
        if header.end_sequence() <= self.noted {
            return;
        }
        for entry in batch.body().into_iter().flat_map(|body| body.producers()) {
            self.producers.note(RecentPut {
                producer: entry.producer,
                number: entry.number,
                first: header.first_sequence.saturating_add(entry.first.into()),
                count: entry.count,
            });
        }
    }
}

impl Visitor for ShardWriter<'_> {
    fn segment(&mut self, segment: &Arc<Segment>, head: &Head) -> Result<(), Error> {
        if head.state == SegmentState::MadeAhead {
            return Ok(());
        }
        self.seal()?;
        self.from = head.header;
        if let Some(header) = head.header
            && let Some(found) =
                Checkpoint::load(self.device, self.source, segment.ordinal, header.epoch)
        {
            // It knows puts of records that were dropped, too.
            self.producers = found.producers;
            self.noted = found.end_sequence;
        }
        Ok(())
    }

    fn batch(&mut self, _spot: &Spot, batch: &Batch) -> Result<(), Error> {
        let mut header = *batch.header();
        let first = header.first_sequence;
        if self.end.is_some_and(|end| first < end) {
            // It was written already: segments that overlap.
            return Ok(());
        }
        let block = self.device.report().block;
        let len = header.padded_len(block) as u64;
        let fits = self.open.as_ref().is_some_and(|open| {
            self.end == Some(first) && open.offset + len <= open.header.segment_bytes
        });
        if !fits {
            self.begin(first, header.time_ms)?;
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        header.epoch = open.header.epoch;
        let mut front = [0; BATCH_HEADER_LEN];
        header.encode(&mut front);
        let body = batch.stored().get(BATCH_HEADER_LEN..).unwrap_or_default();
        let put = open.file.put(open.offset, &[&front, body], block);
        put.map_err(Error::io("writing the shard in", self.target))?;
        if header.count > 0 {
            open.index.note(Entry {
                sequence: first,
                offset: open.offset,
                time_ms: header.time_ms,
            });
        }
        open.offset += len;
        self.end = Some(header.end_sequence());
        self.last_time_ms = header.time_ms;
        self.note_puts(batch);
        self.made.records += u64::from(header.count);
        self.made.bytes += u64::from(header.stored_len);
        Ok(())
    }

    fn damage(&mut self, finding: Finding) {
        if let Some(end) = finding.end {
            self.surveyed = self.surveyed.max(end.0);
        }
        self.made.damage.push(finding);
    }

    fn note(&mut self, _note: Note) {}

    fn segment_end(&mut self, end: &SegmentEnd) -> Result<(), Error> {
        self.surveyed = self.surveyed.max(end.sequence);
        self.seen.segments += 1;
        self.seen.bytes += end.offset;
        (self.progress)(*self.seen);
        Ok(())
    }

    fn dropped(&mut self) -> Result<(), Error> {
        self.restart = true;
        Err(Error::NoShard {
            shard: self.made.id,
        })
    }
}

/// Removes what was written to a shard's directory.
pub(super) fn clear(device: &dyn Device, dir: &Path) -> Result<(), Error> {
    let io = || Error::io("removing what was written to", dir);
    for entry in device.list(dir).map_err(io())? {
        device.remove_file(&dir.join(&entry.name)).map_err(io())?;
    }
    Ok(())
}
