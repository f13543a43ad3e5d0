//! The second lane: a batch made elsewhere, checked here, stamped and written as it is.

use millstream_format::{
    BATCH_HEADER_LEN, BatchBuilder, BatchHeader, BatchLimits, Compression, FormatError,
    ProducerEntry, RawBody, RecordView,
};

use std::sync::Arc;

use super::staging;
use crate::{
    error::Error,
    io::pool::{Pool, PoolBuffer},
    options::CompressionChoice,
};

/// Batches with a raw body below this are copied into staging.
const COPY_BELOW: u32 = 32 * 1024;

/// A batch made elsewhere whose bounds, framing, padding and checksum are in order. Nothing in it
/// was trusted but the routing of its records.
#[derive(Debug)]
pub struct ReadyBatch {
    pub(crate) buffer: PoolBuffer,
    pub(crate) header: BatchHeader,
    producer: Option<ProducerEntry>,
}

impl ReadyBatch {
    /// Checks the first `len` bytes of `buffer`: a header, then an uncompressed body with at
    /// least one record and at most one producer entry, which covers all of them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(
        buffer: PoolBuffer,
        len: usize,
        limits: &BatchLimits,
    ) -> Result<ReadyBatch, Error> {
        let bytes = buffer.get(..len).ok_or(FormatError::Short {
            what: "batch buffer",
            need: len,
            have: buffer.len(),
        })?;
        let (header, producer) = examine(bytes, limits)?;
        Ok(ReadyBatch {
            buffer,
            header,
            producer,
        })
    }
    /// A batch built in this process, which needs no check: [`crate::Store::batch`] gives the
    /// builder. A producer entry, if any, must cover all records.
    ///
    /// # Errors
    /// When there is no record in it.
    pub fn from_builder(builder: BatchBuilder<PoolBuffer>) -> Result<ReadyBatch, Error> {
        if builder.is_empty() {
            return Err(Error::Format(FormatError::Field {
                what: "batch count",
                value: 0,
                rule: "a batch to be appended has records",
            }));
        }
        let (buffer, header) = builder.finish();
        let body = &buffer[BATCH_HEADER_LEN..header.batch_len()];
        let producer = sole_producer(&header, &RawBody::new(&header, body)?)?;
        Ok(ReadyBatch {
            buffer,
            header,
            producer,
        })
    }

    /// Records in the batch.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.header.count
    }

    /// Bytes of header and body.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.batch_len()
    }

    /// Never: a batch that was checked has records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The put that the batch is, if its maker numbers them.
    #[must_use]
    pub fn producer(&self) -> Option<ProducerEntry> {
        self.producer
    }

    /// Its records, for instance to check their routing.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        self.raw()
            .into_iter()
            .flat_map(|raw| raw.records().flatten())
    }

    /// Whether it is to be copied into staging: as a write of its own it would be mostly padding.
    pub(crate) fn is_small(&self) -> bool {
        self.header.raw_len < COPY_BELOW
    }

    /// The same batch with its body compressed, where that makes it shorter.
    pub(crate) fn compress(mut self, choice: CompressionChoice, pool: &Arc<Pool>) -> ReadyBatch {
        if self.header.compression == Compression::None {
            self.buffer = staging::compress(choice, self.buffer, &mut self.header, pool);
        }
        self
    }

    pub(crate) fn raw(&self) -> Option<RawBody<'_>> {
        let body = self.buffer.get(BATCH_HEADER_LEN..self.len())?;
        RawBody::new(&self.header, body).ok()
    }
}

/// The header and the put of a batch, once all of it is in order.
fn examine(
    bytes: &[u8],
    limits: &BatchLimits,
) -> Result<(BatchHeader, Option<ProducerEntry>), Error> {
    let header = match BatchHeader::decode(bytes)? {
        Some(header) if header.count > 0 => header,
        _ => {
            return Err(Error::Format(FormatError::Field {
                what: "batch count",
                value: 0,
                rule: "a batch to be appended has records",
            }));
        }
    };
    if header.batch_len() != bytes.len() {
        return Err(Error::Format(FormatError::Short {
            what: "batch",
            need: header.batch_len(),
            have: bytes.len(),
        }));
    }
    if header.compression != Compression::None || header.close {
        return Err(Error::Format(FormatError::Field {
            what: "batch flags",
            value: 1,
            rule: "a batch to be appended is neither compressed nor a mark of closing",
        }));
    }
    let body = &bytes[BATCH_HEADER_LEN..];
    header.verify_body(body)?;
    let raw = RawBody::new(&header, body)?;
    raw.check(limits)?;
    let producer = sole_producer(&header, &raw)?;
    Ok((header, producer))
}

/// The put that a batch is: at most one, for all of its records.
fn sole_producer(header: &BatchHeader, raw: &RawBody<'_>) -> Result<Option<ProducerEntry>, Error> {
    let mut entries = raw.producers();
    let producer: Option<ProducerEntry> = entries.next();
    let more = entries.next().is_some();
    let covers = producer.is_none_or(|e| e.first == 0 && e.count == header.count);
    if more || !covers {
        return Err(Error::Format(FormatError::Field {
            what: "producer entries",
            value: header.producers.into(),
            rule: "there is at most one, for all records of the batch",
        }));
    }
    Ok(producer)
}
