//! The bytes of a simulated file, which maps lend while others write.
#![allow(unsafe_code)]

use std::{fmt, io, ptr, slice};

use memmap2::{MmapMut, MmapRaw};

/// Bytes of fixed number, zeros at first. They come straight from the system, which gives a page
/// only when it is first touched.
pub(super) struct Memory(MmapRaw);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} bytes)", self.0.len())
    }
}

impl Memory {
    pub(super) fn zeroed(len: usize) -> io::Result<Memory> {
        Ok(Memory(MmapMut::map_anon(len.max(1))?.into()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes within the memory, clamped to its end. What they show changes under the reader where
    /// the simulated store writes: as with a map of the system, see [`crate::io::device::Map`].
    pub(super) fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        let offset = offset.min(self.len());
        let len = len.min(self.len() - offset);
        // SAFETY: The range lies inside the map, which lives as long as `self`. A simulation runs
        // on one thread, and the engine holds no slice of bytes across a write to them: it reads
        // below the watermark, or takes what it sees for hearsay until a checksum has covered it.
        unsafe { slice::from_raw_parts(self.0.as_ptr().add(offset), len) }
    }

    /// Writes bytes that lie within the memory; what does not fit is left out.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) {
        let offset = offset.min(self.len());
        let len = bytes.len().min(self.len() - offset);
        // SAFETY: The range lies inside the map; `bytes` is not part of it, as nobody is lent
        // anything of it for writing. For readers see `Memory::bytes`.
        unsafe { ptr::copy(bytes.as_ptr(), self.0.as_mut_ptr().add(offset), len) }
    }
}
