//! Read-only maps of whole files.
#![allow(unsafe_code)]

use std::{fs, io};

use memmap2::{Advice, Mmap, MmapOptions};

use super::{device::Map, sigbus::Watch};

/// A file that is mapped, shared and read-only, as long as it was then.
#[derive(Debug)]
pub(super) struct SystemMap {
    /// `None` for an empty file.
    map: Option<Watched>,
}

/// Fields are dropped in this order: what is unmapped is not watched any more.
#[derive(Debug)]
struct Watched {
    watch: Watch,
    map: Mmap,
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
        // copy. The store never shortens a file and holds an exclusive lock. What cannot be had
        // any more, because the file is cut short from outside or the medium fails, turns to zeros
        // and is told by `Map::has_faulted`.
        let map = unsafe { MmapOptions::new().len(len).map(file)? };
        // SAFETY: It is the range of this map, which nobody writes to, and the watch is dropped
        // before it.
        let watch = unsafe { Watch::over(map.as_ptr(), map.len())? };
        let map = Some(Watched { watch, map });
        Ok(SystemMap { map })
    }

    fn map(&self) -> Option<&Mmap> {
        self.map.as_ref().map(|watched| &watched.map)
    }
}

impl Map for SystemMap {
    fn len(&self) -> usize {
        self.map().map_or(0, |map| map.len())
    }

    fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let bytes: &[u8] = self.map().map_or(&[], |map| map);
        bytes.get(offset..offset.checked_add(len)?)
    }

    fn has_faulted(&self) -> bool {
        self.map
            .as_ref()
            .is_some_and(|watched| watched.watch.has_faulted())
    }

    fn read_nothing_ahead(&self) {
        if let Some(map) = self.map() {
            // A hint that is not taken costs only time.
            let _ = map.advise(Advice::Random);
        }
    }

    fn read_ahead(&self, offset: usize, len: usize) {
        let len = len.min(self.len().saturating_sub(offset));
        if let Some(map) = self.map().filter(|_| len > 0) {
            let _ = map.advise_range(Advice::WillNeed, offset, len);
        }
    }
}
