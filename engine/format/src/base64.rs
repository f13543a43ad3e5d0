//! The bulk of long base64, decoded with AVX-512: three times as fast as with AVX2
//! (docs/PERFORMANCE.md, "The AWS API").
//!
//! What is short, and the end of everything with its padding, is left to a library. So is all of
//! it on processors without these instructions.

/// Characters that are decoded at a time.
const CHARS: usize = 64;
/// Bytes that come of them.
const BYTES: usize = CHARS / 4 * 3;

/// What was taken for base64 of the standard alphabet is something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotBase64;

/// Decodes the front of `text` to the front of `out`: whole blocks of 64 characters to 48 bytes
/// each, as many as `out` has room for, and never the end of `text`. How many characters were
/// decoded.
///
/// # Errors
/// [`NotBase64`] when one of them is none of the standard alphabet; what is in `out` then means
/// nothing.
pub fn decode_front(text: &[u8], out: &mut [u8]) -> Result<usize, NotBase64> {
    let blocks = (text.len().saturating_sub(1) / CHARS).min(out.len() / BYTES);
    if blocks == 0 || !is_fast() {
        return Ok(0);
    }
    let (chars, _) = text[..blocks * CHARS].as_chunks();
    let (bytes, _) = out[..blocks * BYTES].as_chunks_mut();
    if decode_blocks(chars, bytes) {
        Ok(blocks * CHARS)
    } else {
        Err(NotBase64)
    }
}

#[cfg(target_arch = "x86_64")]
fn is_fast() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
}

#[cfg(not(target_arch = "x86_64"))]
fn is_fast() -> bool {
    false
}

/// Whether it all was base64. To be called where [`is_fast`].
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn decode_blocks(text: &[[u8; CHARS]], out: &mut [[u8; BYTES]]) -> bool {
    assert!(is_fast());
    // SAFETY: the processor has what the function is compiled for, as was just seen.
    unsafe { vectors::decode(text, out) }
}

#[cfg(not(target_arch = "x86_64"))]
fn decode_blocks(_: &[[u8; CHARS]], _: &mut [[u8; BYTES]]) -> bool {
    unreachable!("it is not fast")
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use std::arch::x86_64::*;

    use super::{BYTES, CHARS};

    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// What each ASCII character stands for; the highest bit where that is nothing.
    static VALUES: [u8; 128] = {
        let mut values = [0x80; 128];
        let mut value = 0;
        while value < 64 {
            values[ALPHABET[value as usize] as usize] = value;
            value += 1;
        }
        values
    };

    /// Where the bytes are after four characters were put together into the three low bytes of
    /// a word, the first character highest.
    static ORDER: [u8; CHARS] = {
        let mut order = [0; CHARS];
        let mut at = 0;
        while at < BYTES {
            order[at] = (at / 3 * 4 + 2 - at % 3) as u8;
            at += 1;
        }
        order
    };

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[allow(unsafe_code)]
    pub(super) fn decode(text: &[[u8; CHARS]], out: &mut [[u8; BYTES]]) -> bool {
        let (values, _) = VALUES.as_chunks::<CHARS>();
        let (low, high) = (load(&values[0]), load(&values[1]));
        let order = load(&ORDER);
        let pairs = _mm512_set1_epi32(0x0140_0140);
        let quads = _mm512_set1_epi32(0x0001_1000);
        let mut seen = _mm512_setzero_si512();
        for (chars, bytes) in text.iter().zip(out) {
            let chars = load(chars);
            // The lower seven bits are looked up, and the eighth must not be set either.
            let values = _mm512_permutex2var_epi8(low, chars, high);
            seen = _mm512_or_si512(seen, _mm512_or_si512(chars, values));
            let twelves = _mm512_maddubs_epi16(values, pairs);
            let words = _mm512_madd_epi16(twelves, quads);
            let packed = _mm512_permutexvar_epi8(order, words);
            let all = (1 << BYTES) - 1;
            // SAFETY: the mask lets through as many bytes as there is room for.
            unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), all, packed) };
        }
        _mm512_movepi8_mask(seen) == 0
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    #[allow(unsafe_code)]
    fn load(bytes: &[u8; CHARS]) -> __m512i {
        // SAFETY: there are as many bytes as a vector has, and they need not be aligned.
        unsafe { _mm512_loadu_epi8(bytes.as_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use base64_simd::STANDARD;
    use proptest::prelude::*;

    use super::*;

    /// As it is used: the front here, the rest by the library.
    fn decode(text: &[u8], len: usize) -> Result<Vec<u8>, NotBase64> {
        let mut out = vec![0xee; len];
        let front = decode_front(text, &mut out)?;
        assert!(front.is_multiple_of(CHARS) && front < text.len().max(1));
        let rest = STANDARD.decode_to_vec(&text[front..]);
        let bytes = front / 4 * 3;
        assert!(
            out[bytes..].iter().all(|byte| *byte == 0xee),
            "no more is touched"
        );
        out.truncate(bytes);
        out.extend(rest.map_err(|_| NotBase64)?);
        Ok(out)
    }

    #[test]
    fn every_byte_in_every_place_is_taken_or_refused_as_by_the_library() {
        let text = STANDARD.encode_to_string([0x5a; 240]).into_bytes();
        for at in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut text = text.clone();
                text[at] = byte;
                let expected = STANDARD.decode_to_vec(&text).map_err(|_| NotBase64);
                assert_eq!(decode(&text, 240), expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn no_more_is_decoded_than_there_is_room_for() {
        let text = STANDARD.encode_to_string([1; 480]);
        for room in [0, 47, 48, 95, 96, 200] {
            let mut out = vec![0; room];
            let front = decode_front(text.as_bytes(), &mut out);
            let most = if is_fast() { room / BYTES * CHARS } else { 0 };
            assert_eq!(front, Ok(most));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let text = STANDARD.encode_to_string(&bytes);
            prop_assert_eq!(decode(text.as_bytes(), bytes.len()), Ok(bytes));
        }
    }
}
