//! A file for direct writes, and memory that is aligned for them.

use std::{
    fs::{File, OpenOptions},
    io::IoSlice,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, OFlags},
    io::ReadWriteFlags,
};

use crate::{error::BenchError, noise::Noise};

/// Alignment of offsets, lengths and memory.
pub(crate) const BLOCK: usize = 4096;

/// Memory of which a part is aligned.
#[derive(Debug)]
pub(crate) struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` bytes of noise.
    pub(crate) fn noise(len: usize, seed: u64) -> Aligned {
        let mut memory = vec![0; len + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        Noise::new(seed).fill(&mut memory[start..start + len]);
        Aligned { memory, start, len }
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Aligned {
        let memory = vec![0; len + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        Aligned { memory, start, len }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

/// A file that is written and read past the page cache.
#[derive(Debug)]
pub(crate) struct DirectFile {
    file: File,
    path: PathBuf,
}

impl DirectFile {
    /// One that is there, for reading.
    pub(crate) fn existing(path: &Path) -> Result<DirectFile, BenchError> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::DIRECT.bits().cast_signed())
            .open(path)
            .map_err(BenchError::io("open, for direct reads,", path))?;
        let path = path.to_owned();
        Ok(DirectFile { file, path })
    }

    pub(crate) fn len(&self) -> Result<u64, BenchError> {
        let metadata = self.file.metadata();
        Ok(metadata
            .map_err(BenchError::io("examine", &self.path))?
            .len())
    }

    /// A file of `len` bytes whose blocks are allocated, but hold nothing yet.
    pub(crate) fn allocated(path: &Path, len: u64) -> Result<DirectFile, BenchError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(OFlags::DIRECT.bits().cast_signed())
            .open(path)
            .map_err(BenchError::io("make, for direct writes,", path))?;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, len)
            .map_err(|error| BenchError::io("allocate", path)(error.into()))?;
        let direct = DirectFile {
            file,
            path: path.to_owned(),
        };
        direct.sync()?;
        Ok(direct)
    }

    /// The same, with every block written once.
    pub(crate) fn written(path: &Path, len: u64) -> Result<DirectFile, BenchError> {
        let direct = DirectFile::allocated(path, len)?;
        let zeros = Aligned::zeros(1 << 20);
        for offset in (0..len).step_by(1 << 20) {
            direct.write(zeros.bytes(), offset, ReadWriteFlags::empty())?;
        }
        direct.sync()?;
        Ok(direct)
    }

    /// Writes, and returns when it is on the medium.
    pub(crate) fn write_durable(&self, bytes: &[u8], offset: u64) -> Result<(), BenchError> {
        self.write(bytes, offset, ReadWriteFlags::DSYNC)
    }

    /// Fills an aligned buffer.
    pub(crate) fn read(&self, out: &mut [u8], offset: u64) -> Result<(), BenchError> {
        self.file
            .read_exact_at(out, offset)
            .map_err(BenchError::io("read", &self.path))
    }

    fn write(&self, bytes: &[u8], offset: u64, flags: ReadWriteFlags) -> Result<(), BenchError> {
        let written = rustix::io::pwritev2(&self.file, &[IoSlice::new(bytes)], offset, flags)
            .map_err(|error| BenchError::io("write", &self.path)(error.into()))?;
        if written == bytes.len() {
            return Ok(());
        }
        let path = self.path.display();
        Err(BenchError::wrong(format!(
            "{path}: {written} of {} bytes written",
            bytes.len()
        )))
    }

    fn sync(&self) -> Result<(), BenchError> {
        self.file
            .sync_all()
            .map_err(BenchError::io("sync", &self.path))
    }
}
