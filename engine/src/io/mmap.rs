//! Read-only maps of whole files.
#![allow(unsafe_code)]

use std::{fs, io};

use memmap2::{Advice, Mmap, MmapOptions};

use super::device::Map;

/// A file that is mapped, shared and read-only, as long as it was then.
#[derive(Debug)]
pub(super) struct SystemMap {
    /// `None` for an empty file.
    map: Option<Mmap>,
}

impl SystemMap {
    pub(super) fn of(file: &fs::File) -> io::Result<SystemMap> {
        let len = usize::try_from(file.metadata()?.len())
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        if len == 0 {
            return Ok(SystemMap { map: None });
        }
        // SAFETY: The map is only read. What it shows can change under a reader only where the
        // store's own writes land: those go above the watermark, and `Map::bytes` is asked for
        // bytes below it, or for bytes that are taken for hearsay until a checksum has covered a
        // copy. The store never shortens a file and holds an exclusive lock; one that is cut
        // short from outside raises SIGBUS, which is below.
        let map = unsafe { MmapOptions::new().len(len).map(file)? };
        Ok(SystemMap { map: Some(map) })
    }
}

impl Map for SystemMap {
    fn len(&self) -> usize {
        self.map.as_ref().map_or(0, |map| map.len())
    }

    // A medium error or a file cut short raises SIGBUS when these bytes are touched; the handler
    // that turns it into an error finds the map by its address, and belongs in this module.
    fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let bytes: &[u8] = self.map.as_deref().unwrap_or(&[]);
        bytes.get(offset..offset.checked_add(len)?)
    }

    fn read_nothing_ahead(&self) {
        if let Some(map) = &self.map {
            // A hint that is not taken costs only time.
            let _ = map.advise(Advice::Random);
        }
    }

    fn read_ahead(&self, offset: usize, len: usize) {
        let len = len.min(self.len().saturating_sub(offset));
        if let Some(map) = self.map.as_ref().filter(|_| len > 0) {
            let _ = map.advise_range(Advice::WillNeed, offset, len);
        }
    }
}
