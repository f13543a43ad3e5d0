//! What two texts have to have in common: the same lines as often, and for each key the same
//! lines in the same order.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use md5::{Digest, Md5};

use super::line;
use crate::failure::Failure;

/// Odd, for a sum in which every position counts differently.
const STEP: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

/// The lines of one key, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chain {
    lines: u64,
    /// Changes with each line and with their order.
    sum: u128,
    shard: Option<u32>,
}

/// A text, by 128-bit hashes of its lines.
#[derive(Debug, Default)]
pub(super) struct Fingerprint {
    hashes: Vec<u128>,
    chains: HashMap<Box<[u8]>, Chain>,
    /// A key that was met in two shards.
    split: Option<String>,
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines of {} keys", self.lines(), self.keys())
    }
}

impl Fingerprint {
    pub(super) fn lines(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn keys(&self) -> usize {
        self.chains.len()
    }

    /// Adds the lines of a file, all of one shard where that is told.
    pub(super) fn add_file(&mut self, path: &Path, shard: Option<u32>) -> Result<(), Failure> {
        let file = File::open(path).map_err(Failure::io("open", path))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = reader
                .read_until(b'\n', &mut text)
                .map_err(Failure::io("read", path))?;
            if read == 0 {
                return Ok(());
            }
            self.add(text.strip_suffix(b"\n").unwrap_or(&text), shard);
        }
    }

    pub(super) fn add(&mut self, text: &[u8], shard: Option<u32>) {
        let hash = u128::from_le_bytes(Md5::digest(text).into());
        self.hashes.push(hash);
        // A line without a key cannot have been put; it is found among the lines.
        let key = line::key(text).unwrap_or_default();
        let fresh = Chain {
            lines: 0,
            sum: 0,
            shard,
        };
        let chain = match self.chains.get_mut(key) {
            Some(chain) => chain,
            None => match self.chains.entry(key.into()) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(fresh),
            },
        };
        if chain.shard != shard {
            self.split = Some(String::from_utf8_lossy(key).into_owned());
        }
        chain.lines += 1;
        chain.sum = chain.sum.wrapping_mul(STEP).wrapping_add(hash);
    }

    /// Says how `found` differs from this.
    pub(super) fn compare(&self, found: &Fingerprint) -> Result<(), String> {
        if let Some(key) = &found.split {
            return Err(format!("key {key:?} is in two shards"));
        }
        let sorted = |of: &Fingerprint| {
            let mut hashes = of.hashes.clone();
            hashes.sort_unstable();
            hashes
        };
        let (ours, theirs) = (sorted(self), sorted(found));
        if ours != theirs {
            let (missing, extra) = difference(&ours, &theirs);
            return Err(format!(
                "{} lines were put, {} came back: {missing} are missing, {extra} are too many",
                ours.len(),
                theirs.len()
            ));
        }
        for (key, chain) in &self.chains {
            let other = found.chains.get(key);
            if other.is_none_or(|other| (other.lines, other.sum) != (chain.lines, chain.sum)) {
                let key = String::from_utf8_lossy(key);
                return Err(format!(
                    "the {} lines of key {key:?} came in another order",
                    chain.lines
                ));
            }
        }
        Ok(())
    }
}

/// How many of sorted `ours` are missing in sorted `theirs`, and the other way round.
fn difference(ours: &[u128], theirs: &[u128]) -> (usize, usize) {
    let (mut a, mut b, mut common) = (0, 0, 0);
    while let (Some(x), Some(y)) = (ours.get(a), theirs.get(b)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            std::cmp::Ordering::Equal => (a, b, common) = (a + 1, b + 1, common + 1),
        }
    }
    (ours.len() - common, theirs.len() - common)
}
