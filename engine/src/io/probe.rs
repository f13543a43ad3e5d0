//! What the system grants where a store lies. Nothing that is probed leaves a trace.

use std::{
    fs, io,
    os::{fd::AsFd, unix::fs::FileExt},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{
    aligned::{AlignedMemory, BLOCK},
    file::direct_flag,
};

/// Whether io_uring can be had, with all that the queue needs of it.
#[cfg(target_os = "linux")]
pub(super) fn uring(path: &Path) -> io::Result<()> {
    super::uring::probe(&fs::File::open(path)?)
}

/// Whether io_uring can be had.
#[cfg(not(target_os = "linux"))]
pub(super) fn uring(_path: &Path) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "it is a part of Linux",
    ))
}

/// Whether files in `path` take reads and writes past the page cache, in blocks of [`BLOCK`].
pub(super) fn direct(path: &Path) -> io::Result<()> {
    let refused = |reason: String| Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    if direct_flag().is_empty() {
        return refused("this system has no O_DIRECT".to_owned());
    }
    let file = scratch(path)?;
    if let Some((memory, offset)) = alignment(&file) {
        if memory == 0 || offset == 0 {
            return refused("the file system does not support it".to_owned());
        }
        if memory as usize > BLOCK || offset as usize > BLOCK {
            return refused(format!("it needs blocks of {} bytes", offset.max(memory)));
        }
    }
    let mut block = AlignedMemory::zeroed(BLOCK)?;
    match file.write_at(&block, BLOCK as u64) {
        Ok(BLOCK) => {}
        Ok(_) => return refused("a block is not written as a whole".to_owned()),
        // A full medium is no reason to do without.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
        Err(error) => return Err(error),
    }
    match file.read_at(&mut block, BLOCK as u64)? {
        BLOCK => Ok(()),
        _ => refused("a block is not read as a whole".to_owned()),
    }
}

/// Alignment of memory and of offsets for direct I/O, where the system tells (Linux 6.1).
#[cfg(target_os = "linux")]
fn alignment(file: &fs::File) -> Option<(u32, u32)> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let told = statx(file.as_fd(), c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok()?;
    (told.stx_mask & StatxFlags::DIOALIGN.bits() != 0)
        .then_some((told.stx_dio_mem_align, told.stx_dio_offset_align))
}

#[cfg(not(target_os = "linux"))]
fn alignment(_file: &fs::File) -> Option<(u32, u32)> {
    None
}

/// A direct file in `path` that has no name: it is gone with its descriptor.
fn scratch(path: &Path) -> io::Result<fs::File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | direct_flag();
    let mode = Mode::RUSR | Mode::WUSR;
    #[cfg(target_os = "linux")]
    match rustix::fs::open(path, flags | OFlags::TMPFILE, mode) {
        Ok(file) => return Ok(file.into()),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let name = path.join(format!(".probe-{}", std::process::id()));
    let made = rustix::fs::open(&name, flags | OFlags::CREATE, mode);
    // EINVAL comes after the name was made.
    match fs::remove_file(&name) {
        Err(error) if made.is_ok() => Err(error),
        _ => Ok(made?.into()),
    }
}
