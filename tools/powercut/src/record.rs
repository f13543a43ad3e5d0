//! What a record holds: it follows from its shard and its number, so that every byte can be told.

use millstream_engine::{SequenceNumber, ShardId};

use crate::plan::Style;

/// SplitMix64: fillers, sizes, choices.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// The record of a number: key and data.
pub(crate) fn record(shard: ShardId, sequence: SequenceNumber) -> (String, Vec<u8>) {
    let mut dice = Dice(shard.0.rotate_left(32) ^ sequence.0);
    let (least, most) = Style::of(shard).record_bytes();
    let len = least + dice.below((most - least) as u64) as usize;
    let mut data = Vec::with_capacity(len + 8);
    data.extend_from_slice(&shard.0.to_le_bytes());
    data.extend_from_slice(&sequence.0.to_le_bytes());
    while data.len() < len {
        data.extend_from_slice(&dice.next().to_le_bytes());
    }
    data.truncate(len);
    (format!("key-{}", dice.below(1000)), data)
}
