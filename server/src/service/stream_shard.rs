//! A shard of a stream: what its row says, and the door to the engine's.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use millstream_engine::{Error as EngineError, Shard, ShardId, format::HashRange};
use tokio::sync::Notify;

use super::ServiceError;
use crate::catalog::{ShardLife, ShardRow};

/// A shard at one moment. Cheap to clone.
#[derive(Clone)]
pub(crate) struct StreamShard {
    /// Its number in the store.
    pub id: ShardId,
    /// Its number in its stream, which stays.
    pub index: u32,
    pub range: HashRange,
    /// Seconds since 1970.
    pub created_s: u64,
    /// Since when it takes records, milliseconds since 1970.
    pub opened_ms: u64,
    /// The numbers of the shards that it follows.
    pub parents: [Option<u32>; 2],
    /// Since when it takes no more, and where it ends.
    pub closed: Option<Closed>,
    /// The same for all moments.
    door: Arc<Door>,
}

/// The end of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The sequence number after its last record.
    pub end: u64,
}

/// What readers and writers of a shard share, whatever becomes of the stream.
#[derive(Default)]
pub(crate) struct Door {
    /// `None` while it cannot be opened.
    handle: ArcSwapOption<Shard>,
    /// Why not.
    trouble: ArcSwapOption<Trouble>,
    closed: OnceLock<Closed>,
    /// Its stream is being deleted.
    gone: AtomicBool,
    changed: Notify,
}

/// Why a shard is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is tried again.
    Passing(String),
    /// There is nothing to be opened.
    Lost(String),
}

impl StreamShard {
    /// A shard that is not open yet.
    pub(super) fn new(row: &ShardRow) -> StreamShard {
        let closed = match row.life {
            ShardLife::Closed { at_ms, end } => Some(Closed { at_ms, end }),
            ShardLife::Opening | ShardLife::Open => None,
        };
        let door = Door::default();
        if let Some(closed) = closed {
            let _ = door.closed.set(closed);
        }
        StreamShard {
            id: ShardId(row.id),
            index: row.number,
            range: row.range,
            created_s: row.created_s,
            opened_ms: row.opened_ms,
            parents: row.parents,
            closed,
            door: Arc::new(door),
        }
    }

    /// Its row, once it is made.
    pub(super) fn row(&self) -> ShardRow {
        ShardRow {
            number: self.index,
            id: self.id.0,
            range: self.range,
            created_s: self.created_s,
            opened_ms: self.opened_ms,
            parents: self.parents,
            life: match self.closed {
                Some(Closed { at_ms, end }) => ShardLife::Closed { at_ms, end },
                None => ShardLife::Open,
            },
        }
    }

    /// Whether it takes records.
    pub(crate) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub(crate) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// The open shard of the engine behind it; `stream` is the name of its stream.
    pub(super) fn open(&self, stream: &str) -> Result<Shard, ServiceError> {
        if let Some(handle) = &*self.door.handle.load() {
            return Ok(Shard::clone(handle));
        }
        let (stream, index) = (stream.to_owned(), self.index);
        Err(match self.door.trouble.load().as_deref() {
            Some(Trouble::Lost(reason)) => ServiceError::ShardLost {
                stream,
                index,
                reason: Arc::from(reason.as_str()),
            },
            Some(Trouble::Passing(reason)) => ServiceError::Unavailable {
                stream,
                index,
                reason: Arc::from(reason.as_str()),
            },
            None => ServiceError::Unavailable {
                stream,
                index,
                reason: Arc::from("it is being opened"),
            },
        })
    }
}

impl Door {
    /// Puts an open shard in place.
    pub(super) fn opened(&self, handle: Shard) {
        self.handle.store(Some(Arc::new(handle)));
        self.trouble.store(None);
    }

    /// The shard, if it is open.
    pub(super) fn handle(&self) -> Option<Arc<Shard>> {
        self.handle.load_full()
    }

    /// Remembers why it could not be opened.
    pub(super) fn failed(&self, trouble: Trouble) {
        self.trouble.store(Some(Arc::new(trouble)));
    }

    /// Whether there is nothing to be opened.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.trouble.load().as_deref(), Some(Trouble::Lost(_)))
    }

    /// Where it ends, once its children can be seen in the table.
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.closed.get().copied()
    }

    /// Says where it ends. The table shows its children by now.
    pub(super) fn close(&self, closed: Closed) {
        let _ = self.closed.set(closed);
        self.changed.notify_waiters();
    }

    /// Says that it is being removed.
    pub(super) fn remove(&self) {
        self.gone.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits until a shard that takes no more is closed in the table, too.
    ///
    /// # Errors
    /// [`EngineError::Closed`] when its stream is deleted instead.
    pub(super) async fn until_closed(&self, id: ShardId) -> Result<(), EngineError> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.closed.get().is_some() {
                return Ok(());
            }
            if self.gone.load(Ordering::SeqCst) {
                return Err(EngineError::Closed { shard: id });
            }
            changed.await;
        }
    }
}
