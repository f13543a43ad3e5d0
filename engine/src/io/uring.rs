//! The queue of writes on io_uring.
#![allow(unsafe_code)]

mod ring;
#[cfg(test)]
mod tests;
mod wake;

use std::{fs, io, os::fd::AsRawFd, sync::Arc, time::Duration};

use io_uring::{IoUring, Probe, opcode};
use rustix::io::Errno;

use self::{ring::Ring, wake::UringWake};
use super::{
    device::{Completion, Lock, Wake, WriteOp, WriteQueue},
    write::Write,
};

/// Most writes in flight.
const DEPTH: usize = 64;

/// Submission entries: all writes, the read that wakes, and room to spare, so that none is ever
/// refused for want of an entry.
const ENTRIES: u32 = 128;

/// Whether this system grants a ring with all that the queue needs.
pub(super) fn probe(anything: &fs::File) -> io::Result<()> {
    let missing = |what: &str| {
        let reason = format!("the kernel's io_uring has no {what}");
        io::Error::new(io::ErrorKind::Unsupported, reason)
    };
    let mut ring = build()?;
    if !ring.params().is_feature_ext_arg() {
        return Err(missing("waits with a timeout"));
    }
    if !ring.params().is_feature_nodrop() {
        return Err(missing("promise to keep completions"));
    }
    let mut known = Probe::new();
    ring.submitter().register_probe(&mut known)?;
    for code in [opcode::Writev::CODE, opcode::Read::CODE, opcode::Nop::CODE] {
        if !known.is_supported(code) {
            return Err(missing(&format!("operation {code}")));
        }
    }
    ring.submitter()
        .register_files(&[anything.as_raw_fd()])
        .map_err(|error| io::Error::new(error.kind(), format!("registering a file: {error}")))?;
    // SAFETY: A NOP refers to no memory.
    unsafe { ring.submission().push(&opcode::Nop::new().build()) }
        .map_err(|_| missing("room for an entry"))?;
    ring.submit_and_wait(1)?;
    match ring.completion().next().map(|entry| entry.result()) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(missing("answer to a NOP")),
    }
}

/// A ring that is set up as well as this kernel can.
fn build() -> io::Result<IoUring> {
    let mut last = io::Error::from(io::ErrorKind::Unsupported);
    for setup in [
        // Linux 6.1: completions are worked off when they are asked for, by their thread.
        |builder: &mut io_uring::Builder| {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_coop_taskrun()
                .setup_taskrun_flag();
        },
        // Linux 5.19.
        |builder: &mut io_uring::Builder| {
            builder.setup_coop_taskrun().setup_taskrun_flag();
        },
        |_: &mut io_uring::Builder| {},
    ] {
        let mut builder = IoUring::builder();
        builder.dontfork();
        setup(&mut builder);
        match builder.build(ENTRIES) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => last = error,
            outcome => return outcome,
        }
    }
    Err(last)
}

/// The queue. The ring is made by the first call of [`WriteQueue::submit`] or
/// [`WriteQueue::wait`], because only the thread that made a ring may use it; so that thread is
/// also the one to drop the queue. Dropping it waits for what is in flight.
#[derive(Debug)]
pub(super) struct UringQueue {
    ring: Option<Ring>,
    waker: Arc<UringWake>,
    lock: Arc<dyn Lock>,
}

impl UringQueue {
    pub(super) fn new(lock: &Arc<dyn Lock>) -> io::Result<UringQueue> {
        Ok(UringQueue {
            ring: None,
            waker: Arc::new(UringWake::new()?),
            lock: Arc::clone(lock),
        })
    }

    fn ring(&mut self) -> io::Result<&mut Ring> {
        match &mut self.ring {
            Some(ring) => Ok(ring),
            none => Ok(none.insert(Ring::new(&self.waker, &self.lock)?)),
        }
    }
}

impl WriteQueue for UringQueue {
    fn depth(&self) -> usize {
        DEPTH
    }

    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        let write = Write::new(op)?;
        self.ring()?.start(write)
    }

    fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        self.ring()?.wait(timeout, done)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }
}
