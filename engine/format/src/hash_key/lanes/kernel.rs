//! MD5 over lanes, written once for every width of vector.
//!
//! A chain is one vector of lanes on its way through the 64 steps. Each step needs the result of
//! the one before it, so a single chain leaves most of the processor idle; a kernel takes several
//! chains through each step together.

/// The state before the first block (RFC 1321, 3.3).
pub(super) const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// What each step adds (RFC 1321, 3.4): step i, from 1, has the whole part of 2³² × |sin i|.
#[rustfmt::skip]
pub(super) const SINES: [[u32; 16]; 4] = [
    [
        0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
        0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    ],
    [
        0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
        0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    ],
    [
        0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
        0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    ],
    [
        0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
        0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
    ],
];

/// The 16 bytes of `key` from `at` on as a little-endian number, with zeroes where the key has
/// ended. It branches only on whether the key has 16, 8 and 4 bytes, and never byte by byte.
#[inline(always)]
pub(super) fn column(key: &[u8], at: usize) -> u128 {
    if let Some(spare) = key.len().checked_sub(16) {
        // Where the key ends too early, its last 16 bytes, of which those before `at` go.
        let from = at.min(spare);
        let gone = 8 * (at - from) as u32;
        return whole_column(key, from).checked_shr(gone).unwrap_or(0);
    }
    if at > 0 {
        return 0;
    }
    // The two words may overlap: both have the same bytes there.
    let overlap = |width: usize| 8 * (key.len() - width);
    if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        let [first, last] = [first, last].map(|word| u128::from(u64::from_le_bytes(*word)));
        return first | last << overlap(8);
    }
    if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        let [first, last] = [first, last].map(|word| u64::from(u32::from_le_bytes(*word)));
        return u128::from(first | last << overlap(4));
    }
    let bytes = key.iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The 16 bytes of `key` from `at` on as a little-endian number; zero where it has not so many.
#[inline(always)]
pub(super) fn whole_column(key: &[u8], at: usize) -> u128 {
    let bytes = key.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

/// The kernel of a backend. The module that it expands in has `Vector`, `LANES` and the operations
/// on vectors that are called here.
macro_rules! kernel {
    ($features:literal) => {
        use std::{array, hint::black_box};

        use super::{
            GROUP,
            kernel::{INITIAL, SINES, column, whole_column},
        };
        use crate::HashKey;

        /// Keys whose 16 bytes fill a vector.
        const ROW: usize = LANES / 4;

        /// A block of each lane: a vector for each of its 16 words.
        type Block = [Vector; 16];

        /// Hashes at least the first `count` of `keys`, of which none is longer than
        /// [`LONGEST`](super::LONGEST).
        #[target_feature(enable = $features)]
        pub(super) fn digest(keys: &[&[u8]; GROUP], count: usize, out: &mut [HashKey; GROUP]) {
            // Two chains take little longer than one, and four less than twice as long as two.
            if count <= 2 * LANES {
                digest_in::<2>(keys, count, out);
            } else {
                digest_in::<4>(keys, count, out);
            }
        }

        /// The same, so many chains at a time.
        #[inline]
        #[target_feature(enable = $features)]
        fn digest_in<const CHAINS: usize>(
            keys: &[&[u8]; GROUP],
            count: usize,
            out: &mut [HashKey; GROUP],
        ) {
            const { assert!(GROUP.is_multiple_of(LANES * CHAINS)) };
            let keys = keys.as_chunks().0.as_chunks().0;
            let out = out.as_chunks_mut().0.as_chunks_mut().0;
            let turns = count.div_ceil(LANES * CHAINS);
            for (keys, out) in keys.iter().zip(out).take(turns) {
                digest_chains::<CHAINS>(keys, out);
            }
        }

        /// Hashes so many keys at once.
        #[inline]
        #[target_feature(enable = $features)]
        fn digest_chains<const CHAINS: usize>(
            keys: &[[&[u8]; LANES]; CHAINS],
            out: &mut [[HashKey; LANES]; CHAINS],
        ) {
            let mut blocks = [[splat(0); 16]; CHAINS];
            for (keys, block) in keys.iter().zip(&mut blocks) {
                fill(keys, block);
            }
            let mut states = [INITIAL.map(|word| splat(word)); CHAINS];
            compress(&mut states, &blocks);
            for (state, out) in states.into_iter().zip(out) {
                // A digest is big-endian from the first word on, a `HashKey` little-endian.
                let [a, b, c, d] = state.map(|word| reverse_bytes(word));
                let rows = transpose([d, c, b, a]);
                for (row, out) in rows.into_iter().zip(out.as_chunks_mut().0) {
                    *out = store(row).map(HashKey);
                }
            }
        }

        /// Puts the message of each key into its lane of `block`, which is all zeroes.
        ///
        /// Four rows, of 16 bytes of [`ROW`] keys each, have the keys one after the other. What
        /// [`transpose`] makes of them has a word of all keys in each vector, but the n-th key of
        /// row r in lane 4n + r; [`transpose`] of that has the first order again.
        #[inline]
        #[target_feature(enable = $features)]
        fn fill(keys: &[&[u8]; LANES], block: &mut Block) {
            let mut bits = [0; LANES];
            let (mut shortest, mut longest) = (usize::MAX, 0);
            for (index, key) in keys.iter().enumerate() {
                shortest = shortest.min(key.len());
                longest = longest.max(key.len());
                bits[index % ROW * 4 + index / ROW] = 8 * key.len() as u32;
            }
            let columns = block
                .as_chunks_mut()
                .0
                .iter_mut()
                .zip((0..longest).step_by(16));
            for (words, at) in columns {
                let bytes: [u128; LANES] = if at + 16 <= shortest {
                    array::from_fn(|lane| whole_column(keys[lane], at))
                } else {
                    array::from_fn(|lane| column(keys[lane], at))
                };
                let rows: &[[u128; ROW]] = bytes.as_chunks().0;
                *words = transpose([load(rows[0]), load(rows[1]), load(rows[2]), load(rows[3])]);
            }
            let bits = load_words(bits);
            for index in shortest / 4..=longest / 4 {
                block[index] = mark(block[index], bits, index as u32);
            }
            block[14] = bits;
        }

        /// Takes each chain through its block.
        #[inline]
        #[target_feature(enable = $features)]
        fn compress<const CHAINS: usize>(
            states: &mut [[Vector; 4]; CHAINS],
            blocks: &[Block; CHAINS],
        ) {
            let before = *states;
            // Each round takes the words from memory anew: when the compiler sees that they are
            // those of the round before, it tries to keep them all in registers, which are too few.
            let blocks = || black_box(blocks);
            round::<CHAINS, 7, 12, 17, 22>(0, states, blocks(), |i| i, |b, c, d| f(b, c, d));
            round::<CHAINS, 5, 9, 14, 20>(1, states, blocks(), |i| 1 + 5 * i, |b, c, d| g(b, c, d));
            round::<CHAINS, 4, 11, 16, 23>(
                2,
                states,
                blocks(),
                |i| 5 + 3 * i,
                |b, c, d| h(b, c, d),
            );
            round::<CHAINS, 6, 10, 15, 21>(3, states, blocks(), |i| 7 * i, |b, c, d| i(b, c, d));
            for (state, before) in states.iter_mut().zip(before) {
                for (word, before) in state.iter_mut().zip(before) {
                    *word = add(*word, before);
                }
            }
        }

        /// One round: 16 steps, of which step i takes word `order(i)` modulo 16. The four numbers
        /// are how far the steps rotate, in turn.
        #[inline]
        #[target_feature(enable = $features)]
        fn round<
            const CHAINS: usize,
            const FIRST: i32,
            const SECOND: i32,
            const THIRD: i32,
            const FOURTH: i32,
        >(
            number: usize,
            states: &mut [[Vector; 4]; CHAINS],
            blocks: &[Block; CHAINS],
            order: impl Fn(usize) -> usize,
            mix: impl Fn(Vector, Vector, Vector) -> Vector,
        ) {
            for turn in 0..4 {
                let at = |within: usize| {
                    (
                        order(4 * turn + within) % 16,
                        SINES[number][4 * turn + within],
                    )
                };
                step::<CHAINS, FIRST>(states, blocks, at(0), &mix);
                step::<CHAINS, SECOND>(states, blocks, at(1), &mix);
                step::<CHAINS, THIRD>(states, blocks, at(2), &mix);
                step::<CHAINS, FOURTH>(states, blocks, at(3), &mix);
            }
        }

        /// One step of every chain, with the word and the constant that it takes.
        #[inline]
        #[target_feature(enable = $features)]
        fn step<const CHAINS: usize, const ROTATION: i32>(
            states: &mut [[Vector; 4]; CHAINS],
            blocks: &[Block; CHAINS],
            (word, sine): (usize, u32),
            mix: &impl Fn(Vector, Vector, Vector) -> Vector,
        ) {
            for (state, block) in states.iter_mut().zip(blocks) {
                let [a, b, c, d] = *state;
                // What does not wait for the step before comes first.
                let sum = add(add(add(a, splat(sine)), block[word]), mix(b, c, d));
                *state = [d, add(b, rotate::<ROTATION>(sum)), b, c];
            }
        }
    };
}
pub(super) use kernel;
