//! The shapes of what a look finds.

use std::path::{Path, PathBuf};

use millstream_format::{BatchHeader, Compression};

use crate::{
    error::Damage,
    segment::{Segment, SegmentHeader},
    sequence::{SequenceNumber, ShardId},
};

/// What a path turned out to be.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The store, when a store was looked at.
    pub store: Option<StoreInfo>,
    /// Its shards, or the one that was looked at, by number.
    pub shards: Vec<ShardInfo>,
    /// What is wrong with the store as a whole.
    pub damage: Vec<Finding>,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its directory.
    pub path: PathBuf,
    /// Its random identity; 0 when the file that says it is lost.
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
    /// What is wrong with the shard as a whole.
    pub damage: Vec<Finding>,
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
    pub damage: Vec<Finding>,
    /// What is worth knowing and is no damage.
    pub notes: Vec<Note>,
}

/// Something that does not verify, and the acknowledged records that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The shard; `None` when it is the store's.
    pub shard: Option<ShardId>,
    /// What and where. Its sequence number is that of the first record that is gone, if one is.
    pub damage: Damage,
    /// Sequence number after the last record that is known to be gone, by whatever is left;
    /// `None` where nothing tells.
    pub end: Option<SequenceNumber>,
}

impl Finding {
    /// How many acknowledged records it takes: none, where only something around them is
    /// damaged; `None` where nothing that is left tells.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        Some(self.end?.0.saturating_sub(self.damage.sequence.0))
    }
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// A write that never ended: nothing of it was acknowledged.
    TornTail,
    /// The power took the end of a shard that promises no more than that it was written.
    LostTail,
    /// Records that by their keys belong to other shards.
    Misrouted,
    /// A shard whose making was cut short.
    NeverFinished,
    /// An index that will be made again.
    Index,
}

impl NoteKind {
    /// Its name, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            NoteKind::TornTail => "torn_tail",
            NoteKind::LostTail => "lost_tail",
            NoteKind::Misrouted => "misrouted",
            NoteKind::NeverFinished => "never_finished",
            NoteKind::Index => "index",
        }
    }
}

/// Something worth knowing that is no damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// The whole of it.
    pub text: String,
}

/// How far a look or a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of batches looked at.
    pub bytes: u64,
    /// Segments looked at.
    pub segments: u64,
    /// Segments in all.
    pub of_segments: u64,
}

impl SegmentInfo {
    pub(super) fn new(segment: &Segment, state: SegmentState) -> SegmentInfo {
        SegmentInfo {
            file: segment.path.clone(),
            state,
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

    pub(super) fn take_header(&mut self, header: &SegmentHeader) {
        self.ordinal = header.ordinal;
        self.epoch = header.epoch;
        self.block = header.block;
        self.segment_bytes = header.segment_bytes;
        self.created_ms = header.created_ms;
        self.jumped = header.jumped;
        self.trimmed = header.trimmed;
        self.first_sequence = SequenceNumber(header.base_sequence);
    }

    pub(super) fn count(&mut self, header: &BatchHeader) {
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

impl Inspection {
    /// Everything that does not verify: the store's, then by shard.
    pub fn damage(&self) -> impl Iterator<Item = &Finding> {
        let shards = self.shards.iter().flat_map(|shard| {
            let segments = shard.segments.iter().flat_map(|segment| &segment.damage);
            segments.chain(&shard.damage)
        });
        self.damage.iter().chain(shards)
    }

    /// Everything worth knowing that is no damage, with its shard and file.
    pub fn notes(&self) -> impl Iterator<Item = (ShardId, &Path, &Note)> {
        let segments = self
            .shards
            .iter()
            .flat_map(|shard| shard.segments.iter().map(|s| (shard.id, s)));
        segments.flat_map(|(id, segment)| {
            let file = segment.file.as_path();
            segment.notes.iter().map(move |note| (id, file, note))
        })
    }
}
