//! Bytes that do not compress, made before the clock runs, and a sum to know them by.

/// Bytes that the records of a producer are windows of.
const POOL: usize = 4 << 20;
/// The same where there are many producers.
const SMALL_POOL: usize = POOL / 64;

/// xorshift64*: plenty for data that must not compress.
#[derive(Debug)]
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// The records of one producer: endless, of one size, each known by its number.
#[derive(Debug)]
pub(crate) struct Load {
    pool: Vec<u8>,
    distinct: usize,
    size: usize,
}

impl Load {
    pub(crate) fn new(seed: u64, size: usize, producers: usize) -> Load {
        let distinct = if producers > 8 { SMALL_POOL } else { POOL };
        let mut noise = Noise::new(seed);
        let mut pool = Vec::with_capacity(distinct + size + 8);
        while pool.len() < distinct + size {
            pool.extend(noise.next().to_le_bytes());
        }
        Load {
            pool,
            distinct,
            size,
        }
    }

    #[inline]
    pub(crate) fn record(&self, number: u64) -> &[u8] {
        // A step that is odd and not a power of two visits every alignment.
        let at = (number.wrapping_mul(1031) % self.distinct as u64) as usize;
        &self.pool[at..at + self.size]
    }
}

/// Records counted, and summed over all their bytes regardless of their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    sum: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, record: &[u8]) {
        self.records += 1;
        self.sum = self.sum.wrapping_add(digest(record));
    }
}

fn digest(record: &[u8]) -> u64 {
    let step =
        |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = record.as_chunks::<8>();
    let hash = words.iter().fold(record.len() as u64, |hash, word| {
        step(hash, u64::from_le_bytes(*word))
    });
    rest.iter()
        .fold(hash, |hash, byte| step(hash, (*byte).into()))
}

#[cfg(test)]
mod tests;
