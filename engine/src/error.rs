//! What can go wrong in a store, with what the caller can do.

use std::{io, path::PathBuf, sync::Arc};

use millstream_format::FormatError;
use thiserror::Error;

use crate::sequence::{SequenceNumber, ShardId};

/// An error of the engine. Cheap to clone: one failure may be told to many waiters.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused an operation.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// An option that cannot be.
    #[error("option {option}: {reason}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Why not, and what would do.
        reason: String,
    },
    /// Another process (or another handle in this one) has the store.
    #[error("store {path} is in use by another process; stop it, or choose another directory", path = .path.display())]
    InUse {
        /// The store's directory.
        path: PathBuf,
    },
    /// A store of another format.
    #[error("store {path} has format {found}, this build reads {expected}; open it with a build that reads that format", path = .path.display())]
    StoreFormat {
        /// The store's directory.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// This build's.
        expected: u32,
    },
    /// A directory that holds something, but no store.
    #[error("{path} is not empty and holds no store; choose an empty directory", path = .path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// A network file system, not forced.
    #[error("{path} is on a network file system ({kind}), whose locks and flushes cannot be relied on; use a local disk, or allow it by option", path = .path.display())]
    NetworkFileSystem {
        /// The directory.
        path: PathBuf,
        /// Its type.
        kind: String,
    },
    /// No such shard.
    #[error("shard {shard} is not in the store")]
    NoShard {
        /// Which.
        shard: ShardId,
    },
    /// A shard of that number is there already.
    #[error("shard {shard} is in the store already")]
    ShardExists {
        /// Which.
        shard: ShardId,
    },
    /// The staging room of the shard or the store's memory budget is used up: try again when
    /// room is announced. Nothing was taken.
    #[error("shard {shard} has no room for more until writes complete; wait and try again")]
    Full {
        /// Which.
        shard: ShardId,
    },
    /// The medium has no room. Nothing was taken; writes resume when there is room again.
    #[error("shard {shard}: no space left on the medium; free some, writes resume by themselves")]
    NoSpace {
        /// Which.
        shard: ShardId,
    },
    /// A batch larger than the shard takes.
    #[error("batch of {bytes} bytes, shard {shard} takes at most {limit}; send smaller ones")]
    BatchTooLarge {
        /// Which shard.
        shard: ShardId,
        /// Its size.
        bytes: usize,
        /// The shard's limit.
        limit: usize,
    },
    /// A record or batch that breaks the format's rules. Nothing was taken.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A put whose number is not the next of its producer: an earlier one was refused.
    #[error(
        "producer {producer:#x} sent put {number} to shard {shard}, the next is {expected}: send the refused one again first"
    )]
    OutOfOrder {
        /// Which shard.
        shard: ShardId,
        /// Which producer.
        producer: u64,
        /// The number that came.
        number: u64,
        /// The number that is next.
        expected: u64,
    },
    /// A put of a producer that the shard does not remember, and not its first.
    #[error(
        "shard {shard} does not know producer {producer:#x} (put {number}): begin again with a new producer id"
    )]
    UnknownProducer {
        /// Which shard.
        shard: ShardId,
        /// Which producer.
        producer: u64,
        /// The number that came.
        number: u64,
    },
    /// A put that was taken so long ago that where it went is forgotten.
    #[error(
        "put {number} of producer {producer:#x} was taken by shard {shard} before, and where it went is forgotten"
    )]
    TakenBefore {
        /// Which shard.
        shard: ShardId,
        /// Which producer.
        producer: u64,
        /// The number that came.
        number: u64,
    },
    /// A write or flush failed after records were handed to the device: they may be there or not.
    #[error(
        "shard {shard} takes no writes after a failed one ({cause}); what was in flight may be there or not"
    )]
    Poisoned {
        /// Which.
        shard: ShardId,
        /// What failed.
        cause: Arc<str>,
    },
    /// Acknowledged records are damaged: the shard can be read around the gap, not written.
    #[error("shard {shard} is read-only: {}", .damage)]
    ReadOnly {
        /// Which.
        shard: ShardId,
        /// Where.
        damage: Arc<Damage>,
    },
    /// A read met damage.
    #[error("shard {shard}: {}", .damage)]
    Damaged {
        /// Which.
        shard: ShardId,
        /// Where, and where reading can go on.
        damage: Arc<Damage>,
    },
    /// The shard was sealed: it can be read, and takes no more appends. Nothing was taken.
    #[error("shard {shard} is sealed: it can be read, and takes no more records")]
    Sealed {
        /// Which.
        shard: ShardId,
    },
    /// The shard or the store was closed, or the shard deleted.
    #[error("shard {shard} is closed")]
    Closed {
        /// Which.
        shard: ShardId,
    },
    /// A buffer is at its cap. Nothing was taken.
    #[error(
        "the buffer holds {held} of at most {cap} bytes; acknowledge records with every cursor, or raise the cap"
    )]
    BufferFull {
        /// Bytes on the medium, with what the segment that is written to may still take.
        held: u64,
        /// The cap.
        cap: u64,
    },
    /// The store in the directory is not a buffer's.
    #[error("{path} holds a store with other shards, not a buffer; choose another directory", path = .path.display())]
    NotABuffer {
        /// The directory.
        path: PathBuf,
    },
    /// Both copies of a cursor's position are damaged. It keeps all records until it is removed.
    #[error("cursor {name:?} is damaged ({path}: {reason}); remove it and make it again where it is to start", path = .path.display())]
    CursorDamaged {
        /// The name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What is wrong with each copy.
        reason: String,
    },
    /// There is a cursor of that name (or one that differs in case only).
    #[error("there is a cursor {name:?} already; use it, or remove it first")]
    CursorExists {
        /// The name that is taken.
        name: String,
    },
    /// No more cursors can be made.
    #[error("a buffer has at most {limit} cursors; remove one first")]
    TooManyCursors {
        /// The limit.
        limit: usize,
    },
    /// An acknowledgement of a record that is not there yet.
    #[error("record {sequence} cannot be acknowledged: the buffer ends before {end}")]
    AcknowledgedBeyondEnd {
        /// What was acknowledged.
        sequence: SequenceNumber,
        /// The sequence number after the newest record.
        end: SequenceNumber,
    },
    /// The cursor's name is not of the allowed form.
    #[error("cursor name {name:?}: {reason}")]
    CursorName {
        /// The name.
        name: String,
        /// What it must be.
        reason: &'static str,
    },
    /// No such cursor.
    #[error("there is no cursor {name:?}; make it first")]
    NoCursor {
        /// The name.
        name: String,
    },
}

impl Error {
    /// An [`Error::Io`], in the form that `map_err` takes.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io {
            doing,
            path,
            source: Arc::new(source),
        }
    }

    /// Whether a file was not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the records may have been written although an error came back.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Error::Poisoned { .. })
    }
}

/// Damage to records that were acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("damage in {file} at byte {offset}: {reason}; the record expected there is {sequence}, {}", match .resume { Some(s) => format!("reading can go on at {s}"), None => "nothing that verifies follows".to_owned() }, file = .file.display())]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// Byte offset in it.
    pub offset: u64,
    /// Sequence number of the first record that is affected.
    pub sequence: SequenceNumber,
    /// Sequence number of the next record that verifies.
    pub resume: Option<SequenceNumber>,
    /// What did not verify.
    pub reason: String,
}
