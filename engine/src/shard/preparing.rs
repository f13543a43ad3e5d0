//! Blocks and segments made ahead of the writer: what the preparer thread does for one shard.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use super::{
    ShardCore,
    log::{Log, Successor},
    staging::Condition,
};
use crate::{
    error::Error,
    inspect::files::exists,
    io::device::{Access, File},
    options::Durability,
    segment::{Segment, file_name, list::lock, prepare::Chore},
};

/// What came of a call to [`ShardCore::prepare`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prepare {
    /// All is as the writer wants it.
    Done,
    /// The medium has no room; to be tried again in a while.
    NoSpace,
}

impl ShardCore {
    /// Gives the active segment the blocks that the writer will need, and makes the next segment
    /// when it is time.
    pub(crate) fn prepare(self: &Arc<Self>) -> Prepare {
        let _alone = lock(&self.preparing);
        loop {
            let mut log = lock(&self.log);
            if log.is_failed() {
                return Prepare::Done;
            }
            let segment = Arc::clone(&log.segment);
            let Some(file) = log.file() else {
                drop(log);
                let opened = self.ground.device.open(&segment.path, Access::Write);
                match opened {
                    Ok(file) => lock(&self.log).set_file(file),
                    Err(e) => return self.unprepared(&segment.path, "opening", &e),
                }
                continue;
            };
            let make_successor = log.wants_successor();
            let flush = log.wants_flush() && self.options.durability == Durability::Written;
            let chore = log.prepared.next_chore(self.ground.clock.monotonic());
            drop(log);
            let same = |log: &Log| Arc::ptr_eq(&log.segment, &segment);
            match chore {
                Chore::Allocate(offset, len) => {
                    if let Err(e) = file.allocate(offset, len) {
                        return self.unprepared(&segment.path, "giving blocks to", &e);
                    }
                    let mut log = lock(&self.log);
                    if same(&log) {
                        log.prepared.allocated(offset, len);
                    }
                    drop(log);
                    self.has_space();
                    self.call_writer();
                }
                Chore::Zero(offset, len) => {
                    let zeroed = self.zero(&segment, offset, len);
                    let mut log = lock(&self.log);
                    if same(&log) {
                        log.prepared.zeroed(zeroed.is_ok());
                    }
                    drop(log);
                    self.call_writer();
                    if let Err(e) = zeroed {
                        return self.unprepared(&segment.path, "zeroing ahead in", &e);
                    }
                }
                Chore::Rest if make_successor => {
                    let made = self.make_successor(segment.ordinal + 1);
                    match made {
                        Ok(successor) => {
                            lock(&self.log).successor = Some(successor);
                            self.has_space();
                            self.call_writer();
                        }
                        Err(e) => {
                            return self.unprepared(&segment.path, "making the successor of", &e);
                        }
                    }
                }
                Chore::Rest if flush => {
                    if self.flush(&*file).is_err() {
                        return Prepare::Done;
                    }
                    let mut log = lock(&self.log);
                    log.flushed = same(&log);
                    drop(log);
                    self.call_writer();
                }
                Chore::Rest => {
                    // After a refusal of something large there may be room enough for small
                    // things: nobody would ask for blocks while appends are refused.
                    self.has_space();
                    self.call_writer();
                    return Prepare::Done;
                }
            }
        }
    }

    /// Writes zeros ahead of the writer, durably. A failed flush is told once to each open file, and
    /// the writer's is to tell the writer: this one is opened for itself.
    fn zero(&self, segment: &Segment, offset: u64, len: u64) -> io::Result<()> {
        let file = self.ground.device.open(&segment.path, Access::Write)?;
        file.write_zeros(offset, len)?;
        match self.options.durability {
            Durability::Durable => file.sync(),
            Durability::Written => self.flush(&*file),
        }
    }

    /// Makes files ahead until `bytes` more can be appended to blocks that were written once:
    /// what is left of the active segment, and spares. The bytes that were made.
    pub(crate) fn prepare_ahead(self: &Arc<Self>, bytes: u64) -> Result<u64, Error> {
        lock(&self.log).prepared.want_all();
        if self.prepare() == Prepare::NoSpace {
            return Err(Error::NoSpace { shard: self.id });
        }
        let mut ahead = {
            let log = lock(&self.log);
            let successor = log.successor.as_ref().map_or(0, |s| s.written);
            log.prepared.written_ahead() + successor
        };
        ahead += lock(&self.spares).len() as u64 * self.options.segment_bytes;
        let mut made = 0;
        while ahead < bytes {
            self.make_spare()?;
            ahead += self.options.segment_bytes;
            made += self.options.segment_bytes;
        }
        Ok(made)
    }

    /// A file whose every block was written once, and which no crash leaves half-made under the
    /// name of a spare.
    fn make_spare(&self) -> Result<(), Error> {
        let device = &*self.ground.device;
        let (number, spare) = loop {
            let number = self.spares_made.fetch_add(1, Ordering::Relaxed) | file_name::MADE_AHEAD;
            let spare = self.dir.join(file_name::spare(number));
            if !exists(device, &spare) {
                break (number, spare);
            }
        };
        let partial = self.dir.join(file_name::partial_spare(number));
        let bytes = self.options.segment_bytes;
        let write = || {
            let file = make_file(device, &partial, bytes)?;
            file.allocate(0, bytes)?;
            file.write_zeros(0, bytes)?;
            file.sync()
        };
        if let Err(error) = write() {
            let _ = device.remove_file(&partial);
            return Err(match error.kind() {
                io::ErrorKind::StorageFull => Error::NoSpace { shard: self.id },
                _ => Error::io("making a segment ahead at", &partial)(error),
            });
        }
        // Nobody else renames or removes files of the shard meanwhile.
        let _alone = lock(&self.preparing);
        if self.retired.load(Ordering::SeqCst) {
            let _ = device.remove_file(&partial);
            return Err(Error::Closed { shard: self.id });
        }
        let io = || Error::io("making a segment ahead at", &spare);
        device.rename(&partial, &spare).map_err(io())?;
        device.sync_dir(&self.dir).map_err(io())?;
        lock(&self.spares).push(spare);
        Ok(())
    }

    /// The medium has room: appends are taken again.
    fn has_space(self: &Arc<Self>) {
        let mut stage = lock(&self.stage);
        if matches!(stage.condition, Condition::NoSpace) {
            stage.condition = Condition::Open;
            drop(stage);
            tracing::info!(shard = %self.id, "the medium has room again; writes resume");
            self.announce_room();
        }
    }

    /// Blocks cannot be had. What was not handed to the device yet is refused; when the medium
    /// is full that is all, anything else stops the shard's writes.
    fn unprepared(self: &Arc<Self>, path: &std::path::Path, doing: &str, e: &io::Error) -> Prepare {
        let mut log = lock(&self.log);
        if e.kind() != io::ErrorKind::StorageFull {
            self.poison(&mut log, &format!("{doing} {}: {e}", path.display()));
            return Prepare::Done;
        }
        let starved = log.prepared.is_starved() || log.roll_wanted;
        log.prepared.refused();
        drop(log);
        if !starved {
            return Prepare::NoSpace;
        }
        let mut stage = lock(&self.stage);
        stage.roll_back(Error::NoSpace { shard: self.id });
        if matches!(stage.condition, Condition::Open) {
            stage.condition = Condition::NoSpace;
            tracing::warn!(shard = %self.id, "{doing} {}: no space left; writes are refused until there is", path.display());
        }
        drop(stage);
        self.wake_all();
        self.announce_room();
        Prepare::NoSpace
    }

    /// A file for the next segment, its header zeros: one past retention when there is one.
    fn make_successor(&self, ordinal: u64) -> io::Result<Successor> {
        let device = &*self.ground.device;
        let path = self.dir.join(file_name::segment(ordinal));
        let block = self.ground.block as u64;
        while let Some(spare) = self.take_spare() {
            let file = device.open(&spare, Access::Write)?;
            let len = file.len()?;
            // A file that has another name is in a snapshot, which must not change.
            if len == self.options.segment_bytes && file.links()? == 1 {
                file.write_durable_at(&vec![0; block as usize], 0)?;
                device.rename(&spare, &path)?;
                device.sync_dir(&self.dir)?;
                return Ok(Successor {
                    file,
                    segment_bytes: len,
                    allocated: len,
                    written: len,
                });
            }
            device.remove_file(&spare)?;
        }
        let partial = self.dir.join(file_name::partial_segment(ordinal));
        let file = make_file(device, &partial, self.options.segment_bytes)?;
        // The header is the first write of a roll: it is not to wait for blocks.
        file.allocate(0, block)?;
        file.sync()?;
        device.rename(&partial, &path)?;
        device.sync_dir(&self.dir)?;
        Ok(Successor {
            file,
            segment_bytes: self.options.segment_bytes,
            allocated: block,
            written: 0,
        })
    }
}

/// Makes the file of a segment, sparse and of full length. One left from an attempt that did not
/// end is made anew.
pub(crate) fn make_file(
    device: &dyn crate::io::device::Device,
    path: &std::path::Path,
    bytes: u64,
) -> io::Result<Arc<dyn File>> {
    let file = match device.open(path, Access::Create) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            device.remove_file(path)?;
            device.open(path, Access::Create)?
        }
        other => other?,
    };
    file.set_len(bytes)?;
    Ok(file)
}
