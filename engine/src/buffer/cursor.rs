//! A named cursor: what it has acknowledged, in memory and on the medium.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    SHARD,
    slot::{self, MAX_NAME, Mark, SLOT_LEN},
};
use crate::{
    error::Error,
    io::device::{Access, Device, File},
    segment::list::lock,
};

const EXTENSION: &str = ".cursor";
pub(super) const PARTIAL: &str = ".partial";

/// The copies of a mark on the medium.
#[derive(Debug)]
struct Slots {
    file: Arc<dyn File>,
    counter: u64,
    written: Mark,
    /// The lock of the store is given back, or will be.
    closed: bool,
}

/// The state of a cursor in memory.
#[derive(Debug, Clone, Copy)]
struct State {
    mark: Mark,
    /// Since when (monotonic) it is ahead of the medium.
    ahead_since: Option<Duration>,
}

/// A cursor whose position is known. Locks in this order: slots, state. The slots are held over
/// the write of one, which is what puts the writes in turn; the state never is.
#[derive(Debug)]
pub(super) struct NamedCursor {
    pub(super) name: String,
    path: PathBuf,
    block: usize,
    state: Mutex<State>,
    slots: Mutex<Slots>,
    /// What is acknowledged on the medium.
    durable_next: AtomicU64,
}

/// What a cursor's file turned out to be.
pub(super) struct Loaded {
    pub cursor: NamedCursor,
    /// One copy was damaged.
    pub half: bool,
}

pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let reason = if name.is_empty() || name.len() > MAX_NAME {
        "it must have 1 to 64 characters"
    } else if !name.bytes().all(allowed) {
        "it must be of letters, digits, '_', '.' and '-'"
    } else if name.starts_with('.') {
        "it must not begin with a dot"
    } else {
        return Ok(());
    };
    Err(Error::CursorName {
        name: name.chars().take(MAX_NAME).collect(),
        reason,
    })
}

pub(super) fn file_name(name: &str) -> String {
    format!("{name}{EXTENSION}")
}

/// The cursor of a file name; `None` when it is not a cursor's.
pub(super) fn name_of(file_name: &str) -> Option<&str> {
    let name = file_name.strip_suffix(EXTENSION)?;
    check_name(name).ok().map(|()| name)
}

impl NamedCursor {
    fn new(name: &str, path: PathBuf, block: usize, slots: Slots) -> NamedCursor {
        NamedCursor {
            name: name.to_owned(),
            path,
            block,
            state: Mutex::new(State {
                mark: slots.written,
                ahead_since: None,
            }),
            durable_next: AtomicU64::new(slots.written.next),
            slots: Mutex::new(slots),
        }
    }

    /// Makes a cursor at `next`, durable with its name. Both copies are written, so that no later
    /// write needs room on the medium.
    pub(super) fn create(
        device: &dyn Device,
        dir: &Path,
        name: &str,
        next: u64,
    ) -> Result<NamedCursor, Error> {
        let path = dir.join(file_name(name));
        let partial = dir.join(format!("{}{PARTIAL}", file_name(name)));
        let block = device.report().block;
        let mark = Mark { next, dropped: 0 };
        let made = (|| {
            let _ = device.remove_file(&partial);
            let file = device.open(&partial, Access::Create)?;
            let mut bytes = vec![0; 2 * block];
            for counter in [1, 2] {
                let at = slot::block_of(counter) as usize * block;
                slot::encode(name, counter, mark, &mut bytes[at..at + block]);
            }
            file.write_durable_at(&bytes, 0)?;
            // The length too: a copy beyond it would be lost.
            file.sync()?;
            device.rename(&partial, &path)?;
            device.sync_dir(dir)?;
            Ok(file)
        })();
        let file = made.map_err(Error::io("making the cursor", &path))?;
        let slots = Slots {
            file,
            counter: 2,
            written: mark,
            closed: false,
        };
        Ok(NamedCursor::new(name, path, block, slots))
    }

    /// Loads a cursor from its file.
    pub(super) fn load(device: &dyn Device, dir: &Path, name: &str) -> Result<Loaded, Error> {
        let path = dir.join(file_name(name));
        let block = device.report().block;
        let io = || Error::io("reading the cursor", &path);
        let file = device.open(&path, Access::Write).map_err(io())?;
        let len = file.len().map_err(io())?;
        let copies = [0, 1].map(|at| {
            let mut bytes = [0; SLOT_LEN];
            let offset = at * block as u64;
            if len < offset + SLOT_LEN as u64 {
                return Err("the file is too short".to_owned());
            }
            // A copy that cannot be read is as good as damaged: the other one counts.
            file.read_at(&mut bytes, offset)
                .map_err(|e| e.to_string())?;
            slot::decode(name, at, &bytes).map_err(str::to_owned)
        });
        let newest = copies.iter().flatten().max_by_key(|(counter, _)| *counter);
        let Some((counter, mark)) = newest.copied() else {
            let reasons = copies.into_iter().filter_map(Result::err);
            let reason = reasons.collect::<Vec<_>>().join("; ");
            let name = name.to_owned();
            return Err(Error::CursorDamaged { name, path, reason });
        };
        let half = copies.iter().any(Result::is_err);
        let slots = Slots {
            file,
            counter,
            written: mark,
            closed: false,
        };
        let cursor = NamedCursor::new(name, path, block, slots);
        Ok(Loaded { cursor, half })
    }

    pub(super) fn mark(&self) -> Mark {
        lock(&self.state).mark
    }

    /// What a crash would leave as acknowledged, at least.
    pub(super) fn durable_next(&self) -> u64 {
        self.durable_next.load(Ordering::Acquire)
    }

    /// Acknowledges all below `next`, in memory. Whether it is ahead of the medium since now.
    pub(super) fn acknowledge(&self, next: u64, now: Duration) -> bool {
        let mut state = lock(&self.state);
        if next <= state.mark.next {
            return false;
        }
        state.mark.next = next;
        let was_even = state.ahead_since.is_none();
        state.ahead_since.get_or_insert(now);
        was_even
    }

    /// Moves on to `end`, behind records `base..end` that are about to go.
    pub(super) fn pass_dropped(&self, base: u64, end: u64, now: Duration) {
        let mut state = lock(&self.state);
        if state.mark.next < end {
            state.mark.dropped += end - state.mark.next.max(base);
            state.mark.next = end;
            state.ahead_since.get_or_insert(now);
        }
    }

    /// Sets the position, at an open.
    pub(super) fn set_next(&self, next: u64) {
        lock(&self.state).mark.next = next;
    }

    /// Since when it is ahead of the medium.
    pub(super) fn ahead_since(&self) -> Option<Duration> {
        lock(&self.state).ahead_since
    }

    /// After a failed write: not before another interval.
    pub(super) fn retry_later(&self, now: Duration) {
        lock(&self.state).ahead_since = Some(now);
    }

    /// Puts what was acknowledged so far on the medium.
    pub(super) fn flush(&self) -> Result<(), Error> {
        let mut slots = lock(&self.slots);
        let mark = {
            let mut state = lock(&self.state);
            if state.mark == slots.written {
                state.ahead_since = None;
                return Ok(());
            }
            state.mark
        };
        self.write(&mut slots, mark)?;
        let mut state = lock(&self.state);
        if state.mark == mark {
            state.ahead_since = None;
        }
        Ok(())
    }

    /// Writes the state again, over the older or the damaged copy.
    pub(super) fn write_again(&self) -> Result<(), Error> {
        let mut slots = lock(&self.slots);
        let mark = self.mark();
        self.write(&mut slots, mark)
    }

    /// Puts what was acknowledged on the medium; nothing is written after that.
    pub(super) fn close(&self) -> Result<(), Error> {
        let flushed = self.flush();
        lock(&self.slots).closed = true;
        match flushed {
            Err(Error::Closed { .. }) => Ok(()),
            other => other,
        }
    }

    fn write(&self, slots: &mut Slots, mark: Mark) -> Result<(), Error> {
        if slots.closed {
            return Err(Error::Closed { shard: SHARD });
        }
        let mut bytes = vec![0; self.block];
        // After a failed write the counter stays: the good copy is never the one written over.
        let counter = slots.counter + 1;
        slot::encode(&self.name, counter, mark, &mut bytes);
        let offset = slot::block_of(counter) * self.block as u64;
        slots
            .file
            .write_durable_at(&bytes, offset)
            .map_err(Error::io("writing the cursor", &self.path))?;
        slots.counter = counter;
        slots.written = mark;
        self.durable_next.store(mark.next, Ordering::Release);
        Ok(())
    }
}
