//! One write on its way to the medium: what both queues and the files share.
#![allow(unsafe_code)]

#[cfg(test)]
mod tests;

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    aligned::BLOCK,
    device::{File, MAX_SLICES, WriteOp, WriteSlice},
};

/// How often a write may be interrupted or make no progress in a row before it has failed.
const MAX_STALLS: u32 = 1000;

/// Whether writes can carry their own flush, found out by the first one that does.
#[derive(Debug, Default)]
pub(super) struct Flushing {
    /// The system refused `RWF_DSYNC`: flush apart.
    apart: AtomicBool,
}

impl Flushing {
    /// Writes some of `slices`. What was written is not yet flushed when the second is true.
    pub(super) fn write_some(
        &self,
        file: BorrowedFd<'_>,
        slices: &[IoSlice<'_>],
        offset: u64,
        durable: bool,
    ) -> io::Result<(usize, bool)> {
        #[cfg(target_os = "linux")]
        if durable && !self.apart.load(Ordering::Relaxed) {
            use rustix::io::{Errno, ReadWriteFlags, pwritev2};
            match pwritev2(file, slices, offset, ReadWriteFlags::DSYNC) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.apart.store(true, Ordering::Relaxed),
                outcome => return Ok((outcome?, false)),
            }
        }
        let written = rustix::io::pwritev(file, slices, offset)?;
        Ok((written, durable))
    }
}

/// Makes what was written to `file` durable: `fdatasync`, or what is as good elsewhere.
pub(super) fn flush(file: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    return Ok(rustix::fs::fcntl_fullfsync(file)?);
    #[cfg(not(target_vendor = "apple"))]
    Ok(rustix::fs::fdatasync(file)?)
}

/// What a part of a write came to.
pub(super) enum Progress {
    /// There is more to write.
    More,
    /// All was written, or it failed.
    Ended(io::Result<()>),
}

/// A write that was submitted, with all that it needs kept alive.
#[derive(Debug)]
pub(super) struct Write {
    /// Its token.
    pub(super) token: u64,
    /// Whether it is to be flushed.
    pub(super) durable: bool,
    /// Keeps the descriptor open.
    _file: Arc<dyn File>,
    descriptor: i32,
    offset: u64,
    slices: Vec<WriteSlice>,
    total: usize,
    written: usize,
    stalls: u32,
}

impl Write {
    /// Checks what the system would not take.
    pub(super) fn new(op: WriteOp) -> io::Result<Write> {
        let invalid = |reason| io::Error::new(io::ErrorKind::InvalidInput, reason);
        let descriptor = op
            .file
            .descriptor()
            .ok_or_else(|| invalid("the file is of another device"))?;
        if op.slices.len() > MAX_SLICES {
            return Err(invalid("a write of too many slices"));
        }
        if !op.offset.is_multiple_of(BLOCK as u64) {
            return Err(invalid("a write that does not begin on a block"));
        }
        let mut total = 0;
        for slice in &op.slices {
            if slice.len > slice.buffer.len() || !slice.len.is_multiple_of(BLOCK) {
                return Err(invalid("a slice that is not whole blocks of its buffer"));
            }
            total += slice.len;
        }
        if total == 0 {
            return Err(invalid("a write of nothing"));
        }
        Ok(Write {
            token: op.token,
            durable: op.durable,
            _file: op.file,
            descriptor,
            offset: op.offset,
            slices: op.slices,
            total,
            written: 0,
            stalls: 0,
        })
    }

    /// Where what remains goes.
    pub(super) fn offset(&self) -> u64 {
        self.offset + self.written as u64
    }

    /// The file's descriptor.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: `File::descriptor` gives the descriptor that the file owns for as long as it
        // lives, and `self._file` keeps it alive for longer than the borrow.
        unsafe { BorrowedFd::borrow_raw(self.descriptor) }
    }

    /// What remains to be written.
    pub(super) fn remaining(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.written;
        self.slices.iter().filter_map(move |slice| {
            let skipped = skip.min(slice.len);
            skip -= skipped;
            (skipped < slice.len).then(|| &slice.buffer[skipped..slice.len])
        })
    }

    /// Takes in what the system said to writing what remained.
    pub(super) fn advance(&mut self, outcome: io::Result<usize>) -> Progress {
        let stalled = match outcome {
            Ok(written) if self.written + written >= self.total => return Progress::Ended(Ok(())),
            // Whole blocks only: direct writes go on at a block.
            Ok(written) if written >= BLOCK => {
                self.written += written / BLOCK * BLOCK;
                self.stalls = 0;
                return Progress::More;
            }
            Ok(_) => io::ErrorKind::WriteZero.into(),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => error,
                _ => return Progress::Ended(Err(error)),
            },
        };
        self.stalls += 1;
        if self.stalls > MAX_STALLS {
            return Progress::Ended(Err(stalled));
        }
        std::thread::yield_now();
        Progress::More
    }

    /// Writes it all with ordinary system calls.
    pub(super) fn run(&mut self, flushing: &Flushing) -> io::Result<()> {
        let mut unflushed = false;
        loop {
            let slices: Vec<IoSlice<'_>> = self.remaining().map(IoSlice::new).collect();
            let file = self.descriptor();
            let outcome = flushing.write_some(file, &slices, self.offset(), self.durable);
            let outcome = outcome.map(|(written, apart)| {
                unflushed |= apart;
                written
            });
            if let Progress::Ended(result) = self.advance(outcome) {
                result?;
                break;
            }
        }
        if unflushed {
            flush(self.descriptor().as_fd())?;
        }
        Ok(())
    }
}
