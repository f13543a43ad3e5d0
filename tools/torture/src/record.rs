//! Records that say who they are: key, length and every byte follow from the identity, so that
//! what is read can be checked without what was written being kept.

use millstream_client::RecordView;

use crate::random::Random;

const MAGIC: [u8; 4] = *b"trt1";
/// Magic, stream, writer, length, number.
const HEADER: usize = 24;
/// Different keys: enough to reach every shard.
const KEYS: u64 = 64;

/// Who a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) stream: u32,
    pub(crate) writer: u32,
    pub(crate) number: u64,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "record {} of writer {}", self.number, self.writer)
    }
}

impl Identity {
    fn random(self, seed: u64) -> Random {
        let parts = [self.stream.into(), self.writer.into(), self.number];
        Random::of(seed, &parts)
    }

    /// Its key and its data.
    pub(crate) fn record(self, seed: u64) -> (String, Vec<u8>) {
        let mut random = self.random(seed);
        let key = format!("key-{}", random.below(KEYS));
        // Mostly small, sometimes many blocks, now and then a good part of a segment of 1 MiB.
        let filler = match random.below(100) {
            0..=1 => random.below(120 << 10),
            2..=19 => random.below(8 << 10),
            _ => random.below(600),
        } as usize;
        let mut data = Vec::with_capacity(HEADER + filler + 8);
        data.extend_from_slice(&MAGIC);
        data.extend_from_slice(&self.stream.to_le_bytes());
        data.extend_from_slice(&self.writer.to_le_bytes());
        data.extend_from_slice(&(filler as u32).to_le_bytes());
        data.extend_from_slice(&self.number.to_le_bytes());
        while data.len() < HEADER + filler {
            data.extend_from_slice(&random.next().to_le_bytes());
        }
        data.truncate(HEADER + filler);
        (key, data)
    }

    /// Who a record that was read is; an error where it is not byte for byte what was sent.
    pub(crate) fn of(view: &RecordView<'_>, seed: u64) -> Result<Identity, String> {
        let data = view.data;
        let word = |at: usize| -> Option<u32> {
            let bytes = data.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let number = data.get(16..HEADER).and_then(|bytes| bytes.try_into().ok());
        let (Some(stream), Some(writer), Some(number), true) =
            (word(4), word(8), number, data.starts_with(&MAGIC))
        else {
            let len = data.len();
            return Err(format!("{len} bytes that were never sent"));
        };
        let identity = Identity {
            stream,
            writer,
            number: u64::from_le_bytes(number),
        };
        let (key, expected) = identity.record(seed);
        if view.key != key {
            return Err(format!("{identity} has key {:?}, not {key:?}", view.key));
        }
        if data != expected {
            let same = data.iter().zip(&expected).take_while(|(a, b)| a == b);
            return Err(format!(
                "{identity} has {} bytes that differ from the {} that were sent from byte {} on",
                data.len(),
                expected.len(),
                same.count()
            ));
        }
        Ok(identity)
    }
}

#[cfg(test)]
mod tests;
