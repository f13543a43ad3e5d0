//! One record inside a batch body: position-independent, 8-byte aligned, usable in place.
//!
//! ```text
//! 0        4        6        8
//! ┌────────┬────────┬────────┬───────────────────────┬─────┬──────┬─────────┐
//! │data len│key len │ flags  │ explicit hash (0, 16) │ key │ data │ 0 to 8n │
//! └────────┴────────┴────────┴───────────────────────┴─────┴──────┴─────────┘
//! ```

use crate::{
    EXPLICIT_HASH_LEN, FormatError, HashKey, MAX_KEY_BYTES, MAX_RECORD_BYTES, RECORD_ALIGN,
    RECORD_HEADER_LEN,
};

/// Flag bit: the record carries an explicit hash key.
const FLAG_EXPLICIT_HASH: u16 = 1;

/// A record to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record<'a> {
    /// Partition key; empty where the caller has none.
    pub key: &'a str,
    /// Overrides the MD5 of the key as the record's place in the hash space.
    pub explicit_hash: Option<HashKey>,
    /// The payload.
    pub data: &'a [u8],
}

impl<'a> Record<'a> {
    /// A record with a partition key.
    #[must_use]
    pub fn new(key: &'a str, data: &'a [u8]) -> Self {
        Record {
            key,
            explicit_hash: None,
            data,
        }
    }

    /// Where the record belongs in the hash space: the explicit hash, or the MD5 of the key.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash
            .unwrap_or_else(|| HashKey::of_partition_key(self.key))
    }

    /// What is known of it without its data.
    #[must_use]
    #[inline]
    pub fn outline(&self) -> RecordOutline<'a> {
        RecordOutline {
            key: self.key,
            explicit_hash: self.explicit_hash,
            data_len: self.data.len(),
        }
    }

    /// Bytes that the record takes in a batch body, padding included.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.outline().encoded_len()
    }

    /// Checks the record against the format's limits and `max_record` bytes of data and key.
    /// `index` is only for the error.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] when the key or the whole is over its limit.
    pub fn check(&self, index: u32, max_record: usize) -> Result<(), FormatError> {
        self.outline().check(index, max_record)
    }

    /// Writes the record to the front of `out` and returns the bytes taken.
    ///
    /// # Panics
    /// When `out` is shorter than [`Record::encoded_len`], or the record was not checked.
    #[inline]
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let written = self.outline().encode_with(out, |data| {
            data.copy_from_slice(self.data);
            Ok::<(), std::convert::Infallible>(())
        });
        match written {
            Ok(total) => total,
            Err(never) => match never {},
        }
    }
}

/// A record whose data is not there yet: it is written, or decoded, to where it will lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordOutline<'a> {
    /// Partition key; empty where the caller has none.
    pub key: &'a str,
    /// Overrides the MD5 of the key as the record's place in the hash space.
    pub explicit_hash: Option<HashKey>,
    /// Bytes of the payload.
    pub data_len: usize,
}

impl RecordOutline<'_> {
    /// Bytes that the record takes in a batch body, padding included.
    #[must_use]
    #[inline]
    pub fn encoded_len(&self) -> usize {
        let explicit = if self.explicit_hash.is_some() {
            EXPLICIT_HASH_LEN
        } else {
            0
        };
        (RECORD_HEADER_LEN + explicit + self.key.len() + self.data_len)
            .next_multiple_of(RECORD_ALIGN)
    }

    /// As [`Record::check`].
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] when the key or the whole is over its limit.
    pub fn check(&self, index: u32, max_record: usize) -> Result<(), FormatError> {
        check_sizes(
            index,
            self.key.len(),
            self.data_len,
            max_record.min(MAX_RECORD_BYTES),
        )
    }

    /// Writes the record to the front of `out`, its data by `write`, and returns the bytes taken.
    ///
    /// # Errors
    /// That of `write`; `out` then holds half a record.
    ///
    /// # Panics
    /// As [`Record::encode`].
    #[inline]
    pub fn encode_with<E>(
        &self,
        out: &mut [u8],
        write: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        assert!(self.key.len() <= MAX_KEY_BYTES && self.data_len <= MAX_RECORD_BYTES);
        let total = self.encoded_len();
        let out = &mut out[..total];
        out[0..4].copy_from_slice(&(self.data_len as u32).to_le_bytes());
        out[4..6].copy_from_slice(&(self.key.len() as u16).to_le_bytes());
        let mut at = RECORD_HEADER_LEN;
        let mut flags = 0u16;
        if let Some(hash) = self.explicit_hash {
            flags |= FLAG_EXPLICIT_HASH;
            out[at..at + EXPLICIT_HASH_LEN].copy_from_slice(&hash.0.to_le_bytes());
            at += EXPLICIT_HASH_LEN;
        }
        out[6..8].copy_from_slice(&flags.to_le_bytes());
        out[at..at + self.key.len()].copy_from_slice(self.key.as_bytes());
        at += self.key.len();
        let (data, padding) = out[at..].split_at_mut(self.data_len);
        write(data)?;
        padding.fill(0);
        Ok(total)
    }
}

/// A record lent out of a batch body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Partition key, empty where the writer had none.
    pub key: &'a str,
    /// The explicit hash key that the writer gave, if any.
    pub explicit_hash: Option<HashKey>,
    /// The payload.
    pub data: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// The same record, as something to append.
    #[must_use]
    pub fn as_record(&self) -> Record<'a> {
        Record {
            key: self.key,
            explicit_hash: self.explicit_hash,
            data: self.data,
        }
    }

    /// Reads the record at the front of `bytes`; returns it and the bytes that it takes.
    /// `index` is only for the error.
    ///
    /// # Errors
    /// When the bytes break the framing, a limit, or the rule that padding is zero.
    #[inline]
    pub fn decode(bytes: &'a [u8], index: u32) -> Result<(Self, usize), FormatError> {
        let broken = |reason| FormatError::Record { index, reason };
        let Some((header, rest)) = bytes.split_first_chunk::<RECORD_HEADER_LEN>() else {
            return Err(broken("its header is cut short"));
        };
        let [d0, d1, d2, d3, k0, k1, f0, f1] = *header;
        let data_len = u32::from_le_bytes([d0, d1, d2, d3]) as usize;
        let key_len = u16::from_le_bytes([k0, k1]) as usize;
        let flags = u16::from_le_bytes([f0, f1]);
        if flags & !FLAG_EXPLICIT_HASH != 0 {
            return Err(broken("it has flags that this build does not know"));
        }
        check_sizes(index, key_len, data_len, MAX_RECORD_BYTES)?;
        let (explicit_hash, rest) = if flags & FLAG_EXPLICIT_HASH == 0 {
            (None, rest)
        } else {
            let Some((hash, rest)) = rest.split_first_chunk::<EXPLICIT_HASH_LEN>() else {
                return Err(broken("its explicit hash is cut short"));
            };
            (Some(HashKey(u128::from_le_bytes(*hash))), rest)
        };
        let Some((key, rest)) = rest.split_at_checked(key_len) else {
            return Err(broken("its key is cut short"));
        };
        let Some((data, rest)) = rest.split_at_checked(data_len) else {
            return Err(broken("its data is cut short"));
        };
        let used = bytes.len() - rest.len();
        let padding = used.next_multiple_of(RECORD_ALIGN) - used;
        match rest.get(..padding) {
            Some(zeros) if zeros.iter().all(|byte| *byte == 0) => {}
            Some(_) => return Err(broken("its padding is not zero")),
            None => return Err(broken("its padding is cut short")),
        }
        let Ok(key) = std::str::from_utf8(key) else {
            return Err(broken("its key is not UTF-8"));
        };
        let record = RecordView {
            key,
            explicit_hash,
            data,
        };
        Ok((record, used + padding))
    }
}

#[inline]
fn check_sizes(index: u32, key: usize, data: usize, max_record: usize) -> Result<(), FormatError> {
    let too_large = |what, bytes, limit| FormatError::TooLarge {
        index,
        what,
        bytes,
        limit,
    };
    if key > MAX_KEY_BYTES {
        return Err(too_large("partition key", key, MAX_KEY_BYTES));
    }
    if data + key > max_record {
        return Err(too_large("data and key", data + key, max_record));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
