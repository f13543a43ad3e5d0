//! How a buffer is opened, and what it tells of itself.

use std::time::Duration;

use crate::{
    error::Error,
    io::device::DeviceChoice,
    options::{CompressionChoice, Durability, Environment, Retention, ShardOptions, StoreOptions},
    recover::OpenReport,
    sequence::SequenceNumber,
};

/// Most cursors of a buffer. Their room on the medium is set aside within the cap.
pub const MAX_CURSORS: usize = 32;
/// Least cap of a buffer, in bytes.
pub const MIN_CAP: u64 = 4 << 20;
/// Smallest segment, and the largest of a buffer whose cap is not huge.
const SEGMENTS: (u64, u64) = (1 << 20, 64 << 20);
/// Largest segment that the engine makes.
const MAX_SEGMENT: u64 = 4 << 30;
/// A huge buffer has about so many segments: opening looks at each.
const MOST_SEGMENTS: u64 = 1024;

/// What a push does when the cap leaves no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It fails with [`Error::BufferFull`] until acknowledgements have made room.
    #[default]
    RejectNew,
    /// The oldest segment goes, and what cursors had not acknowledged of it is counted.
    DropOldest,
}

/// When an acknowledgement is on the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcknowledgeMode {
    /// When the call returns. A crash repeats nothing that was acknowledged.
    #[default]
    Durable,
    /// Within this time, and at a close. A crash repeats what was acknowledged in the last such
    /// interval; acknowledged segments go when the acknowledgement is on the medium.
    Within(Duration),
}

/// How a buffer is opened.
#[derive(Debug, Clone)]
pub struct BufferOptions {
    /// Most bytes on the medium, everything included; at least [`MIN_CAP`].
    pub cap_bytes: u64,
    /// What a push does at the cap.
    pub when_full: WhenFull,
    /// When an acknowledgement is on the medium.
    pub acknowledge: AcknowledgeMode,
    /// What a push promises when it returns.
    pub durability: Durability,
    /// How records are stored from now on.
    pub compression: CompressionChoice,
    /// Most bytes of buffers for records on their way, and for the newest ones; at least 2 MiB.
    pub memory_budget: usize,
    /// Which device; ignored when `environment.device` is given.
    pub device: DeviceChoice,
    /// Try direct I/O (probed, falls back to buffered).
    pub direct_io: bool,
    /// Accept a network file system, whose flushes and locks may lie.
    pub allow_network: bool,
    /// How long to wait for a lock that another process (or its last writes) holds.
    pub lock_wait: Duration,
    /// What the buffer stands on.
    pub environment: Environment,
}

impl Default for BufferOptions {
    fn default() -> Self {
        let store = StoreOptions::default();
        BufferOptions {
            cap_bytes: 1 << 30,
            when_full: WhenFull::RejectNew,
            acknowledge: AcknowledgeMode::Durable,
            durability: Durability::Durable,
            compression: CompressionChoice::None,
            memory_budget: 16 << 20,
            device: store.device,
            direct_io: store.direct_io,
            allow_network: store.allow_network,
            lock_wait: store.lock_wait,
            environment: store.environment,
        }
    }
}

impl BufferOptions {
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |option, reason| Err(Error::Option { option, reason });
        if self.cap_bytes < MIN_CAP {
            let reason = format!("{} bytes, at least {MIN_CAP} are needed", self.cap_bytes);
            return wrong("cap_bytes", reason);
        }
        if self.acknowledge == AcknowledgeMode::Within(Duration::ZERO) {
            let reason = "an interval of 0; choose Durable, or a longer one".into();
            return wrong("acknowledge", reason);
        }
        Ok(())
    }

    /// Bytes of a segment: an eighth of the cap, within bounds.
    pub(super) fn segment_bytes(&self) -> u64 {
        let most = SEGMENTS.1.max(self.cap_bytes / MOST_SEGMENTS);
        let bytes = (self.cap_bytes / 8).clamp(SEGMENTS.0, most);
        (bytes >> 20 << 20).min(MAX_SEGMENT)
    }

    pub(super) fn store(&self) -> StoreOptions {
        StoreOptions {
            device: self.device,
            direct_io: self.direct_io,
            allow_network: self.allow_network,
            memory_budget: self.memory_budget,
            // Spare files would count towards the cap and hold nothing.
            recycled_segments: 0,
            mapped_segments: 64,
            // Nothing goes for its age here.
            reap_interval: Duration::from_secs(3600),
            lock_wait: self.lock_wait,
            environment: self.environment.clone(),
            ..StoreOptions::default()
        }
    }

    pub(super) fn shard(&self) -> ShardOptions {
        ShardOptions {
            durability: self.durability,
            compression: self.compression,
            retention: Retention::default(),
            segment_bytes: self.segment_bytes(),
            ..ShardOptions::default()
        }
    }
}

/// Where a new cursor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorStart {
    /// At the oldest record that is held.
    Oldest,
    /// After the newest record: what is pushed from now on.
    AfterLatest,
}

/// A look at a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorStatus {
    /// Its name.
    pub name: String,
    /// Its next record: all before it are acknowledged, or were dropped.
    pub next: SequenceNumber,
    /// Records from there to the end.
    pub held: u64,
    /// Records that were dropped at the cap before this cursor had acknowledged them, ever.
    /// On the medium before they go.
    pub dropped: u64,
    /// Both copies of its position are damaged: it can only be removed, and `next` is the oldest
    /// record that is held.
    pub damaged: bool,
}

/// A look at a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferStats {
    /// Bytes of records with their headers and padding.
    pub bytes: u64,
    /// Bytes counted towards the cap: what is on the medium, and what the segment that is
    /// written to may still take. Above the cap only after a crash, or when the cap was lowered.
    pub held_bytes: u64,
    /// The cap.
    pub cap_bytes: u64,
    /// Records held, acknowledged or not.
    pub records: u64,
    /// The oldest record that is held.
    pub oldest: SequenceNumber,
    /// The sequence number after the newest record.
    pub end: SequenceNumber,
    /// Age of the oldest record that a cursor has yet to acknowledge (without cursors, of the
    /// oldest that is held); `None` when there is none.
    pub oldest_age: Option<Duration>,
    /// Records dropped at the cap since the buffer was opened, whether acknowledged or not.
    pub dropped: u64,
    /// The cursors, by name.
    pub cursors: Vec<CursorStatus>,
}

/// What opening a buffer found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BufferOpenReport {
    /// The records.
    pub records: OpenReport,
    /// Cursors that were beyond the last record that survived, and were set back to the end:
    /// records that they had acknowledged are gone. Name, and where it was.
    pub set_back: Vec<(String, SequenceNumber)>,
    /// Cursors of which one of two copies was damaged. When that was the newer, acknowledged
    /// records come again.
    pub mended: Vec<String>,
    /// Cursors of which both copies are damaged.
    pub damaged: Vec<String>,
}
