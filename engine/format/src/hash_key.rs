//! From a partition key to its place in the 128-bit hash space.

use std::fmt;

use md5::{Digest, Md5};

/// A place in the hash space, 0 to 2¹²⁸ − 1: the MD5 of a partition key read as a big-endian
/// number, as Kinesis defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl HashKey {
    /// The place of a partition key.
    #[must_use]
    pub fn of_partition_key(key: &str) -> HashKey {
        HashKey(u128::from_be_bytes(Md5::digest(key.as_bytes()).into()))
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_is_read_as_a_big_endian_number() {
        // RFC 1321, A.5: MD5 ("abc") = 900150983cd24fb0d6963f7d28e17f72
        assert_eq!(
            HashKey::of_partition_key("abc").0,
            0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72
        );
    }
}
