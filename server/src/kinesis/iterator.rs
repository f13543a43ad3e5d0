//! Shard iterators: opaque texts that hold a reader's whole place, so that the server keeps
//! nothing for a reader and an iterator outlives a restart.
//!
//! ```text
//! version 1, kind 1, stream id 8, shard 4, value 8, issued ms 8, name of the stream, tag 16
//! ```
//!
//! as base64, numbers little-endian. The tag is a keyed hash of all before it: nobody makes an
//! iterator but who has the key, so what is in one needs no check beyond its age.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use millstream_engine::{Position, SequenceNumber};

/// How long an iterator may be used.
pub(crate) const LIFETIME_MS: u64 = 300_000;
/// Most characters that Kinesis allows.
const MAX_CHARS: usize = 512;
const VERSION: u8 = 1;
const TAG_LEN: usize = 16;
const FIXED_LEN: usize = 1 + 1 + 8 + 4 + 8 + 8;

const KIND_OLDEST: u8 = 0;
const KIND_AT: u8 = 1;
const KIND_TIME: u8 = 2;

/// Where in a shard an iterator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the oldest record that is kept.
    Oldest,
    /// At a record, by the engine's number.
    At(u64),
    /// At the first record of this time (milliseconds since 1970) or later.
    Time(u64),
}

impl Place {
    /// The same, as the engine takes it.
    pub(crate) fn position(self) -> Position {
        match self {
            Place::Oldest => Position::Oldest,
            Place::At(index) => Position::At(SequenceNumber(index)),
            Place::Time(ms) => Position::AtTime(ms),
        }
    }
}

/// What an iterator holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardIterator<'a> {
    /// The stream's name, by which it is found.
    pub stream: &'a str,
    /// Its id, by which it is told from an earlier one of that name.
    pub stream_id: u64,
    /// The shard's number in the stream.
    pub shard: u32,
    pub place: Place,
    /// When it was given, milliseconds since 1970.
    pub issued_ms: u64,
}

/// Why an iterator cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IteratorError {
    /// It was not made with this key.
    Invalid,
    /// It was given too long ago.
    Expired { issued_ms: u64 },
}

/// Makes iterators and opens them again, with the key of the server.
#[derive(Debug, Clone)]
pub(crate) struct Iterators {
    key: hmac::Key,
}

impl Iterators {
    pub(crate) fn new(key: &[u8; 32]) -> Iterators {
        Iterators {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    fn tag(&self, content: &[u8]) -> [u8; TAG_LEN] {
        let mut keyed = hmac::Context::with_key(&self.key);
        // So that the same key makes other tags elsewhere in the server.
        keyed.update(b"millstream shard iterator\0");
        keyed.update(content);
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&keyed.sign().as_ref()[..TAG_LEN]);
        tag
    }

    /// The text of an iterator.
    pub(crate) fn seal(&self, iterator: &ShardIterator<'_>) -> String {
        let mut bytes = Vec::with_capacity(FIXED_LEN + iterator.stream.len() + TAG_LEN);
        let (kind, value) = match iterator.place {
            Place::Oldest => (KIND_OLDEST, 0),
            Place::At(index) => (KIND_AT, index),
            Place::Time(time_ms) => (KIND_TIME, time_ms),
        };
        bytes.extend([VERSION, kind]);
        bytes.extend(iterator.stream_id.to_le_bytes());
        bytes.extend(iterator.shard.to_le_bytes());
        bytes.extend(value.to_le_bytes());
        bytes.extend(iterator.issued_ms.to_le_bytes());
        bytes.extend(iterator.stream.as_bytes());
        self.sealed(bytes)
    }

    /// The text of what an iterator holds, with its tag.
    pub(crate) fn sealed(&self, mut content: Vec<u8>) -> String {
        content.extend(self.tag(&content));
        base64_simd::STANDARD.encode_to_string(&content)
    }

    /// Opens an iterator that is not older than it may be, and gives what it holds to `then`.
    ///
    /// # Errors
    /// When the text is not one that [`Iterators::seal`] gave, or too old.
    pub(crate) fn open<T>(
        &self,
        text: &str,
        now_ms: u64,
        then: impl FnOnce(ShardIterator<'_>) -> T,
    ) -> Result<T, IteratorError> {
        if text.len() > MAX_CHARS {
            return Err(IteratorError::Invalid);
        }
        let bytes = base64_simd::STANDARD
            .decode_to_vec(text)
            .map_err(|_| IteratorError::Invalid)?;
        let iterator = self.verify(&bytes).ok_or(IteratorError::Invalid)?;
        let issued_ms = iterator.issued_ms;
        // A clock that was set back makes an iterator young, and not wrong.
        if now_ms.saturating_sub(issued_ms) > LIFETIME_MS {
            return Err(IteratorError::Expired { issued_ms });
        }
        Ok(then(iterator))
    }

    fn verify<'a>(&self, bytes: &'a [u8]) -> Option<ShardIterator<'a>> {
        let (content, tag) = bytes.split_last_chunk::<TAG_LEN>()?;
        verify_slices_are_equal(&self.tag(content), tag).ok()?;
        let (version, rest) = content.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (kind, rest) = rest.split_first()?;
        let (stream_id, rest) = rest.split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let (issued_ms, name) = rest.split_first_chunk()?;
        let value = u64::from_le_bytes(*value);
        Some(ShardIterator {
            stream: std::str::from_utf8(name).ok()?,
            stream_id: u64::from_le_bytes(*stream_id),
            shard: u32::from_le_bytes(*shard),
            place: match *kind {
                KIND_OLDEST if value == 0 => Place::Oldest,
                KIND_AT => Place::At(value),
                KIND_TIME => Place::Time(value),
                _ => return None,
            },
            issued_ms: u64::from_le_bytes(*issued_ms),
        })
    }
}

#[cfg(test)]
mod tests;
