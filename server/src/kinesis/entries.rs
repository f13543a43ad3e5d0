//! The records of a put as they lie in the body of a request.

pub(crate) mod cbor;
pub(crate) mod json;

use base64_simd::AsOut;
use millstream_engine::format::{
    HashKey, RecordOutline,
    base64::{NotBase64, decode_front},
};

use super::{
    body::Blob,
    fault::{Fault, FaultKind},
};

/// Most records of one PutRecords.
pub(crate) const MAX_ENTRIES: usize = 500;
/// Most bytes of data and keys of one PutRecords, and of data in any record.
pub(crate) const MAX_BYTES: usize = 10 << 20;

/// A key of as many bytes has no more than 256 characters.
const MAX_KEY: usize = 256;

/// A body of PutRecords that needs no general decoding.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct PutRecordsBody<'a> {
    /// Not yet held against its pattern.
    pub stream_name: Option<&'a str>,
    /// Not yet held against its pattern.
    pub stream_arn: Option<&'a str>,
    /// 1 to 500.
    pub entries: Vec<Entry<'a>>,
}

/// A record that is to be put.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entry<'a> {
    pub key: &'a str,
    pub explicit_hash: Option<HashKey>,
    pub data: Data<'a>,
}

/// Data as it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Data<'a> {
    /// Base64 of the standard alphabet with its padding, not yet looked at, and how many bytes it
    /// stands for if it is that.
    Base64(&'a [u8], usize),
    /// Itself.
    Bytes(&'a [u8]),
    /// What the general way of decoding has found to be good.
    Blob(&'a Blob<'a>),
}

impl<'a> Entry<'a> {
    /// Bytes of data and key.
    pub(crate) fn len(&self) -> usize {
        self.key.len() + self.data.len()
    }

    pub(crate) fn outline(&self) -> RecordOutline<'a> {
        RecordOutline {
            key: self.key,
            explicit_hash: self.explicit_hash,
            data_len: self.data.len(),
        }
    }
}

impl<'a> Data<'a> {
    /// Data that may be base64; `None` when its length says that it is not.
    pub(crate) fn base64(text: &'a [u8]) -> Option<Data<'a>> {
        if !text.len().is_multiple_of(4) {
            return None;
        }
        let padding = text
            .iter()
            .rev()
            .take(2)
            .take_while(|c| **c == b'=')
            .count();
        Some(Data::Base64(text, text.len() / 4 * 3 - padding))
    }

    /// Bytes of it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Data::Base64(_, len) => *len,
            Data::Bytes(bytes) => bytes.len(),
            Data::Blob(blob) => blob.len(),
        }
    }

    /// Writes the bytes to `out`, which is as long as they are.
    ///
    /// # Errors
    /// [`NotBase64`]; what is in `out` then means nothing.
    pub(crate) fn decode(&self, out: &mut [u8]) -> Result<(), NotBase64> {
        match self {
            Data::Base64(text, len) => {
                let front = decode_front(text, out)?;
                let bytes = front / 4 * 3;
                let rest = base64_simd::STANDARD
                    .decode(&text[front..], out[bytes..].as_out())
                    .map_err(|_| NotBase64)?;
                let decoded = bytes + rest.len();
                (decoded == *len).then_some(()).ok_or(NotBase64)
            }
            Data::Bytes(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            Data::Blob(blob) => blob.decode_into(out).map_err(|_| NotBase64),
        }
    }
}

/// The place that an ExplicitHashKey names: 0 or digits without leading zeros, below 2^128.
fn hash_of(text: &str) -> Option<HashKey> {
    let digits = text.as_bytes();
    let plain = digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'));
    if !plain {
        return None;
    }
    text.parse().ok().map(HashKey)
}

/// The place that an ExplicitHashKey names, if there is one.
///
/// # Errors
/// `InvalidArgumentException` for a number that is too high.
pub(crate) fn explicit_hash(text: Option<&str>) -> Result<Option<HashKey>, Fault> {
    let hash = |text| {
        hash_of(text).ok_or_else(|| {
            let message = format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
            );
            Fault::new(FaultKind::InvalidArgumentException, message)
        })
    };
    text.map(hash).transpose()
}

/// Looks at the size of a request.
///
/// # Errors
/// `InvalidArgumentException`.
pub(crate) fn check_total(entries: &[Entry<'_>]) -> Result<(), Fault> {
    let total: usize = entries.iter().map(Entry::len).sum();
    if total > MAX_BYTES {
        let message = format!(
            "Records size exceeds 10 MB limit: {total} bytes of data and partition keys, and the limit is {MAX_BYTES}"
        );
        return Err(Fault::new(FaultKind::InvalidArgumentException, message));
    }
    Ok(())
}

/// Looks at the size of each record, which is at most `limit` in its stream.
///
/// # Errors
/// `ValidationException` for the first that is larger; `name` says where it is in the request.
pub(crate) fn check_each(
    entries: &[Entry<'_>],
    limit: usize,
    name: impl Fn(usize) -> String,
) -> Result<(), Fault> {
    match entries.iter().position(|entry| entry.len() > limit) {
        None => Ok(()),
        Some(at) => Err(Fault::new(
            FaultKind::ValidationException,
            format!(
                "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must have length less than or equal to {limit}, with its partition key; it has {}",
                name(at),
                entries[at].len()
            ),
        )),
    }
}

#[cfg(test)]
mod tests;
