//! The MD5 of many keys at once, one key to each lane of a vector.
//!
//! MD5 is a chain of some 400 operations that each wait for the one before. A processor can take
//! many keys through it side by side in little more time than one. Which vectors it has is found
//! out when the program runs; where there are none that would help, keys go one by one.
//!
//! The `unsafe` code here are calls into functions that are safe on
//! processors that have what they were compiled for.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod kernel;
#[cfg(test)]
mod tests;

use super::HashKey;

/// Keys that are hashed together.
const GROUP: usize = 64;

/// Longest key in bytes that takes a lane: with the mark at its end and its length, it is one block
/// of MD5.
const LONGEST: usize = 55;

/// A way to hash many keys that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backend(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    OneByOne,
}

impl Kind {
    /// All of them, the fastest first.
    const ALL: &[Kind] = &[
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2,
        Kind::OneByOne,
    ];

    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => is_x86_feature_detected!("avx2"),
            Kind::OneByOne => true,
        }
    }
}

impl Backend {
    /// All that this machine has, the fastest first. There is no other way to get one.
    pub(super) fn all() -> impl Iterator<Item = Backend> {
        let kinds = Kind::ALL.iter().copied();
        kinds.filter(|kind| kind.is_here()).map(Backend)
    }

    /// The fastest.
    pub(super) fn fastest() -> Backend {
        Backend::all().next().unwrap_or(Backend(Kind::OneByOne))
    }

    /// Appends to `out`, for each entry in order, its hash key where it has one already, or else
    /// the MD5 of its key.
    pub(super) fn hash<'a>(
        self,
        mut entries: impl Iterator<Item = (&'a [u8], Option<HashKey>)>,
        out: &mut Vec<HashKey>,
    ) {
        let mut keys: [&[u8]; GROUP] = [b""; GROUP];
        let mut hashes = [HashKey(0); GROUP];
        // Of those that are known before the group is hashed, which is seldom any.
        let mut known = [HashKey(0); GROUP];
        loop {
            let (mut count, mut are_known) = (0, 0u64);
            // What is left in `keys` from the group before does no harm: its hashes are not used.
            for (slot, (key, explicit)) in keys.iter_mut().zip(entries.by_ref()) {
                let hash =
                    explicit.or_else(|| (key.len() > LONGEST).then(|| HashKey::of_bytes(key)));
                if let Some(hash) = hash {
                    known[count] = hash;
                    are_known |= 1 << count;
                }
                *slot = if hash.is_some() { b"" } else { key };
                count += 1;
            }
            if are_known.count_ones() as usize != count {
                self.digest(&keys, count, &mut hashes);
            }
            while are_known != 0 {
                let index = are_known.trailing_zeros() as usize;
                hashes[index] = known[index];
                are_known &= are_known - 1;
            }
            out.extend_from_slice(&hashes[..count]);
            if count < GROUP {
                return;
            }
        }
    }

    /// Hashes at least the first `count` of `keys`, of which none is longer than [`LONGEST`].
    #[allow(unsafe_code)]
    fn digest(self, keys: &[&[u8]; GROUP], count: usize, out: &mut [HashKey; GROUP]) {
        match self.0 {
            // Lanes pay from the second key on.
            _ if count == 1 => out[0] = HashKey::of_bytes(keys[0]),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the function is safe on a processor that has AVX-512 F and BW. A backend of
            // this kind is made by `Backend::all` alone, after it has found both, and no processor
            // loses what it has.
            Kind::Avx512 => unsafe { avx512::digest(keys, count, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above, of AVX2.
            Kind::Avx2 => unsafe { avx2::digest(keys, count, out) },
            Kind::OneByOne => {
                for (key, hash) in keys.iter().zip(out).take(count) {
                    *hash = HashKey::of_bytes(key);
                }
            }
        }
    }
}
