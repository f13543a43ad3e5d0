//! Block-aligned memory for direct I/O.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
};

use memmap2::MmapMut;

/// Bytes to which addresses, offsets and lengths of direct I/O are aligned.
pub const BLOCK: usize = 4096;

/// `len` rounded up to whole blocks.
#[must_use]
pub const fn round_up(len: usize) -> usize {
    len.div_ceil(BLOCK) * BLOCK
}

/// Zeroed memory that begins on a block. It comes straight from the system, which gives a page
/// only when it is first touched: a large buffer that is never filled costs nothing.
pub(super) struct AlignedMemory(MmapMut);

impl AlignedMemory {
    /// At least `len` bytes, in whole blocks and never none.
    pub(super) fn zeroed(len: usize) -> io::Result<AlignedMemory> {
        let len = len
            .max(1)
            .checked_next_multiple_of(BLOCK)
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let map = MmapMut::map_anon(len)?;
        // Pages are never smaller than a block on any system that the engine runs on.
        debug_assert!(map.as_ptr().addr().is_multiple_of(BLOCK));
        Ok(AlignedMemory(map))
    }
}

impl Deref for AlignedMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for AlignedMemory {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for AlignedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedMemory({} bytes)", self.0.len())
    }
}
