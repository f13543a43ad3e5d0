//! From the stage to the medium: what the writer thread does for one shard. Batches get their
//! place and stamp here, at most two writes are unacknowledged, and the watermark moves over a
//! write when it and all before it have ended well.

use std::{
    io,
    sync::{Arc, MutexGuard, atomic::Ordering},
    time::Duration,
};

use millstream_format::{BATCH_HEADER_LEN, BatchHeader, Stamp};

use super::{
    ShardCore,
    log::{Flight, FlightBatch, Log},
    staging::{self, Condition, Whole},
};
use crate::{
    index::Entry,
    io::device::{Completion, File, WriteOp, WriteSlice},
    options::Durability,
    segment::{
        Segment, SegmentHeader,
        list::{SegmentEnd, lock},
        prepare::{Prepared, Room},
    },
};

/// What the end of a write came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ended {
    /// The medium does not show yet how far the watermark is, and nothing is in flight that will.
    pub unshown: bool,
    /// Number of the first batch that became durable.
    first: u32,
    /// How many became durable.
    batches: u32,
}

/// What became of a call to [`ShardCore::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advance {
    /// Nothing to do until something changes, of which the writer is told.
    Resting,
    /// Records linger until this time.
    Lingering(Duration),
    /// The device takes no more writes now.
    Busy,
}

/// What the shard has the writer do.
pub(crate) trait Submitter {
    /// Whether a write may be submitted.
    fn is_free(&self) -> bool;
    /// A new token for a write of `shard`.
    fn token(&mut self, shard: &Arc<ShardCore>) -> u64;
    /// Submits it. When that fails, the completion says so.
    fn submit(&mut self, op: WriteOp);
}

impl ShardCore {
    /// Submits what may be submitted now.
    pub(crate) fn advance(self: &Arc<Self>, to: &mut dyn Submitter, now: Duration) -> Advance {
        self.advance_log(lock(&self.log), to, now)
    }

    pub(super) fn advance_log(
        self: &Arc<Self>,
        mut log: MutexGuard<'_, Log>,
        to: &mut dyn Submitter,
        now: Duration,
    ) -> Advance {
        let mut took = false;
        let result = loop {
            if log.failed {
                break Advance::Resting;
            }
            let threshold = log.threshold();
            let (len, lingering) = {
                let mut stage = lock(&self.stage);
                stage.call_at = threshold;
                if stage.staged_bytes() < threshold {
                    break Advance::Resting;
                }
                (stage.first_len(log.block()), stage.lingering_since())
            };
            if !to.is_free() {
                break Advance::Busy;
            }
            let unshown = log.stamped < self.watermark.get();
            let stamp = len.is_none() && unshown && self.stamp_due.load(Ordering::Acquire);
            let need = match len {
                Some(len) => len as u64,
                None if stamp => log.block() as u64,
                None if log.roll_wanted && log.has_records() => u64::MAX / 2,
                None => break Advance::Resting,
            };
            if let (Some(since), false) = (lingering, self.ground.linger.is_zero()) {
                let due = since + self.ground.linger;
                if now < due && !self.ground.is_closing() {
                    break Advance::Lingering(due);
                }
            }
            let room = if log.roll_wanted {
                Room::Never
            } else {
                log.prepared.room(need)
            };
            match room {
                Room::Ready => {}
                Room::Wanted => {
                    self.call_preparer();
                    break Advance::Resting;
                }
                Room::Never => {
                    // What is in flight is drained first: no hole is left in an older segment.
                    if !log.flight.is_empty() {
                        break Advance::Resting;
                    }
                    let flushed = log.flushed || self.options.durability == Durability::Durable;
                    if log.successor.is_none() || !flushed {
                        log.roll_wanted = true;
                        self.call_preparer();
                        break Advance::Resting;
                    }
                    if self.roll(&mut log, to).is_none() {
                        break Advance::Busy;
                    }
                    continue;
                }
            }
            if stamp {
                if self.submit_stamp(&mut log, to, false).is_none() {
                    break Advance::Busy;
                }
                continue;
            }
            took = true;
            self.submit_batches(&mut log, to);
        };
        let low = log.prepared.is_low() || log.wants_successor();
        drop(log);
        if low && took {
            self.call_preparer();
        }
        if took {
            self.announce_room();
        }
        result
    }

    /// Takes what fits into one write from the stage, gives it its place and submits it.
    fn submit_batches(self: &Arc<Self>, log: &mut Log, to: &mut dyn Submitter) {
        let block = log.block();
        let ground = &self.ground;
        let room = usize::try_from(log.prepared.ready_bytes()).unwrap_or(usize::MAX);
        // Empty when the open batch has outgrown the room since it was looked at.
        let taken = lock(&self.stage).take(room, block, &*ground.clock);
        if taken.is_empty() {
            return;
        }
        let watermark = self.watermark.get();
        let mut offset = log.prepared.head();
        let start = offset;
        let mut slices = Vec::with_capacity(taken.len());
        let mut batches = Vec::with_capacity(taken.len());
        for whole in taken {
            let Whole {
                mut buffer,
                mut header,
                compressed,
                number,
            } = whole;
            if !compressed {
                buffer =
                    staging::compress(self.options.compression, buffer, &mut header, &ground.pool);
            }
            header.stamp(Stamp {
                epoch: log.header.epoch,
                first_sequence: header.first_sequence,
                time_ms: header.time_ms.max(log.last_time_ms),
                watermark,
            });
            header.encode(&mut buffer);
            let (len, padded) = (header.batch_len(), header.padded_len(block));
            buffer[len..padded].fill(0);
            let buffer = Arc::new(buffer);
            slices.push(WriteSlice {
                buffer: Arc::clone(&buffer),
                len: padded,
            });
            batches.push(FlightBatch {
                entry: Entry {
                    sequence: header.first_sequence,
                    offset,
                    time_ms: header.time_ms,
                },
                end: header.end_sequence(),
                bytes: len,
                number,
                buffer,
            });
            offset += padded as u64;
            log.next = header.end_sequence();
            log.last_time_ms = header.time_ms;
        }
        log.prepared.advance(offset - start);
        log.stamped = watermark;
        // Behind a mark of a clean close, the first write is on the medium whatever the level:
        // else the mark would vouch for a shard that went on.
        let durable = std::mem::replace(&mut log.closed, false);
        self.stamp_due.store(false, Ordering::Release);
        self.launch(log, to, slices, batches, start, durable);
    }

    /// Submits an empty batch that says how far the watermark is, or that the shard was closed.
    /// `None` when there is no buffer for it now.
    fn submit_stamp(
        self: &Arc<Self>,
        log: &mut Log,
        to: &mut dyn Submitter,
        close: bool,
    ) -> Option<()> {
        let block = log.block();
        let mut buffer = self.ground.reserve.get(block)?;
        let watermark = self.watermark.get();
        let stamp = Stamp {
            epoch: log.header.epoch,
            first_sequence: log.next,
            time_ms: log.last_time_ms,
            watermark,
        };
        buffer[BATCH_HEADER_LEN..block].fill(0);
        BatchHeader::empty(stamp, close).encode(&mut buffer);
        let slices = vec![WriteSlice {
            buffer: Arc::new(buffer),
            len: block,
        }];
        let start = log.prepared.head();
        log.prepared.advance(block as u64);
        log.stamped = watermark;
        let durable = std::mem::replace(&mut log.closed, close) || close;
        self.stamp_due.store(false, Ordering::Release);
        self.launch(log, to, slices, Vec::new(), start, durable);
        Some(())
    }

    /// Begins the next segment: its header is the first write to it. `None` when there is no
    /// buffer for the header now.
    fn roll(self: &Arc<Self>, log: &mut Log, to: &mut dyn Submitter) -> Option<()> {
        let ground = &self.ground;
        let block = ground.block;
        let mut buffer = ground.reserve.get(block)?;
        let successor = log.successor.take()?;
        let watermark = self.watermark.get();
        let header = SegmentHeader {
            block: block as u32,
            shard: self.id.0,
            ordinal: log.header.ordinal + 1,
            epoch: ground.epoch(),
            segment_bytes: successor.segment_bytes,
            base_sequence: log.next,
            watermark,
            created_ms: ground.clock.wall_ms(),
            previous_epoch: log.header.epoch,
            previous_end_offset: log.committed.offset,
            previous_end_sequence: log.committed.sequence,
            previous_last_time_ms: log.committed.last_time_ms,
            jumped: false,
            trimmed: false,
        };
        header.encode(&mut buffer[..block]);
        log.segment.set_end(log.committed);
        let segment = Segment::begun(self.id, &self.dir, header);
        self.segments.push(Arc::clone(&segment));
        let mut prepared = Prepared::new(
            successor.segment_bytes,
            0,
            successor.allocated,
            successor.written,
        );
        prepared.inherit_pace(&log.prepared);
        prepared.advance(block as u64);
        let sealed = std::mem::replace(&mut log.segment, segment);
        log.header = header;
        log.file = Some(successor.file);
        log.prepared = prepared;
        log.roll_wanted = false;
        log.flushed = false;
        log.stamped = watermark;
        log.committed.offset = 0;
        log.checkpointed = block as u64;
        let slices = vec![WriteSlice {
            buffer: Arc::new(buffer),
            len: block,
        }];
        self.launch(log, to, slices, Vec::new(), 0, true);
        lock(&self.sealed).push(sealed);
        self.call_reaper();
        Some(())
    }

    fn launch(
        self: &Arc<Self>,
        log: &mut Log,
        to: &mut dyn Submitter,
        slices: Vec<WriteSlice>,
        batches: Vec<FlightBatch>,
        offset: u64,
        durable: bool,
    ) {
        let Some(file) = log.file.clone() else {
            // The preparer opens it before it gives the first blocks.
            return self.poison(log, "the segment is not open");
        };
        let token = to.token(self);
        log.flight.push_back(Flight {
            token,
            bytes: batches.iter().map(|b| b.bytes).sum(),
            records: batches.iter().map(|b| b.end - b.entry.sequence).sum(),
            batches,
            end: SegmentEnd {
                offset: log.prepared.head(),
                sequence: log.next,
                last_time_ms: log.last_time_ms,
            },
            done: false,
        });
        to.submit(WriteOp {
            token,
            file,
            offset,
            slices,
            durable: durable || self.options.durability == Durability::Durable,
        });
    }

    /// A write has ended. Whoever waits for it is still to be woken: [`ShardCore::wake`].
    pub(crate) fn complete(self: &Arc<Self>, completion: Completion) -> Ended {
        let mut guard = lock(&self.log);
        let log = &mut *guard;
        if let Err(error) = completion.result {
            self.poison(
                log,
                &format!("writing {}: {error}", log.segment.path.display()),
            );
        }
        if let Some(flight) = log.flight.iter_mut().find(|f| f.token == completion.token) {
            flight.done = true;
        }
        if log.failed {
            log.flight.retain(|flight| !flight.done);
            return Ended::default();
        }
        let before = log.committed.sequence;
        let mut ended = Ended::default();
        while log.flight.front().is_some_and(|flight| flight.done) {
            let Some(flight) = log.flight.pop_front() else {
                break;
            };
            log.committed = flight.end;
            for batch in flight.batches {
                if ended.batches == 0 {
                    ended.first = batch.number;
                }
                ended.batches += 1;
                log.segment.note(batch.entry);
                self.tail.push(self, batch);
            }
        }
        let committed = log.committed;
        let checkpoint = log.is_checkpoint_due(&*self.ground.clock);
        ended.unshown = log.flight.is_empty() && log.stamped < committed.sequence;
        if committed.sequence > before {
            self.last_time_ms
                .fetch_max(committed.last_time_ms, Ordering::AcqRel);
            // Under the lock: whoever poisons or retires the shard must see all that is published.
            self.watermark.publish(committed.sequence);
        }
        drop(guard);
        if checkpoint {
            self.call_reaper();
        }
        ended
    }

    /// Wakes those who wait for what became durable by the end of a write.
    pub(crate) fn wake(&self, ended: Ended) {
        self.groups.wake(ended.first, ended.batches);
        self.watermark.wake_reached();
    }

    /// After a failed write or flush the shard takes no more: what was in flight may be there
    /// or not.
    pub(crate) fn poison(&self, log: &mut Log, cause: &str) {
        if !log.failed {
            tracing::error!(shard = %self.id, cause, "a write failed; the shard takes no more until it is reopened");
        }
        log.failed = true;
        lock(&self.stage).fail(self.watermark.get(), Condition::Poisoned(cause.into()));
        self.wake_all();
        self.announce_room();
    }

    /// Whether the medium does not show yet how far the watermark is.
    pub(crate) fn needs_stamp(&self) -> bool {
        let log = lock(&self.log);
        !log.failed && log.flight.is_empty() && log.stamped < self.watermark.get()
    }

    /// Puts on the medium what a `Written` shard has only written to its active segment.
    ///
    /// What a failed flush was to put there is lost, and the next one ends well all the same: the
    /// shard fails with the first, and none is begun while another runs or after one has failed.
    pub(crate) fn flush(&self, file: &dyn File) -> io::Result<()> {
        let _alone = lock(&self.flushing);
        if lock(&self.log).failed {
            return Err(io::Error::other("a write or flush has failed before"));
        }
        file.sync().inspect_err(|error| {
            self.poison(
                &mut lock(&self.log),
                &format!("flushing the active segment: {error}"),
            );
        })
    }

    /// At a clean close, when nothing is in flight or staged: marks the log as closed.
    /// `false` when the mark must wait (for blocks, a buffer or the device).
    pub(crate) fn mark_closed(self: &Arc<Self>, to: &mut dyn Submitter) -> bool {
        let mut log = lock(&self.log);
        let stage = lock(&self.stage);
        // Whoever closes has not come to this shard yet, and until then more may be staged.
        let taking = matches!(stage.condition, Condition::Open | Condition::NoSpace);
        if taking && !log.failed {
            return false;
        }
        let writable = matches!(stage.condition, Condition::Closed) && !log.failed;
        // A mark of before does not vouch for what was staged since: that is still to be written.
        let nothing = !writable || (log.closed && stage.is_empty());
        let busy = !stage.is_empty() || !log.flight.is_empty() || !to.is_free();
        drop(stage);
        if nothing {
            return log.flight.is_empty();
        }
        if busy {
            return false;
        }
        if self.options.durability == Durability::Written {
            // No lock that others wait for is held across a flush. When it fails there is no mark,
            // and the next open jumps.
            let file = log.file();
            drop(log);
            if file.is_some_and(|file| self.flush(&*file).is_err()) {
                return true;
            }
            log = lock(&self.log);
        }
        let block = log.block() as u64;
        match log.prepared.room(block) {
            Room::Ready => {
                let _ = self.submit_stamp(&mut log, to, true);
                false
            }
            Room::Wanted if !log.prepared.is_refused() => {
                self.call_preparer();
                false
            }
            // The next open scans a little more; no promise is broken.
            Room::Wanted | Room::Never => true,
        }
    }
}
