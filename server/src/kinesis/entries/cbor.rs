//! The body of PutRecords in CBOR, as clients write it, read in one pass: nothing is copied.
//!
//! As with JSON, only what is plain is understood: members that are always there, text and bytes in
//! one piece, values within the model's limits. Everything else is left to the general way of
//! decoding.

use minicbor::{Decoder, data::Type};

use super::{Data, Entry, MAX_BYTES, MAX_ENTRIES, MAX_KEY, PutRecordsBody, hash_of};

/// Reads a body; `None` for one that is not plain.
pub(crate) fn read(body: &[u8]) -> Option<PutRecordsBody<'_>> {
    let mut reader = Decoder::new(body);
    let mut found = PutRecordsBody::default();
    let mut members = Rest(reader.map().ok()?);
    while members.next(&mut reader)? {
        match reader.str().ok()? {
            "Records" if found.entries.is_empty() => found.entries = entries(&mut reader)?,
            "StreamName" if found.stream_name.is_none() => {
                found.stream_name = Some(reader.str().ok()?);
            }
            "StreamARN" if found.stream_arn.is_none() => {
                found.stream_arn = Some(reader.str().ok()?);
            }
            _ => return None,
        }
    }
    let whole = reader.position() == body.len();
    (whole && !found.entries.is_empty()).then_some(found)
}

fn entries<'a>(reader: &mut Decoder<'a>) -> Option<Vec<Entry<'a>>> {
    let mut entries = Vec::with_capacity(16);
    let mut elements = Rest(reader.array().ok()?);
    while elements.next(reader)? {
        if entries.len() == MAX_ENTRIES {
            return None;
        }
        entries.push(entry(reader)?);
    }
    Some(entries)
}

fn entry<'a>(reader: &mut Decoder<'a>) -> Option<Entry<'a>> {
    let (mut data, mut key, mut hash) = (None, None, None);
    let mut members = Rest(reader.map().ok()?);
    while members.next(reader)? {
        match reader.str().ok()? {
            "Data" if data.is_none() => {
                let bytes = reader.bytes().ok()?;
                data = (bytes.len() <= MAX_BYTES).then_some(bytes);
                data?;
            }
            "PartitionKey" if key.is_none() => {
                let text = reader.str().ok()?;
                key = (1..=MAX_KEY).contains(&text.len()).then_some(text);
                key?;
            }
            "ExplicitHashKey" if hash.is_none() => hash = Some(hash_of(reader.str().ok()?)?),
            _ => return None,
        }
    }
    Some(Entry {
        key: key?,
        explicit_hash: hash,
        data: Data::Bytes(data?),
    })
}

/// What is left of a map or an array: so many, or what there is until a break.
struct Rest(Option<u64>);

impl Rest {
    /// Whether there is another, at which the reader then stands; `None` when there is nothing
    /// where something should be.
    fn next(&mut self, reader: &mut Decoder<'_>) -> Option<bool> {
        match &mut self.0 {
            Some(0) => Some(false),
            Some(left) => {
                *left -= 1;
                Some(true)
            }
            None if reader.datatype().ok()? == Type::Break => {
                reader.skip().ok()?;
                Some(false)
            }
            None => Some(true),
        }
    }
}

#[cfg(test)]
mod tests;
