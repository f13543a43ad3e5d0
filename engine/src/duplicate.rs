//! Files of one store made again in another directory.

use std::{io, path::Path, sync::Arc};

use crate::{
    error::Error,
    io::device::{Access, Device, File},
    shard::preparing::make_file,
};

/// Most bytes that are read or written at a time.
const PIECE: usize = 1 << 20;

/// Makes a directory for a copy, which is not there or empty.
pub(crate) fn make_target(device: &dyn Device, target: &Path) -> Result<(), Error> {
    match device.list(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(entries) if entries.is_empty() => {}
        Ok(_) => {
            return Err(Error::Option {
                option: "target",
                reason: format!(
                    "{} is not empty; choose a directory that is not there yet",
                    target.display()
                ),
            });
        }
        Err(error) => return Err(Error::io("listing", target)(error)),
    }
    make_dir(device, target)
}

pub(crate) fn make_dir(device: &dyn Device, dir: &Path) -> Result<(), Error> {
    device.create_dir(dir).map_err(Error::io("making", dir))
}

/// A file that is written from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Appender {
    file: Arc<dyn File>,
    /// What is not written yet, and where it goes.
    pending: Vec<u8>,
    at: u64,
}

impl Appender {
    /// Makes the file of a segment.
    pub(crate) fn create(device: &dyn Device, path: &Path, bytes: u64) -> io::Result<Appender> {
        Ok(Appender {
            file: make_file(device, path, bytes)?,
            pending: Vec::new(),
            at: 0,
        })
    }

    /// Writes whole blocks at an offset that is not below the end of what came before.
    pub(crate) fn put(&mut self, offset: u64, parts: &[&[u8]], block: usize) -> io::Result<()> {
        if offset != self.at + self.pending.len() as u64 || self.pending.len() >= PIECE {
            self.flush()?;
            self.at = offset;
        }
        for part in parts {
            self.pending.extend_from_slice(part);
        }
        let whole = self.pending.len().next_multiple_of(block);
        self.pending.resize(whole, 0);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.file.write_at(&self.pending, self.at)?;
            self.at += self.pending.len() as u64;
            self.pending.clear();
        }
        Ok(())
    }

    /// Makes all of it durable.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync()
    }
}

/// Copies a file as it is, holes left out, durably; its bytes that may hold something.
pub(crate) fn copy(device: &dyn Device, from: &Path, to: &Path) -> io::Result<u64> {
    let source = device.open(from, Access::Read)?;
    let len = source.len()?;
    let block = device.report().block as u64;
    let mut target = Appender::create(device, to, len)?;
    let (mut offset, mut copied) = (0, 0);
    while let Some((start, end)) = source.next_data(offset)? {
        let mut at = start / block * block;
        while at < end.min(len) {
            let piece = (end.min(len) - at).min(PIECE as u64);
            let mut bytes = vec![0; piece as usize];
            source.read_at(&mut bytes, at)?;
            target.put(at, &[&bytes], block as usize)?;
            copied += piece;
            at += piece;
        }
        offset = end.max(offset + 1);
    }
    target.flush()?;
    // A file whose length is no multiple of the block was padded up to one.
    target.file.set_len(len)?;
    target.finish()?;
    Ok(copied)
}
