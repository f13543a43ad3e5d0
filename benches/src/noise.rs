//! Records and their keys, made before the clock runs: bytes that do not compress, or text.

use crate::log_text;

/// Bytes of a partition key.
pub(crate) const KEY_BYTES: usize = 16;

/// Keys in a [`Load`]: many more than shards, few enough to stay near the processor.
const KEYS: usize = 1 << 14;
/// Bytes of data in a [`Load`]; records take turns at windows of it.
const POOL: usize = 4 << 20;
/// The same of text: far more than one batch holds, whose repetitions a compressor would find.
const TEXT_POOL: usize = 32 << 20;

/// xorshift64*: plenty for data that must not compress.
#[derive(Debug, Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// The records of one producer: endless, of one size, with keys that spread.
#[derive(Debug)]
pub(crate) struct Load {
    keys: String,
    pool: Vec<u8>,
    distinct: usize,
    size: usize,
    next: usize,
}

impl Load {
    pub(crate) fn new(seed: u64, size: usize) -> Load {
        Load::with_pool(seed, size, POOL)
    }

    /// One that takes little memory, for where there are many producers.
    pub(crate) fn small(seed: u64, size: usize) -> Load {
        Load::with_pool(seed, size, POOL / 64)
    }

    /// One of text, which does compress.
    pub(crate) fn text(seed: u64, size: usize) -> Load {
        let pool = log_text::lines(seed, TEXT_POOL + size);
        Load::of(Noise::new(seed), size, pool, TEXT_POOL)
    }

    fn with_pool(seed: u64, size: usize, distinct: usize) -> Load {
        let mut noise = Noise::new(seed);
        let mut pool = vec![0; distinct + size];
        noise.fill(&mut pool);
        Load::of(noise, size, pool, distinct)
    }

    fn of(mut noise: Noise, size: usize, pool: Vec<u8>, distinct: usize) -> Load {
        let keys = (0..KEYS)
            .map(|_| format!("{:016x}", noise.next()))
            .collect();
        Load {
            keys,
            pool,
            distinct,
            size,
            next: 0,
        }
    }

    /// Key and data of the next record.
    #[inline]
    pub(crate) fn next(&mut self) -> (&str, &[u8]) {
        self.next += 1;
        self.record(self.next - 1)
    }

    /// Key and data of a record by its number.
    #[inline]
    pub(crate) fn record(&self, at: usize) -> (&str, &[u8]) {
        let key = at % KEYS * KEY_BYTES;
        // A step that is odd and not a power of two visits every alignment.
        let data = at.wrapping_mul(1031) % self.distinct;
        (
            &self.keys[key..key + KEY_BYTES],
            &self.pool[data..data + self.size],
        )
    }
}

/// A sum over records that does not depend on their order, for comparing what was acknowledged
/// with what is read back, at a nanosecond a record. (Checksums cover the bytes.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    sum: u64,
}

impl Tally {
    #[inline]
    pub(crate) fn add(&mut self, key: &str, data: &[u8]) {
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        self.records += 1;
        self.bytes += data.len() as u64;
        self.sum = self
            .sum
            .wrapping_add(word(key.as_bytes()).rotate_left(17) ^ word(data));
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}
