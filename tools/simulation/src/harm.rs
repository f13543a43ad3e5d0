//! Damage that is done to a medium, and what it may cost.

use std::path::{Path, PathBuf};

use millstream_engine::{Damage, ShardId, io::simulated::Disk};
use millstream_format::{BATCH_HEADER_LEN, BatchHeader, crc32c};

use crate::choices::Choices;

const BLOCK: usize = 4096;
/// Bytes of a segment's header, with its checksum.
const SEGMENT_HEADER: usize = 128;

/// A batch on the medium.
#[derive(Debug, Clone)]
struct Placed {
    offset: usize,
    /// Bytes without padding.
    len: usize,
    first: u64,
    end: u64,
    watermark: u64,
    /// Whether it is one of the segment's unbroken row, body and all.
    whole: bool,
}

/// A segment on the medium, read by the document of the format alone.
#[derive(Debug, Clone)]
struct Layout {
    path: PathBuf,
    ordinal: u64,
    base: u64,
    vouches_for: u64,
    batches: Vec<Placed>,
}

impl Layout {
    fn read(disk: &Disk, path: &Path) -> Option<Layout> {
        let bytes = disk.bytes(path).ok()?;
        let header = bytes.get(..SEGMENT_HEADER)?;
        let u64_at = |at: usize| Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
        let crc = u32::from_le_bytes(header.get(124..128)?.try_into().ok()?);
        if header.iter().all(|byte| *byte == 0) || crc != crc32c(&header[..124]) {
            return None;
        }
        let field = |n: usize| u64_at(24 + 8 * n);
        let epoch = field(2)?;
        let mut batches = Vec::new();
        let (mut expected, mut next) = (field(4)?, BLOCK);
        let mut unbroken = true;
        for offset in (BLOCK..bytes.len()).step_by(BLOCK) {
            let Some(at) = bytes.get(offset..offset + BATCH_HEADER_LEN) else {
                break;
            };
            let Ok(Some(header)) = BatchHeader::decode(at) else {
                continue;
            };
            if header.epoch != epoch || header.watermark > header.first_sequence {
                continue;
            }
            let len = header.batch_len();
            let body = bytes.get(offset + BATCH_HEADER_LEN..offset + len);
            let good = body.is_some_and(|body| header.verify_body(body).is_ok());
            unbroken &= offset <= next;
            let whole = unbroken && offset == next && good && header.first_sequence == expected;
            if whole {
                next = offset + header.padded_len(BLOCK);
                expected = header.end_sequence();
            }
            batches.push(Placed {
                offset,
                len,
                first: header.first_sequence,
                end: header.end_sequence(),
                watermark: header.watermark,
                whole,
            });
        }
        Some(Layout {
            path: path.to_path_buf(),
            ordinal: field(1)?,
            base: field(4)?,
            vouches_for: field(5)?.max(field(9)?),
            batches,
        })
    }

    fn end(&self) -> u64 {
        let last = self
            .batches
            .iter()
            .filter(|batch| batch.whole)
            .map(|batch| batch.end);
        last.max().unwrap_or(self.base)
    }

    fn end_offset(&self) -> usize {
        let last = self
            .batches
            .iter()
            .filter(|batch| batch.whole)
            .map(|b| b.offset + b.len);
        last.max().unwrap_or(BLOCK)
    }
}

/// What was done, and what follows from it.
#[derive(Debug, Clone)]
pub(crate) struct Harm {
    pub(crate) what: String,
    file: PathBuf,
    /// Bytes of it that were hit, from and to.
    range: (usize, usize),
    /// Numbers, from and to, of the batches that were hit.
    hit: Vec<(u64, u64)>,
    /// The highest number that anything that is left vouches for.
    vouched: u64,
    /// Whether it is not known what was hit.
    anything: bool,
    /// Whether a copy of another batch may lie where it does not belong: reading goes on there, and
    /// what is between is told as lost.
    misplaced: bool,
}

impl Harm {
    /// Whether a report is of this.
    pub(crate) fn explains(&self, gap: &Damage) -> bool {
        // The torn tail of a shard that takes no more appends is not cut off.
        if self.anything || gap.sequence.0 >= self.vouched {
            return true;
        }
        let from = gap.sequence.0;
        let to = gap.resume.map_or(u64::MAX, |resume| resume.0);
        let at = (self.range.0..self.range.1).contains(&(gap.offset as usize));
        let numbers = |(first, end): &(u64, u64)| from < *end && *first < to || from == *first;
        // What was hit may be told at the file behind it, too, which then has nothing to begin at.
        gap.file == self.file && at || self.hit.iter().any(numbers)
    }

    /// Whether it may have hit the header of a segment.
    pub(crate) fn hits_header(&self) -> bool {
        self.anything || self.range.0 < SEGMENT_HEADER
    }

    /// A report may cover no more than what was hit.
    pub(crate) fn may_cover(&self, sequence: u64) -> Result<(), String> {
        match self.anything
            || self.misplaced
            || self
                .hit
                .iter()
                .any(|(first, end)| (*first..*end).contains(&sequence))
        {
            true => Ok(()),
            false => Err(format!(
                "record {sequence} is whole, and reported as lost; done was {self:?}"
            )),
        }
    }

    /// Whether a number may be lost without a word: nothing that is left knows of it.
    pub(crate) fn may_be_silent(&self, sequence: u64) -> bool {
        let first = self.hit.iter().map(|(first, _)| *first).min();
        sequence >= self.vouched && (self.anything || first.is_some_and(|first| sequence >= first))
    }

    /// Whatever was done, it is not asked what it was.
    pub(crate) fn unknown() -> Harm {
        Harm {
            what: "writes were dropped or went astray".into(),
            file: PathBuf::new(),
            range: (0, 0),
            hit: Vec::new(),
            vouched: 0,
            anything: true,
            misplaced: false,
        }
    }

    /// Writes to a shard's files were dropped or went astray, nobody knows which.
    pub(crate) fn somewhere(disk: &Disk, shard: ShardId) -> Harm {
        let layouts = shard_layouts(disk, shard);
        let marks = layouts.iter().flat_map(|layout| {
            let headers = layout.batches.iter().map(|batch| batch.watermark);
            headers.chain([layout.vouches_for])
        });
        Harm {
            vouched: marks.max().unwrap_or(0),
            ..Harm::unknown()
        }
    }

    /// Does some damage to a shard's files; `None` when there is nothing to damage.
    pub(crate) fn inflict(disk: &mut Disk, shard: ShardId, choices: &mut Choices) -> Option<Harm> {
        let mut layouts = shard_layouts(disk, shard);
        layouts.sort_by_key(|layout| layout.ordinal);
        let choice = choices.below(layouts.len() as u64) as usize;
        let at = layouts.get(choice)?.clone();
        let last = choice + 1 == layouts.len();
        let (path, end) = (at.path.clone(), at.end_offset());
        let bytes = disk.bytes(&path).ok()?;
        let whole: Vec<Placed> = at.batches.iter().filter(|b| b.whole).cloned().collect();
        let pick = whole.get(choices.below(whole.len() as u64) as usize);
        let range;
        let mut file_lost = false;
        let what = match choices.below(10) {
            0..=2 => {
                let batch = pick?;
                let byte = batch.offset + choices.below(batch.len as u64) as usize;
                let flipped = bytes.get(byte)? ^ (1 << choices.below(8));
                disk.overwrite(&path, byte as u64, &[flipped]).ok()?;
                range = (byte, byte + 1);
                "a bit has flipped"
            }
            3 | 4 => {
                let sectors = (end - BLOCK).div_ceil(512) as u64;
                let from = BLOCK + choices.below(sectors) as usize * 512;
                let len = 512 * (1 + choices.below(16) as usize);
                disk.overwrite(&path, from as u64, &vec![0; len]).ok()?;
                range = (from, from + len);
                "sectors are zeros"
            }
            5 => {
                // A write of something else has landed here.
                let from = choices.below((end / 512) as u64) as usize * 512;
                let to = BLOCK + choices.below(((end - BLOCK) / 512).max(1) as u64) as usize * 512;
                let len = 512 * (1 + choices.below(8) as usize);
                let other = bytes.get(from..from + len)?.to_vec();
                if from.abs_diff(to) < len {
                    return None;
                }
                disk.overwrite(&path, to as u64, &other).ok()?;
                range = (to, to + len);
                "a write went astray"
            }
            6 => {
                let from = BLOCK * (1 + choices.below((end / BLOCK) as u64) as usize);
                let len = BLOCK * (1 + choices.below(4) as usize);
                disk.make_unreadable(&path, from as u64, len as u64).ok()?;
                range = (from, from + len);
                "blocks cannot be read"
            }
            7 => {
                let byte = choices.below(SEGMENT_HEADER as u64) as usize;
                let flipped = bytes.get(byte)? ^ (1 << choices.below(8));
                disk.overwrite(&path, byte as u64, &[flipped]).ok()?;
                range = (0, SEGMENT_HEADER);
                "a bit of the segment header has flipped"
            }
            8 => {
                // An empty file cannot be told from one that was never begun.
                let len = BLOCK * (1 + choices.below((end / BLOCK) as u64) as usize);
                disk.resize(&path, len as u64).ok()?;
                range = (len, usize::MAX);
                "the file is cut short"
            }
            _ => {
                // That the last one is gone can be told by nobody, and the first looks like one that
                // retention has dropped.
                if last || choice == 0 {
                    return None;
                }
                disk.lose(&path).ok()?;
                file_lost = true;
                range = (0, usize::MAX);
                "the file is lost"
            }
        };
        let header_hit = range.0 < SEGMENT_HEADER;
        let touches = |batch: &Placed| range.0 < batch.offset + batch.len && batch.offset < range.1;
        let mut hit: Vec<(u64, u64)> = whole
            .iter()
            .filter(|b| touches(b))
            .map(|b| (b.first, b.end))
            .collect();
        if header_hit && (last || file_lost) {
            hit = vec![(at.base, at.end().max(at.base + 1))];
        }
        let mut vouched = 0;
        for layout in &layouts {
            let harmed = layout.path == path;
            if !(harmed && header_hit) {
                vouched = vouched.max(layout.vouches_for);
            }
            for batch in &layout.batches {
                let header = batch.offset < range.1 && range.0 < batch.offset + BATCH_HEADER_LEN;
                if !(harmed && (header || file_lost || header_hit && last)) {
                    vouched = vouched.max(batch.watermark);
                }
            }
        }
        Some(Harm {
            what: format!(
                "{what}: bytes {} to {} of {}, segment {} of {}",
                range.0,
                range.1,
                path.display(),
                choice + 1,
                layouts.len()
            ),
            file: path,
            range,
            hit,
            vouched,
            anything: false,
            misplaced: what == "a write went astray",
        })
    }
}

fn shard_layouts(disk: &Disk, shard: ShardId) -> Vec<Layout> {
    let files = disk.files();
    let ours = files.iter().filter(|path| {
        let dir = path
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str());
        dir == Some(&shard.dir_name()) && path.extension().is_some_and(|ext| ext == "seg")
    });
    ours.filter_map(|path| Layout::read(disk, path)).collect()
}
