//! Batches that were read: verified, decompressed, lending their records.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use millstream_format::{
    BATCH_HEADER_LEN, BatchHeader, Compression, FormatError, RawBody, RecordView, compression,
};
use millstream_wire::Chunk;

use crate::Error;

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRecord<'a> {
    /// Its sequence number.
    pub sequence: u64,
    /// When it was taken, milliseconds since 1970.
    pub time_ms: u64,
    /// Key, explicit hash and data.
    pub record: RecordView<'a>,
}

/// A batch whose checksums were verified. A compressed one is decompressed when its records are
/// first asked for, so that many of them are not held whole at a time.
#[derive(Debug, Clone)]
pub struct ReadBatch {
    header: BatchHeader,
    /// The payload that it came in, and its body there.
    payload: Arc<Vec<u8>>,
    body: Range<usize>,
    /// Sequence numbers to be delivered.
    deliver: Range<u64>,
    raw: OnceLock<Result<Vec<u8>, FormatError>>,
}

impl ReadBatch {
    /// The records to be delivered, in order. An item that is an error is the last: the batch
    /// breaks the format although its checksums match.
    pub fn records(&self) -> impl Iterator<Item = Result<ReadRecord<'_>, Error>> {
        let (mut body, mut broken) = (None, None);
        match self
            .raw_body()
            .and_then(|raw| RawBody::new(&self.header, raw))
        {
            Ok(raw) => body = Some(raw.records()),
            Err(error) => broken = Some(Err(Error::Format(error))),
        }
        let sequences = self.header.first_sequence..;
        let records = body.into_iter().flatten().zip(sequences);
        let (time_ms, deliver) = (self.header.time_ms, self.deliver.clone());
        records
            .take_while({
                let end = deliver.end;
                move |(_, sequence)| *sequence < end
            })
            .filter(move |(record, sequence)| *sequence >= deliver.start || record.is_err())
            .map(move |(record, sequence)| {
                Ok(ReadRecord {
                    sequence,
                    time_ms,
                    record: record?,
                })
            })
            .chain(broken)
    }

    fn raw_body(&self) -> Result<&[u8], FormatError> {
        let stored = &self.payload[self.body.clone()];
        if self.header.compression == Compression::None {
            return Ok(stored);
        }
        let raw = self
            .raw
            .get_or_init(|| compression::decompress(&self.header, stored));
        raw.as_deref().map_err(Clone::clone)
    }

    /// Sequence number of the first record to be delivered.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.deliver.start
    }

    /// Sequence number after the last.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.deliver.end
    }

    /// Records to be delivered.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.deliver.end - self.deliver.start
    }

    /// Time of the batch, milliseconds since 1970.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.header.time_ms
    }

    /// Bytes of the batch as stored, header included.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        self.header.batch_len()
    }
}

/// Splits a payload into its batches and verifies each header, each body's checksum, that they
/// are in order, and that nothing that the chunk promises is missing.
///
/// # Errors
/// The first thing that is wrong: nothing of the payload is to be believed then.
pub(crate) fn split(chunk: &Chunk, payload: Vec<u8>) -> Result<Vec<ReadBatch>, Error> {
    let payload = Arc::new(payload);
    let mut batches = Vec::new();
    let mut at = 0;
    let mut next = chunk.first;
    while at < payload.len() {
        let Some(header) = BatchHeader::decode(&payload[at..])? else {
            return Err(FormatError::Magic { found: 0 }.into());
        };
        let body = at + BATCH_HEADER_LEN..at + header.batch_len();
        let Some(bytes) = payload.get(body.clone()) else {
            return Err(FormatError::Short {
                what: "batch body",
                need: header.stored_len as usize,
                have: payload.len() - body.start,
            }
            .into());
        };
        header.verify_body(bytes)?;
        at = body.end;
        let deliver = header.first_sequence.max(next)..header.end_sequence().min(chunk.next);
        if deliver.is_empty() {
            continue;
        }
        // A shard that was not closed cleanly may jump ahead, so that a gap is no error here.
        next = deliver.end;
        batches.push(ReadBatch {
            header,
            payload: payload.clone(),
            body,
            deliver,
            raw: OnceLock::new(),
        });
    }
    if next != chunk.next && !batches.is_empty() {
        return Err(Error::Unexpected {
            what: format!("records up to {next} where it promised {}", chunk.next),
        });
    }
    Ok(batches)
}
