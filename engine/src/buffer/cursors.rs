//! The named cursors of a buffer.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{
    cursor::{self, NamedCursor},
    options::{BufferOpenReport, MAX_CURSORS},
    slot::Mark,
};
use crate::{error::Error, io::device::Device, segment::list::lock, sequence::SequenceNumber};

/// A cursor, or why its position is not known.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Known(Arc<NamedCursor>),
    Damaged(Error),
}

/// All cursors, by name.
#[derive(Debug)]
pub(super) struct Cursors {
    device: Arc<dyn Device>,
    dir: PathBuf,
    entries: Mutex<BTreeMap<String, Entry>>,
}

impl Cursors {
    /// Loads the cursors of `dir`, making the directory where it is missing.
    pub(super) fn load(
        device: &Arc<dyn Device>,
        dir: &Path,
        report: &mut BufferOpenReport,
    ) -> Result<Cursors, Error> {
        let io = |doing| Error::io(doing, dir);
        device
            .create_dir(dir)
            .map_err(io("making the cursors beside"))?;
        let mut entries = BTreeMap::new();
        for found in device.list(dir).map_err(io("listing the cursors"))? {
            if found.name.ends_with(cursor::PARTIAL) {
                let path = dir.join(&found.name);
                device
                    .remove_file(&path)
                    .map_err(Error::io("removing", path))?;
            }
            let Some(name) = cursor::name_of(&found.name) else {
                continue;
            };
            let entry = match NamedCursor::load(&**device, dir, name) {
                Ok(loaded) => {
                    if loaded.half {
                        tracing::warn!(
                            cursor = name,
                            "one of two copies of the cursor's position was damaged; records may come again"
                        );
                        report.mended.push(name.to_owned());
                    }
                    // An earlier process may have written what the system shows and the medium
                    // does not have, and would lose with the power.
                    loaded.cursor.write_again()?;
                    Entry::Known(Arc::new(loaded.cursor))
                }
                Err(error @ Error::CursorDamaged { .. }) => {
                    tracing::error!(%error, "nothing is reclaimed until the cursor is removed");
                    report.damaged.push(name.to_owned());
                    Entry::Damaged(error)
                }
                Err(error) => return Err(error),
            };
            entries.insert(name.to_owned(), entry);
        }
        // Names that an earlier process has made or removed, and not flushed, could change back.
        device
            .sync_dir(dir)
            .map_err(io("flushing the names of the cursors"))?;
        Ok(Cursors {
            device: Arc::clone(device),
            dir: dir.to_path_buf(),
            entries: Mutex::new(entries),
        })
    }

    /// A cursor by name.
    pub(super) fn get(&self, name: &str) -> Result<Arc<NamedCursor>, Error> {
        match lock(&self.entries).get(name) {
            Some(Entry::Known(cursor)) => Ok(Arc::clone(cursor)),
            Some(Entry::Damaged(error)) => Err(error.clone()),
            None => Err(Error::NoCursor { name: name.into() }),
        }
    }

    /// Makes a cursor at `next`. One call at a time, and no record goes meanwhile.
    pub(super) fn create(&self, name: &str, next: u64) -> Result<(), Error> {
        cursor::check_name(name)?;
        {
            let entries = lock(&self.entries);
            // A file system may not tell cases apart.
            let taken = entries
                .keys()
                .find(|known| known.eq_ignore_ascii_case(name));
            if let Some(taken) = taken {
                let name = taken.clone();
                return Err(Error::CursorExists { name });
            }
            if entries.len() >= MAX_CURSORS {
                return Err(Error::TooManyCursors { limit: MAX_CURSORS });
            }
        }
        let made = NamedCursor::create(&*self.device, &self.dir, name, next)?;
        lock(&self.entries).insert(name.to_owned(), Entry::Known(Arc::new(made)));
        Ok(())
    }

    /// Removes a cursor, durably. One call at a time.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        if !lock(&self.entries).contains_key(name) {
            return Err(Error::NoCursor { name: name.into() });
        }
        let path = self.dir.join(cursor::file_name(name));
        self.device
            .remove_file(&path)
            .and_then(|()| self.device.sync_dir(&self.dir))
            .map_err(Error::io("removing the cursor", &path))?;
        lock(&self.entries).remove(name);
        Ok(())
    }

    pub(super) fn entries(&self) -> Vec<(String, Entry)> {
        let entries = lock(&self.entries);
        let all = entries.iter().map(|(name, e)| (name.clone(), e.clone()));
        all.collect()
    }

    pub(super) fn known(&self) -> Vec<Arc<NamedCursor>> {
        let entries = lock(&self.entries);
        let known = entries.values().filter_map(|entry| match entry {
            Entry::Known(cursor) => Some(Arc::clone(cursor)),
            Entry::Damaged(_) => None,
        });
        known.collect()
    }

    /// What every cursor has acknowledged on the medium: all records below it may go. `None`
    /// when there is no cursor, or one whose position is not known.
    pub(super) fn durable_floor(&self) -> Option<u64> {
        let entries = lock(&self.entries);
        let positions = entries.values().map(|entry| match entry {
            Entry::Known(cursor) => Some(cursor.durable_next()),
            Entry::Damaged(_) => None,
        });
        positions.min().flatten()
    }

    /// Puts all acknowledgements on the medium; the first error, after every cursor was tried.
    pub(super) fn flush(&self) -> Result<(), Error> {
        let mut result = Ok(());
        for cursor in self.known() {
            result = result.and(cursor.flush());
        }
        result
    }

    /// Whether no cursor shows that there were records.
    pub(super) fn are_fresh(&self) -> bool {
        let entries = lock(&self.entries);
        entries.values().all(|entry| match entry {
            Entry::Known(cursor) => cursor.mark() == Mark::default(),
            Entry::Damaged(_) => false,
        })
    }

    /// Puts all acknowledgements on the medium for the last time.
    pub(super) fn close(&self) -> Result<(), Error> {
        let mut result = Ok(());
        for cursor in self.known() {
            result = result.and(cursor.close());
        }
        result
    }

    /// At an open: sets cursors that are beyond `end` back to it, and others on to the next
    /// record that there is.
    pub(super) fn settle(
        &self,
        end: u64,
        next_held: impl Fn(u64) -> u64,
        report: &mut BufferOpenReport,
    ) -> Result<(), Error> {
        for cursor in self.known() {
            let next = cursor.mark().next;
            if next > end {
                // On the medium before a number is given out again, or the cursor would pass
                // over new records after the next crash.
                tracing::warn!(cursor = %cursor.name, next, end, "the cursor had acknowledged records that did not survive; it is set back to the end");
                report
                    .set_back
                    .push((cursor.name.clone(), SequenceNumber(next)));
                cursor.set_next(end);
                cursor.flush()?;
            } else {
                cursor.set_next(next_held(next).min(end));
            }
        }
        Ok(())
    }
}
