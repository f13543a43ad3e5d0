//! A file of the real device.

#[cfg(test)]
mod tests;

use std::{
    fs,
    io::{self, IoSlice},
    num::NonZeroU64,
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::{FileExt, MetadataExt},
    },
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{
    fs::{Advice, FallocateFlags, Mode, OFlags, SeekFrom},
    io::Errno,
};

use super::{
    aligned::{AlignedMemory, BLOCK, round_up},
    device::{Access, File, Map},
    mmap::SystemMap,
    write::{Flushing, flush},
};

/// Most bytes that are bounced or zeroed at a time.
const PIECE: usize = 1 << 20;

/// What the files of a device have in common.
#[derive(Debug, Default)]
pub(super) struct Traits {
    /// Whether files that are written bypass the page cache.
    pub(super) direct: bool,
    /// How writes are flushed.
    pub(super) flushing: Flushing,
    /// The system cannot zero a range by itself.
    zeroing_refused: AtomicBool,
    /// Zeros to be written; pages that nobody ever touches.
    zeros: OnceLock<AlignedMemory>,
}

impl Traits {
    pub(super) fn new(direct: bool) -> Traits {
        Traits {
            direct,
            ..Traits::default()
        }
    }

    fn zeros(&self) -> io::Result<&AlignedMemory> {
        if let Some(zeros) = self.zeros.get() {
            return Ok(zeros);
        }
        let zeros = AlignedMemory::zeroed(PIECE)?;
        Ok(self.zeros.get_or_init(|| zeros))
    }
}

/// An open file, by one descriptor.
#[derive(Debug)]
pub(super) struct SystemFile {
    file: fs::File,
    /// Whether this descriptor bypasses the page cache.
    direct: bool,
    traits: Arc<Traits>,
}

impl SystemFile {
    pub(super) fn open(
        path: &Path,
        access: Access,
        traits: &Arc<Traits>,
    ) -> io::Result<SystemFile> {
        let flags = OFlags::CLOEXEC
            | match access {
                Access::Create => OFlags::CREATE | OFlags::EXCL | OFlags::RDWR,
                Access::Write => OFlags::RDWR,
                Access::Read => OFlags::RDONLY,
            };
        let (file, direct) = if traits.direct && access != Access::Read {
            (open(path, flags | direct_flag())?, true)
        } else {
            (open(path, flags)?, false)
        };
        Ok(SystemFile {
            file: file.into(),
            direct,
            traits: Arc::clone(traits),
        })
    }

    /// Another descriptor of the same file, even when it was renamed or unlinked.
    #[cfg(target_os = "linux")]
    fn reopen_direct(&self) -> io::Result<fs::File> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECT;
        Ok(open(Path::new(&path), flags)?.into())
    }

    #[cfg(not(target_os = "linux"))]
    fn reopen_direct(&self) -> io::Result<fs::File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_all(&self, mut bytes: &[u8], mut offset: u64, durable: bool) -> io::Result<bool> {
        let mut unflushed = false;
        while !bytes.is_empty() {
            let slices = [IoSlice::new(bytes)];
            let flushing = &self.traits.flushing;
            match flushing.write_some(self.file.as_fd(), &slices, offset, durable) {
                Ok((written, apart)) => {
                    unflushed |= apart;
                    // Whole blocks only: direct writes go on at a block.
                    let whole = match written {
                        written if written == bytes.len() => written,
                        written => written / BLOCK * BLOCK,
                    };
                    if whole == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    bytes = &bytes[whole..];
                    offset += whole as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(unflushed)
    }

    /// Writes whole blocks from any address; whether they are still to be flushed.
    fn write_blocks(&self, bytes: &[u8], offset: u64, durable: bool) -> io::Result<bool> {
        check_aligned(offset, bytes.len() as u64)?;
        if !self.direct {
            return self.write_all(bytes, offset, durable);
        }
        let mut unflushed = false;
        let mut memory = AlignedMemory::zeroed(bytes.len().min(PIECE))?;
        for (start, piece) in pieces(0, bytes.len() as u64) {
            let from = start as usize;
            memory[..piece].copy_from_slice(&bytes[from..from + piece]);
            unflushed |= self.write_all(&memory[..piece], offset + start, durable)?;
        }
        Ok(unflushed)
    }

    /// Writes zeros wherever `offset..offset + len` reads as zeros, so that it gets blocks.
    fn fill_holes(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut memory = AlignedMemory::zeroed(PIECE)?;
        let zeros = self.traits.zeros()?;
        for (start, piece) in pieces(offset, len) {
            let bytes = &mut memory[..piece];
            bytes.fill(0);
            read_some(&self.file, bytes, start)?;
            for at in (0..piece).step_by(BLOCK) {
                if bytes[at..at + BLOCK].iter().all(|byte| *byte == 0) {
                    self.write_all(&zeros[..BLOCK], start + at as u64, false)?;
                }
            }
        }
        Ok(())
    }
}

impl File for SystemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        check_aligned(offset, len)?;
        if len == 0 {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), offset, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.fill_holes(offset, len),
            outcome => Ok(outcome?),
        }
        .map_err(full)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        check_aligned(offset, len)?;
        if len == 0 {
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        if !self.traits.zeroing_refused.load(Ordering::Relaxed) {
            // FALLOC_FL_WRITE_ZEROES, Linux 6.17.
            let write_zeroes = FallocateFlags::from_bits_retain(0x80);
            match fallocate(&self.file, write_zeroes, offset, len) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.traits.zeroing_refused.store(true, Ordering::Relaxed);
                }
                outcome => return outcome.map_err(io::Error::from).map_err(full),
            }
        }
        let zeros = self.traits.zeros()?;
        for (start, piece) in pieces(offset, len) {
            self.write_all(&zeros[..piece], start, false)
                .map_err(full)?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        flush(self.file.as_fd())
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        if self.direct {
            read_bounced(&self.file, out, offset)
        } else {
            self.file.read_exact_at(out, offset)
        }
    }

    fn read_medium_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        if self.direct {
            return read_bounced(&self.file, out, offset);
        }
        if self.traits.direct
            && let Ok(file) = self.reopen_direct()
        {
            return read_bounced(&file, out, offset);
        }
        // The next best: let the cache forget the range. It is advice, so a refusal is no error.
        #[cfg(not(target_vendor = "apple"))]
        if let Some(len) = NonZeroU64::new(out.len() as u64) {
            let _advice = rustix::fs::fadvise(&self.file, offset, Some(len), Advice::DontNeed);
        }
        self.file.read_exact_at(out, offset)
    }

    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.write_blocks(bytes, offset, true)? {
            flush(self.file.as_fd())?;
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_blocks(bytes, offset, false).map(drop)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<(u64, u64)>> {
        let end = self.len()?;
        if offset >= end {
            return Ok(None);
        }
        let start = match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((offset, end))),
            Err(error) => return Err(error.into()),
        };
        match rustix::fs::seek(&self.file, SeekFrom::Hole(start)) {
            Ok(hole) => Ok(Some((start, hole))),
            // Cut short in between.
            Err(Errno::NXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.blocks() * 512)
    }

    fn links(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.nlink())
    }

    fn map(&self) -> io::Result<Arc<dyn Map>> {
        Ok(Arc::new(SystemMap::of(&self.file)?))
    }

    fn descriptor(&self) -> Option<i32> {
        Some(self.file.as_raw_fd())
    }
}

/// The flag that bypasses the page cache, where there is one.
pub(super) fn direct_flag() -> OFlags {
    #[cfg(target_os = "linux")]
    return OFlags::DIRECT;
    #[cfg(not(target_os = "linux"))]
    OFlags::empty()
}

fn open(path: &Path, flags: OFlags) -> io::Result<rustix::fd::OwnedFd> {
    loop {
        match rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)) {
            Err(Errno::INTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

fn fallocate(
    file: &fs::File,
    flags: FallocateFlags,
    offset: u64,
    len: u64,
) -> rustix::io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, flags, offset, len))
}

/// A used-up quota is a full medium: there is room again when somebody makes some.
fn full(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::QuotaExceeded {
        io::Error::new(io::ErrorKind::StorageFull, error)
    } else {
        error
    }
}

fn check_aligned(offset: u64, len: u64) -> io::Result<()> {
    let block = BLOCK as u64;
    if offset.is_multiple_of(block)
        && len.is_multiple_of(block)
        && offset.checked_add(len).is_some()
    {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a range that is not whole blocks",
        ))
    }
}

/// `offset..offset + len` in pieces of at most [`PIECE`].
fn pieces(offset: u64, len: u64) -> impl Iterator<Item = (u64, usize)> {
    let end = offset + len;
    (offset..end)
        .step_by(PIECE)
        .map(move |start| (start, (end - start).min(PIECE as u64) as usize))
}

/// Reads through aligned memory, for descriptors that take nothing else.
fn read_bounced(file: &fs::File, out: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    let mut memory = AlignedMemory::zeroed(out.len().saturating_add(2 * BLOCK).min(PIECE))?;
    while filled < out.len() {
        let at = offset + filled as u64;
        let skip = (at % BLOCK as u64) as usize;
        let want = round_up(skip + out.len() - filled).min(memory.len());
        let read = read_some(file, &mut memory[..want], at - skip as u64)?;
        let got = read.saturating_sub(skip).min(out.len() - filled);
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out[filled..filled + got].copy_from_slice(&memory[skip..skip + got]);
        filled += got;
    }
    Ok(())
}

fn read_some(file: &fs::File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(out, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
