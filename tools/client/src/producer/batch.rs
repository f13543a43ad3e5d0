//! A batch on its way from the first record to its outcome.

use std::{sync::Arc, time::Instant};

use millstream_format::{
    BATCH_HEADER_LEN, BatchBuilder, BatchHeader, PRODUCER_ENTRY_LEN, ProducerEntry, RawBody,
    Record, crc32c,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Error,
    connection::Payload,
    delivery::{Delivery, Outcome, Promise},
};

/// A batch that takes records.
#[derive(Debug)]
pub(super) struct OpenBatch {
    builder: BatchBuilder<Vec<u8>>,
    /// When its buffer was taken, which also tells it from the lane's next one.
    pub(super) opened: Instant,
    data_bytes: u64,
    promise: Promise,
    permit: Option<OwnedSemaphorePermit>,
}

impl OpenBatch {
    /// A batch in `buffer`; `permit` is its share of the producer's memory.
    pub(super) fn new(buffer: Vec<u8>, permit: Option<OwnedSemaphorePermit>) -> OpenBatch {
        OpenBatch {
            builder: BatchBuilder::new(buffer),
            opened: Instant::now(),
            data_bytes: 0,
            promise: Promise::default(),
            permit,
        }
    }

    /// Bytes of buffer that a batch of `body` bytes of records takes.
    pub(super) fn buffer_len(body: usize) -> usize {
        BATCH_HEADER_LEN + body + PRODUCER_ENTRY_LEN
    }

    pub(super) fn count(&self) -> u32 {
        self.builder.count()
    }

    /// Takes a record that was checked; `false` when it does not fit.
    #[inline]
    pub(super) fn push(&mut self, record: &Record<'_>) -> bool {
        if !self.builder.fits(record.encoded_len(), 1) {
            return false;
        }
        self.data_bytes += (record.key.len() + record.data.len()) as u64;
        self.builder.push(record)
    }

    /// The delivery of the record that was pushed last.
    pub(super) fn delivery(&mut self) -> Delivery {
        let (outcome, index) = self.place();
        Delivery::new(outcome, index)
    }

    /// Where the record that was pushed last is.
    pub(super) fn place(&mut self) -> (Arc<Outcome>, u32) {
        let index = self.builder.count().saturating_sub(1);
        (self.promise.outcome(), index)
    }

    /// The buffer of a batch that is not wanted.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.builder.finish().0
    }

    pub(super) fn seal(self) -> SealedBatch {
        SealedBatch {
            count: self.builder.count(),
            data_bytes: self.data_bytes,
            body: Body::Records(self.builder),
            promise: self.promise,
            sealed: Instant::now(),
            serial: 0,
            permit: self.permit,
        }
    }
}

/// A batch that is complete, to be sent until it has an outcome.
#[derive(Debug)]
pub(super) struct SealedBatch {
    pub(super) count: u32,
    /// Bytes of data and keys.
    pub(super) data_bytes: u64,
    body: Body,
    pub(super) promise: Promise,
    pub(super) sealed: Instant,
    /// The driver's count of sealed batches, for flushes.
    pub(super) serial: u64,
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Body {
    /// Not branded yet.
    Records(BatchBuilder<Vec<u8>>),
    /// With a producer entry as the last bytes of the body.
    Branded(Arc<Vec<u8>>, BatchHeader),
    /// Being changed from one into the other.
    Taken,
}

impl SealedBatch {
    /// Writes producer and number into the batch, over those that it may have had.
    pub(super) fn brand(&mut self, producer: u64, number: u64) {
        let entry = ProducerEntry {
            producer,
            number,
            first: 0,
            count: self.count,
        };
        self.body = match std::mem::replace(&mut self.body, Body::Taken) {
            Body::Records(mut builder) => {
                builder.push_producer(entry);
                let (bytes, header) = builder.finish();
                Body::Branded(Arc::new(bytes), header)
            }
            Body::Branded(mut shared, mut header) => {
                let bytes = Arc::make_mut(&mut shared);
                let end = header.batch_len();
                entry.encode(&mut bytes[end - PRODUCER_ENTRY_LEN..end]);
                header.body_crc = crc32c(&bytes[BATCH_HEADER_LEN..end]);
                header.encode(bytes);
                Body::Branded(shared, header)
            }
            Body::Taken => Body::Taken,
        };
    }

    /// The bytes to be sent; nothing before it is branded.
    pub(super) fn payload(&self) -> Payload {
        match &self.body {
            Body::Branded(bytes, header) => Payload {
                bytes: Some(bytes.clone()),
                len: header.batch_len(),
            },
            _ => Payload::default(),
        }
    }

    /// Gives each record to `each`, and the promise back.
    pub(super) fn unpack(mut self, mut each: impl FnMut(&Record<'_>)) -> Result<Promise, Error> {
        if matches!(self.body, Body::Records(_)) {
            self.brand(1, 0);
        }
        if let Body::Branded(bytes, header) = &self.body {
            let body = &bytes[BATCH_HEADER_LEN..header.batch_len()];
            for record in RawBody::new(header, body)?.records() {
                each(&record?.as_record());
            }
        }
        Ok(std::mem::take(&mut self.promise))
    }

    /// The buffer, to be used again, where nobody else holds it; the batch's share of the memory
    /// goes back with it.
    pub(super) fn recycle(self) -> (Promise, Option<Vec<u8>>) {
        drop(self.permit);
        let buffer = match self.body {
            Body::Branded(bytes, _) => Arc::into_inner(bytes),
            _ => None,
        };
        (self.promise, buffer)
    }
}
