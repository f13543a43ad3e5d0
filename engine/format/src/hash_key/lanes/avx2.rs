//! Eight lanes: AVX2.

use std::arch::x86_64::*;

use super::kernel::kernel;

/// Keys a vector holds a word of.
const LANES: usize = 8;

type Vector = __m256i;

kernel!("avx2");

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> Vector {
    _mm256_set1_epi32(word.cast_signed())
}

/// Rows are little-endian: the first word of a row is its lowest bits.
#[inline]
#[target_feature(enable = "avx2")]
fn load(rows: [u128; ROW]) -> Vector {
    let [a, b] = rows.map(|row| [row as i64, (row >> 64) as i64]);
    _mm256_setr_epi64x(a[0], a[1], b[0], b[1])
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_words(words: [u32; LANES]) -> Vector {
    let row = |first: usize| {
        (0..4).fold(0, |row, word| {
            row | u128::from(words[first + word]) << (32 * word)
        })
    };
    load([row(0), row(4)])
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(vector: Vector) -> [u128; ROW] {
    let row = |row: __m128i| {
        let [low, high] = [row, _mm_unpackhi_epi64(row, row)]
            .map(|half| u128::from(_mm_cvtsi128_si64(half).cast_unsigned()));
        low | high << 64
    };
    [
        row(_mm256_extracti128_si256::<0>(vector)),
        row(_mm256_extracti128_si256::<1>(vector)),
    ]
}

/// Exchanges rows and columns of each 4 × 4 words in the same half of the four vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose([a, b, c, d]: [Vector; 4]) -> [Vector; 4] {
    let [ab_low, cd_low] = [_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d)];
    let [ab_high, cd_high] = [_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d)];
    [
        _mm256_unpacklo_epi64(ab_low, cd_low),
        _mm256_unpackhi_epi64(ab_low, cd_low),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn reverse_bytes(vector: Vector) -> Vector {
    let order = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    _mm256_shuffle_epi8(vector, _mm256_broadcastsi128_si256(order))
}

/// Sets the bit that ends a message (RFC 1321, 3.1) where it belongs in the word `index`: in the
/// lanes whose message of `bits` bits ends there.
#[inline]
#[target_feature(enable = "avx2")]
fn mark(word: Vector, bits: Vector, index: u32) -> Vector {
    let ends_here = _mm256_cmpeq_epi32(_mm256_srli_epi32::<5>(bits), splat(index));
    let end = _mm256_sllv_epi32(splat(0x80), _mm256_and_si256(bits, splat(24)));
    _mm256_or_si256(word, _mm256_and_si256(ends_here, end))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const BY: i32>(word: Vector) -> Vector {
    let around = _mm256_srl_epi32(word, _mm_cvtsi32_si128(32 - BY));
    _mm256_or_si256(_mm256_slli_epi32::<BY>(word), around)
}

// The four functions of RFC 1321, 3.4.

/// `c` where `b` is set, else `d`: `b & c | !b & d` in one operation less.
#[inline]
#[target_feature(enable = "avx2")]
fn f(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)))
}

/// `b` where `d` is set, else `c`.
#[inline]
#[target_feature(enable = "avx2")]
fn g(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm256_or_si256(_mm256_and_si256(b, d), _mm256_andnot_si256(d, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn h(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm256_xor_si256(b, _mm256_xor_si256(c, d))
}

/// `c ^ (b | !d)`.
#[inline]
#[target_feature(enable = "avx2")]
fn i(b: Vector, c: Vector, d: Vector) -> Vector {
    let not_d = _mm256_xor_si256(d, splat(u32::MAX));
    _mm256_xor_si256(c, _mm256_or_si256(b, not_d))
}
