//! The shortest way for a caller that waits anyhow: while a shard is idle, the write is made on
//! the caller's own thread.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    ShardCore,
    commit::{Advance, Submitter},
};
use crate::{
    io::device::{Completion, WriteOp},
    segment::list::lock,
};

/// One write, kept for the thread that leads.
#[derive(Default)]
struct OnThisThread {
    op: Option<WriteOp>,
}

impl Submitter for OnThisThread {
    fn is_free(&self) -> bool {
        self.op.is_none()
    }

    fn token(&mut self, _: &Arc<ShardCore>) -> u64 {
        // No other write of the shard is led at the same time, and the writer counts from 1.
        u64::MAX
    }

    fn submit(&mut self, op: WriteOp) {
        self.op = Some(op);
    }
}

impl ShardCore {
    /// Writes what is staged on the caller's own thread, while nothing else of the shard is in
    /// flight, until `done`: to hand it to another thread takes longer than to write it.
    pub(crate) fn lead(self: &Arc<Self>, done: impl Fn() -> bool) {
        let mut here = OnThisThread::default();
        while !done() {
            let log = lock(&self.log);
            if !log.is_idle() {
                break;
            }
            let advance = self.advance_log(log, &mut here, Duration::ZERO);
            let Some(op) = here.op.take() else {
                if advance == Advance::Resting {
                    // Whoever has what is missing calls the writer.
                    return;
                }
                break;
            };
            let token = op.token;
            let result = self.ground.device.write(op);
            let ended = self.complete(Completion { token, result });
            self.wake(ended);
            if ended.unshown && !self.stamp_scheduled.swap(true, Ordering::Relaxed) {
                self.ground.stamps.send(Arc::clone(self));
            }
        }
        // The writer may have left something to be done when this write has ended.
        let log = lock(&self.log);
        let mut stage = lock(&self.stage);
        stage.call_at = 0;
        let more = !stage.is_empty() || log.roll_wanted;
        drop((stage, log));
        if more {
            self.call_writer();
        }
    }
}
