//! From a partition key to its place in the 128-bit hash space.

mod lanes;
#[cfg(test)]
mod tests;

use std::fmt;

use md5::{Digest, Md5};

use crate::{Record, RecordOutline};
use lanes::Backend;

/// A place in the hash space, 0 to 2¹²⁸ − 1: the MD5 of a partition key read as a big-endian
/// number, as Kinesis defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl HashKey {
    /// The place of a partition key. Of many keys, [`HashKey::of_partition_keys`] is several times
    /// as fast.
    #[must_use]
    pub fn of_partition_key(key: &str) -> HashKey {
        HashKey::of_bytes(key.as_bytes())
    }

    /// The places of many partition keys, each as [`HashKey::of_partition_key`] has it. `out` is
    /// cleared, and then holds one place for each key, in their order; nothing but `out` is
    /// allocated, and that only as far as it has to grow.
    ///
    /// Made for dozens of keys and more at a time: on x86-64 with AVX2 or AVX-512, keys of up to 55
    /// bytes are hashed side by side. Longer ones take the time that they take alone.
    pub fn of_partition_keys<'a>(keys: impl IntoIterator<Item = &'a str>, out: &mut Vec<HashKey>) {
        out.clear();
        let keys = keys.into_iter();
        out.reserve(keys.size_hint().0);
        Backend::fastest().hash(keys.map(|key| (key.as_bytes(), None)), out);
    }

    /// The places of many records of which only outlines are there; else as
    /// [`HashKey::of_records`].
    pub fn of_outlines<'a>(
        records: impl IntoIterator<Item = RecordOutline<'a>>,
        out: &mut Vec<HashKey>,
    ) {
        out.clear();
        let records = records.into_iter();
        out.reserve(records.size_hint().0);
        let entries = records.map(|record| (record.key.as_bytes(), record.explicit_hash));
        Backend::fastest().hash(entries, out);
    }

    /// The places of many records, each as [`Record::hash_key`] has it: the explicit hash, or the
    /// place of the key. `out` is cleared, and then holds one place for each record, in their
    /// order; else as [`HashKey::of_partition_keys`].
    pub fn of_records(records: &[Record<'_>], out: &mut Vec<HashKey>) {
        HashKey::of_outlines(records.iter().map(Record::outline), out);
    }

    fn of_bytes(key: &[u8]) -> HashKey {
        HashKey(u128::from_be_bytes(Md5::digest(key).into()))
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
