//! Sixteen lanes: AVX-512, which rotates and mixes three vectors in one instruction each.

use std::arch::x86_64::*;

use super::kernel::kernel;

/// Keys a vector holds a word of.
const LANES: usize = 16;

type Vector = __m512i;

kernel!("avx512f,avx512bw");

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u32) -> Vector {
    _mm512_set1_epi32(word.cast_signed())
}

/// Rows are little-endian: the first word of a row is its lowest bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(rows: [u128; ROW]) -> Vector {
    let [a, b, c, d] = rows.map(|row| [row as i64, (row >> 64) as i64]);
    _mm512_setr_epi64(a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1])
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_words(words: [u32; LANES]) -> Vector {
    let row = |first: usize| {
        (0..4).fold(0, |row, word| {
            row | u128::from(words[first + word]) << (32 * word)
        })
    };
    load([row(0), row(4), row(8), row(12)])
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(vector: Vector) -> [u128; ROW] {
    let row = |row: __m128i| {
        let [low, high] = [row, _mm_unpackhi_epi64(row, row)]
            .map(|half| u128::from(_mm_cvtsi128_si64(half).cast_unsigned()));
        low | high << 64
    };
    [
        row(_mm512_extracti32x4_epi32::<0>(vector)),
        row(_mm512_extracti32x4_epi32::<1>(vector)),
        row(_mm512_extracti32x4_epi32::<2>(vector)),
        row(_mm512_extracti32x4_epi32::<3>(vector)),
    ]
}

/// Exchanges rows and columns of each 4 × 4 words in the same quarter of the four vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose([a, b, c, d]: [Vector; 4]) -> [Vector; 4] {
    let [ab_low, cd_low] = [_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d)];
    let [ab_high, cd_high] = [_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d)];
    [
        _mm512_unpacklo_epi64(ab_low, cd_low),
        _mm512_unpackhi_epi64(ab_low, cd_low),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn reverse_bytes(vector: Vector) -> Vector {
    let order = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    _mm512_shuffle_epi8(vector, _mm512_broadcast_i32x4(order))
}

/// Sets the bit that ends a message (RFC 1321, 3.1) where it belongs in the word `index`: in the
/// lanes whose message of `bits` bits ends there.
#[inline]
#[target_feature(enable = "avx512f")]
fn mark(word: Vector, bits: Vector, index: u32) -> Vector {
    let ends_here = _mm512_cmpeq_epi32_mask(_mm512_srli_epi32::<5>(bits), splat(index));
    let end = _mm512_sllv_epi32(splat(0x80), _mm512_and_si512(bits, splat(24)));
    _mm512_mask_or_epi32(word, ends_here, word, end)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rotate<const BY: i32>(word: Vector) -> Vector {
    _mm512_rol_epi32::<BY>(word)
}

// The four functions of RFC 1321, 3.4. Bit n of a table is the function of the three bits of n,
// of which that of `b` is the highest.

/// `c` where `b` is set, else `d`.
#[inline]
#[target_feature(enable = "avx512f")]
fn f(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1100_1010>(b, c, d)
}

/// `b` where `d` is set, else `c`.
#[inline]
#[target_feature(enable = "avx512f")]
fn g(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1110_0100>(b, c, d)
}

/// Whether an odd number of the three is set.
#[inline]
#[target_feature(enable = "avx512f")]
fn h(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1001_0110>(b, c, d)
}

/// Whether `c` differs from `b`, or else from the inverse of `d`: `c ^ (b | !d)`.
#[inline]
#[target_feature(enable = "avx512f")]
fn i(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b0011_1001>(b, c, d)
}
