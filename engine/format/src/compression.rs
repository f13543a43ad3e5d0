//! zstd of a batch body. A body that does not shrink is stored raw, and a reader never makes
//! more bytes than the header's raw length, which is bounded.

use std::cell::RefCell;

use crate::{BatchHeader, Compression, FormatError, MAX_BODY_BYTES};

thread_local! {
    // A zstd context is some hundred KiB: one per thread and direction, not one per batch.
    static COMPRESSOR: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Lowest and highest zstd level that the options accept.
pub const LEVELS: std::ops::RangeInclusive<i32> = 1..=19;

/// Compresses `raw` into `out` and returns the bytes written, or `None` when that would not be
/// shorter than `raw`, or not fit in `out`.
///
/// # Errors
/// When zstd cannot start at this level.
pub fn compress(level: i32, raw: &[u8], out: &mut [u8]) -> Result<Option<usize>, FormatError> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(at, _)| *at != level) {
            let fresh = zstd::bulk::Compressor::new(level).map_err(|e| refused(&e))?;
            *slot = Some((level, fresh));
        }
        let Some((_, compressor)) = slot else {
            return Ok(None);
        };
        let room = out.len().min(raw.len().saturating_sub(1));
        // zstd's one error here is that the output has no room: the body does not shrink.
        Ok(compressor.compress_to_buffer(raw, &mut out[..room]).ok())
    })
}

/// Decompresses the body of `header` into a buffer of exactly its raw length.
///
/// # Errors
/// When the body is not zstd, or does not give exactly the raw length.
pub fn decompress(header: &BatchHeader, stored: &[u8]) -> Result<Vec<u8>, FormatError> {
    let wanted = header.raw_len as usize;
    if header.compression != Compression::Zstd || wanted > MAX_BODY_BYTES {
        return Err(FormatError::Compression {
            reason: format!("a body of {wanted} bytes is not to be decompressed"),
        });
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(zstd::bulk::Decompressor::new().map_err(|e| refused(&e))?),
        };
        let mut raw = vec![0; wanted];
        let len = decompressor
            .decompress_to_buffer(stored, &mut raw[..])
            .map_err(|e| refused(&e))?;
        if len != wanted {
            return Err(FormatError::Compression {
                reason: format!("it gave {len} bytes, the header says {wanted}"),
            });
        }
        Ok(raw)
    })
}

fn refused(error: &std::io::Error) -> FormatError {
    FormatError::Compression {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Record};

    fn batch(data: &[u8]) -> (Vec<u8>, BatchHeader) {
        let mut builder = BatchBuilder::new(vec![0; 4096]);
        assert!(builder.push(&Record::new("k", data)));
        builder.finish()
    }

    #[test]
    fn a_compressed_body_comes_back_whole() {
        let (bytes, mut header) = batch(&[7; 2000]);
        let raw = &bytes[64..header.batch_len()];
        let mut out = vec![0; 4096];
        let len = compress(1, raw, &mut out).unwrap().unwrap();
        assert!(len < raw.len() / 4);
        header.compression = Compression::Zstd;
        assert_eq!(decompress(&header, &out[..len]).unwrap(), raw);
    }

    #[test]
    fn what_does_not_shrink_is_left_raw() {
        assert_eq!(compress(1, b"abc", &mut [0; 64]).unwrap(), None);
        assert_eq!(compress(1, &[], &mut []).unwrap(), None);
    }

    #[test]
    fn a_body_that_would_grow_past_its_header_is_refused() {
        let (bytes, mut header) = batch(&[7; 2000]);
        let mut out = vec![0; 4096];
        let len = compress(1, &bytes[64..header.batch_len()], &mut out)
            .unwrap()
            .unwrap();
        header.compression = Compression::Zstd;
        for wrong in [header.raw_len - 8, header.raw_len + 8] {
            header.raw_len = wrong;
            assert!(decompress(&header, &out[..len]).is_err());
        }
        header.raw_len = u32::MAX;
        assert!(decompress(&header, &out[..len]).is_err());
    }
}
