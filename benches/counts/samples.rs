//! The data of the rounds: the same bytes every time.

use millstream_engine::format::{BATCH_HEADER_LEN, BatchBuilder, Record};

/// Bytes that do not compress.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut sequence = Sequence::default();
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend_from_slice(&sequence.next().to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Numbers without a pattern, the same ones every time.
pub(crate) struct Sequence(u64);

impl Default for Sequence {
    fn default() -> Self {
        Sequence(0x9e37_79b9_7f4a_7c15)
    }
}

impl Sequence {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// `count` keys of 16 bytes.
pub(crate) fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("device-{n:09}")).collect()
}

/// `count` records of `len` bytes under keys of 16. Rounds lend them until the program ends.
pub(crate) fn records(count: usize, len: usize) -> Vec<Record<'static>> {
    let data: &[u8] = noise(len).leak();
    let keys = keys(count).into_iter().map(String::leak);
    keys.map(|key| Record::new(key, data)).collect()
}

/// Bytes of a batch of these records.
pub(crate) fn batch_len(records: &[Record<'_>]) -> usize {
    BATCH_HEADER_LEN + records.iter().map(Record::encoded_len).sum::<usize>()
}

/// A batch of these records, header and body.
pub(crate) fn batch(records: &[Record<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(vec![0; batch_len(records)]);
    for record in records {
        builder.push(record);
    }
    builder.finish().0
}
