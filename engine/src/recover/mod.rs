//! Opening a shard: what is there is made durable, scanned from the last checkpoint, and judged.

mod chain;
mod read_ahead;
mod scan;
mod verdict;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::Error,
    ground::Ground,
    index::Checkpoint,
    inspect::files::raw_header,
    io::device::Device,
    options::{Durability, ShardOptions},
    segment::{
        Segment, SegmentHeader, SegmentList, file_name, list::SegmentEnd, prepare::Prepared,
    },
    sequence::{JUMP, ShardId},
    shard::{
        Recovered,
        log::Log,
        preparing::make_file,
        producers::Producers,
        staging::{Condition, Stage},
    },
};
use chain::Chain;
use scan::{Beyond, Scan};
use verdict::Verdict;

/// What recovery found when a shard was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The shard had been closed cleanly.
    pub clean: bool,
    /// Bytes of the active segment that were read.
    pub scanned_bytes: u64,
    /// Bytes after the last good batch that held something, and are void now.
    pub trimmed_bytes: u64,
    /// Whole records among them: acknowledged in the last moments perhaps, when damage rather
    /// than a crash cut them off.
    pub trimmed_records: u64,
    /// Sequence numbers were skipped, because written records may have been lost with the power.
    pub jumped: bool,
}

/// Makes a new shard in `dir`, durably.
pub(crate) fn create(
    ground: &Arc<Ground>,
    id: ShardId,
    dir: &Path,
    options: &ShardOptions,
) -> Result<(), Error> {
    let device = &*ground.device;
    let io = || Error::io("making the shard", dir);
    device.create_dir(dir).map_err(io())?;
    let ordinals = segment_ordinals(device, dir)?;
    let unmade = |ordinal: &u64| {
        let segment = Segment::new(id, dir, *ordinal);
        *ordinal == 0 && matches!(segment.read_header(device), Ok(None))
    };
    if !ordinals.iter().all(unmade) {
        return Err(Error::ShardExists { shard: id });
    }
    // An index that a deletion cut short has left behind is none of the new shard's.
    for entry in device.list(dir).map_err(io())? {
        if let Some(file_name::Name::Index(_)) = file_name::parse(&entry.name) {
            device.remove_file(&dir.join(&entry.name)).map_err(io())?;
        }
    }
    let header = SegmentHeader {
        block: ground.block as u32,
        shard: id.0,
        ordinal: 0,
        epoch: ground.epoch(),
        segment_bytes: options.segment_bytes,
        base_sequence: 0,
        watermark: 0,
        created_ms: ground.clock.wall_ms(),
        previous_epoch: 0,
        previous_end_offset: 0,
        previous_end_sequence: 0,
        previous_last_time_ms: 0,
        jumped: false,
        trimmed: false,
    };
    begin_segment(ground, dir, &header)
}

/// Makes the file of a segment with its header, durable with its name.
fn begin_segment(ground: &Ground, dir: &Path, header: &SegmentHeader) -> Result<(), Error> {
    let path = dir.join(file_name::segment(header.ordinal));
    let block = header.block as usize;
    let made = (|| {
        let partial = dir.join(file_name::partial_segment(header.ordinal));
        let file = make_file(&*ground.device, &partial, header.segment_bytes)?;
        file.allocate(0, block as u64)?;
        // The length first: a header vouches for it.
        file.sync()?;
        let mut bytes = vec![0; block];
        header.encode(&mut bytes);
        file.write_durable_at(&bytes, 0)?;
        ground.device.rename(&partial, &path)?;
        ground.device.sync_dir(dir)
    })();
    made.map_err(Error::io("beginning the segment", path))
}

/// The ordinals of the segment files in a shard's directory, ascending.
pub(crate) fn segment_ordinals(device: &dyn Device, dir: &Path) -> Result<Vec<u64>, Error> {
    names(device, dir).map(|(ordinals, _)| ordinals)
}

/// The same, with the highest ordinal of which there is an index.
fn names(device: &dyn Device, dir: &Path) -> Result<(Vec<u64>, Option<u64>), Error> {
    let entries = device
        .list(dir)
        .map_err(Error::io("listing the shard", dir))?;
    let (mut ordinals, mut indexed) = (Vec::new(), None);
    for entry in &entries {
        match file_name::parse(&entry.name) {
            Some(file_name::Name::Segment(ordinal)) => ordinals.push(ordinal),
            Some(file_name::Name::Index(ordinal)) => indexed = indexed.max(Some(ordinal)),
            _ => {}
        }
    }
    ordinals.sort_unstable();
    Ok((ordinals, indexed))
}

/// What is known of a shard that is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It was made just now.
    Fresh,
    /// Nothing.
    Found,
    /// It is reopened after a failed write: nothing above this watermark is believed.
    Reopened(u64),
}

/// Opens the shard in `dir`.
pub(crate) fn open(
    ground: &Arc<Ground>,
    id: ShardId,
    dir: &Path,
    options: &ShardOptions,
    opening: Opening,
    batch_limit: usize,
) -> Result<Recovered, Error> {
    let device = &*ground.device;
    let ceiling = match opening {
        Opening::Reopened(watermark) => Some(watermark),
        Opening::Fresh | Opening::Found => None,
    };
    let mut spares = tidy(device, dir)?;
    let mut found = Chain::find(ground, id, dir)?;
    let first = found.all().next().map_or(0, |oldest| oldest.ordinal);
    spares.retain(|spare| is_past(device, id, spare, first));
    check_block(ground, &found.active, &found.header)?;
    let mut scan = found.scan(ground, ceiling, options)?;
    let mut void_ahead = Beyond::default();
    if let Some(ahead) = found.ahead {
        void_ahead = scan::look_ahead(ground, id, dir, ahead, &found.header, scan.end.sequence)?;
        if void_ahead.watermark > scan.end.sequence && options.durability == Durability::Durable {
            let known = std::mem::take(&mut void_ahead).watermark;
            if found.go_ahead(ground, dir)? {
                scan = found.scan(ground, ceiling, options)?;
            }
            scan.watermark = scan.watermark.max(known);
        }
    }
    let Chain {
        segments,
        active: segment,
        header,
        ahead,
        ..
    } = &found;
    let (segment, header, ahead) = (Arc::clone(segment), *header, *ahead);
    let verdict = verdict::judge(&scan, &header, options.durability, ceiling.is_some());
    segment.set_index(scan.index.clone());
    let damage = found.damage(ground, options.durability, &scan, &verdict)?;
    let oldest = match segments.first() {
        Some(first) => match first.header(device) {
            Ok(header) => header.base_sequence,
            // What it held is lost, from a number that nobody knows.
            Err(Error::Damaged { .. }) => 0,
            Err(error) => return Err(error),
        },
        None => header.base_sequence,
    };

    // In a segment in which nothing was written there is nothing to close; but the power may have
    // taken everything that a `Written` shard had.
    let empty =
        scan.end.offset == u64::from(header.block) && options.durability == Durability::Durable;
    let mut report = OpenReport {
        clean: verdict == Verdict::Whole && (scan.closed || empty),
        scanned_bytes: scan.scanned_bytes,
        ..OpenReport::default()
    };
    let mut end = scan.end;
    if let Some(damage) = damage {
        tracing::error!(shard = %id, %damage, "acknowledged records are damaged; the shard is read-only");
        if options.durability == Durability::Durable {
            found.end_before_lost(ground, &scan)?;
        }
        let seen = scan.watermark.max(scan.beyond.end_sequence);
        let mut watermark = ceiling.unwrap_or(seen.max(end.sequence));
        if let Some(end) = found.lost_end() {
            // How many records are lost at the end is not known. One is counted, at least, so that
            // whoever reads up to the end is told of it.
            let readable = scan.end.sequence.max(scan.beyond.end_sequence);
            watermark = watermark.max(end).max(readable.saturating_add(1));
        }
        let prepared = Prepared::new(header.segment_bytes, end.offset, end.offset, end.offset);
        let mut log = Log::new(Arc::clone(&segment), header, prepared, end, watermark, true);
        log.retire();
        let mut stage = Stage::new(id, watermark, end.last_time_ms, batch_limit);
        stage.condition = Condition::ReadOnly(Arc::new(damage));
        return Ok(Recovered {
            sealed: None,
            report,
            segments: SegmentList::new(found.all()),
            log,
            stage,
            watermark,
            oldest,
            spares,
        });
    }
    let mut segments = found.segments;
    let producers = remembered(ground, &segments, &header, &scan)?;
    segments.push(Arc::clone(&segment));
    if opening != Opening::Fresh {
        scan.prove(ground, &segment, &header)?;
    }
    if let Some(ahead) = ahead {
        let path = dir.join(file_name::segment(ahead));
        device
            .remove_file(&path)
            .map_err(Error::io("removing the segment made ahead", path))?;
    }

    let jump =
        options.durability == Durability::Written && !report.clean && opening == Opening::Found;
    let trim = verdict == Verdict::Trim;
    let (mut active, mut active_header) = (Arc::clone(&segment), header);
    let mut stamped = scan.watermark;
    if trim || void_ahead.headers > 0 {
        report.trimmed_bytes = scan.beyond.bytes + void_ahead.bytes;
        report.trimmed_records = scan.beyond.records + void_ahead.records;
        tracing::warn!(
            shard = %id, sequence = end.sequence, bytes = report.trimmed_bytes, records = report.trimmed_records,
            "the shard was not closed cleanly; what follows its last good batch is void"
        );
    }
    if trim || jump {
        // What lies beyond must never come back, and what is skipped must be known: both are said
        // by the header of a new segment, before anything is acknowledged again.
        report.jumped = jump;
        let base = if jump {
            end.sequence.saturating_add(JUMP)
        } else {
            end.sequence
        };
        active_header = SegmentHeader {
            block: ground.block as u32,
            ordinal: header.ordinal.saturating_add(1),
            epoch: ground.epoch(),
            segment_bytes: options.segment_bytes,
            base_sequence: base,
            watermark: base,
            created_ms: ground.clock.wall_ms(),
            previous_epoch: header.epoch,
            previous_end_offset: end.offset,
            previous_end_sequence: end.sequence,
            previous_last_time_ms: end.last_time_ms,
            jumped: jump,
            trimmed: trim,
            shard: id.0,
        };
        begin_segment(ground, dir, &active_header)?;
        segment.set_end(end);
        active = Segment::begun(id, dir, active_header);
        segments.push(Arc::clone(&active));
        end = SegmentEnd {
            offset: u64::from(active_header.block),
            sequence: base,
            last_time_ms: end.last_time_ms,
        };
        stamped = base;
    }
    let prepared = Prepared::new(
        active_header.segment_bytes,
        end.offset,
        end.offset,
        end.offset,
    );
    let log = Log::new(
        active,
        active_header,
        prepared,
        end,
        stamped,
        report.clean && !jump,
    );
    let mut stage = Stage::new(id, end.sequence, end.last_time_ms, batch_limit);
    stage.producers = producers;
    Ok(Recovered {
        sealed: (trim || jump).then_some(segment),
        report,
        segments: SegmentList::new(segments),
        log,
        stage,
        watermark: end.sequence,
        oldest,
        spares,
    })
}

/// A shard whose blocks the device does not write.
fn check_block(ground: &Ground, segment: &Segment, header: &SegmentHeader) -> Result<(), Error> {
    if header.block as usize == ground.block {
        return Ok(());
    }
    Err(Error::Option {
        option: "device",
        reason: format!(
            "{} has blocks of {} bytes, the device {}",
            segment.path.display(),
            header.block,
            ground.block
        ),
    })
}

/// What the shard remembers of its producers: from the checkpoint of the active segment, or those
/// of the segments before it, and what was scanned after that.
fn remembered(
    ground: &Ground,
    sealed: &[Arc<Segment>],
    header: &SegmentHeader,
    scan: &Scan,
) -> Result<Producers, Error> {
    let mut producers = match &scan.checkpointed {
        Some(producers) => producers.clone(),
        None => remembered_before(ground, sealed, header)?,
    };
    producers.roll_back(scan.end.sequence);
    for put in &scan.puts {
        producers.note(*put);
    }
    Ok(producers)
}

/// What was remembered when the segment of `next` was begun. Segments can be sealed faster than
/// their checkpoints are written, and one that recovery ends has none: the walk goes back to the
/// last that there is.
fn remembered_before(
    ground: &Ground,
    sealed: &[Arc<Segment>],
    next: &SegmentHeader,
) -> Result<Producers, Error> {
    let device = &*ground.device;
    let mut producers = Producers::default();
    let mut behind = Vec::new();
    let mut next = *next;
    for segment in sealed.iter().rev() {
        let header = match segment.header(device) {
            Ok(header) => header,
            // Whoever reads it is told; what it says of producers is not known.
            Err(Error::Damaged { .. }) => break,
            Err(error) => return Err(error),
        };
        let dir = segment.path.parent().unwrap_or(Path::new("."));
        let checkpoint = Checkpoint::load(device, dir, segment.ordinal, header.epoch);
        let whole = checkpoint
            .as_ref()
            .is_some_and(|c| c.end_sequence == next.previous_end_sequence);
        if !whole {
            // A header that was lost and made again does not say it: then as far as batches go.
            let end = Some(next.previous_end_offset).filter(|end| *end > 0);
            let end = (end.unwrap_or(u64::MAX), next.base_sequence);
            behind.push((segment, header, end));
        }
        if let Some(checkpoint) = checkpoint {
            producers = checkpoint.producers;
            // It may know of what was only written, and lost.
            producers.roll_back(next.previous_end_sequence);
            break;
        }
        next = header;
    }
    for (segment, header, (end, most)) in behind.iter().rev() {
        for put in Scan::puts_in(ground, segment, header, *end, *most)? {
            producers.note(put);
        }
    }
    Ok(producers)
}

/// Removes what was left half-made, and finds the segments that may be written again.
fn tidy(device: &dyn Device, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut spares = Vec::new();
    for entry in device
        .list(dir)
        .map_err(Error::io("listing the shard", dir))?
    {
        let path = dir.join(&entry.name);
        match file_name::parse(&entry.name) {
            Some(file_name::Name::Partial) => {
                device
                    .remove_file(&path)
                    .map_err(Error::io("removing", path))?;
            }
            Some(file_name::Name::Spare(_)) => spares.push(path),
            _ => {}
        }
    }
    Ok(spares)
}

/// Whether a spare is what its name says: made ahead, or a segment before the `first` one that is
/// kept. Any other may hold records that somebody misses, with numbers above all that are there: it
/// does not become a segment again.
fn is_past(device: &dyn Device, id: ShardId, spare: &Path, first: u64) -> bool {
    let reason = match raw_header(device, spare) {
        Ok(Ok(None)) => return true,
        Ok(Ok(Some(header))) if header.shard == id.0 && header.ordinal < first => return true,
        Ok(Ok(Some(header))) => format!(
            "its header is that of segment {} of shard {}",
            header.ordinal, header.shard
        ),
        Ok(Err(reason)) => reason,
        Err(error) => error.to_string(),
    };
    tracing::warn!(
        shard = %id, file = %spare.display(), reason,
        "a file that is named a spare is none, and is left alone; remove it when its records are \
         not missed"
    );
    false
}
