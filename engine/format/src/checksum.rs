//! CRC-32C (Castagnoli), the one checksum of disk and wire.

mod folding;
#[cfg(test)]
mod tests;

/// CRC-32C of `bytes`.
#[must_use]
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c_append(0, bytes)
}

/// Continues a CRC-32C: `crc32c_append(crc32c(a), b)` is the checksum of `a` followed by `b`.
#[must_use]
#[inline]
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    if bytes.len() >= folding::LEAST
        && let Some(crc) = folding::append(crc, bytes)
    {
        return crc;
    }
    crc32c::crc32c_append(crc, bytes)
}
