//! The batch: a checksummed header and a body of records, the unit of writing, of the wire and
//! of verification.
//!
//! ```text
//!  0     magic u32 "MSB1"        header crc u32 (of bytes 8..64)
//!  8     version u8, flags u8    producers u16         count u32
//! 16     epoch u64
//! 24     first sequence u64
//! 32     time u64 (ms since 1970, of every record of the batch)
//! 40     watermark u64
//! 48     stored len u32          raw len u32
//! 56     body crc u32            zero u32
//! 64     body (stored len bytes): records, then the producer table; as a whole perhaps zstd
//! ```
//!
//! On the medium a batch is followed by zeros up to the device's block; on the wire it is not.

use std::ops::DerefMut;

use crate::{
    BATCH_HEADER_LEN, BATCH_MAGIC, BATCH_VERSION, FormatError, MAX_BODY_BYTES, MAX_KEY_CHARS,
    MAX_PRODUCERS, MAX_RECORD_BYTES, RECORD_HEADER_LEN, Record, RecordOutline, RecordView, crc32c,
    crc32c_append,
};

/// Bytes of one entry of the producer table.
pub const PRODUCER_ENTRY_LEN: usize = 24;

const FLAG_ZSTD: u8 = 1;
const FLAG_CLOSE: u8 = 2;
const KNOWN_FLAGS: u8 = FLAG_ZSTD | FLAG_CLOSE;

/// How a batch body is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// One zstd frame.
    Zstd,
}

/// What the engine writes over a finished batch when it gives it its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The segment's epoch.
    pub epoch: u64,
    /// Sequence number of the first record.
    pub first_sequence: u64,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// All sequence numbers below this were durable when the batch was written.
    pub watermark: u64,
}

/// A decoded batch header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// How the body is stored.
    pub compression: Compression,
    /// The last batch of a clean close.
    pub close: bool,
    /// Entries of the producer table.
    pub producers: u16,
    /// Records in the batch; 0 for a watermark stamp.
    pub count: u32,
    /// The segment's epoch, 0 in a batch that has no place yet.
    pub epoch: u64,
    /// Sequence number of the first record.
    pub first_sequence: u64,
    /// Time of every record of the batch, milliseconds since 1970.
    pub time_ms: u64,
    /// All sequence numbers below this were durable when the batch was written.
    pub watermark: u64,
    /// Bytes of the body as stored.
    pub stored_len: u32,
    /// Bytes of the body before compression.
    pub raw_len: u32,
    /// CRC-32C of the body as stored.
    pub body_crc: u32,
}

impl BatchHeader {
    /// The header of an empty batch: a stamp of the watermark, or the mark of a clean close.
    #[must_use]
    pub fn empty(stamp: Stamp, close: bool) -> BatchHeader {
        BatchHeader {
            compression: Compression::None,
            close,
            producers: 0,
            count: 0,
            epoch: stamp.epoch,
            first_sequence: stamp.first_sequence,
            time_ms: stamp.time_ms,
            watermark: stamp.watermark,
            stored_len: 0,
            raw_len: 0,
            body_crc: crc32c(&[]),
        }
    }

    /// Gives the batch its place.
    pub fn stamp(&mut self, stamp: Stamp) {
        self.epoch = stamp.epoch;
        self.first_sequence = stamp.first_sequence;
        self.time_ms = stamp.time_ms;
        self.watermark = stamp.watermark;
    }

    /// The sequence number after the last record of the batch.
    #[must_use]
    pub fn end_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(u64::from(self.count))
    }

    /// Bytes of header and body, without padding.
    #[must_use]
    pub fn batch_len(&self) -> usize {
        BATCH_HEADER_LEN + self.stored_len as usize
    }

    /// Bytes that the batch takes on a medium with blocks of `block` bytes.
    #[must_use]
    pub fn padded_len(&self, block: usize) -> usize {
        self.batch_len().next_multiple_of(block)
    }

    /// Writes the header, with its checksum, to the front of `out`.
    ///
    /// # Panics
    /// When `out` is shorter than a header.
    pub fn encode(&self, out: &mut [u8]) {
        let out = &mut out[..BATCH_HEADER_LEN];
        let mut flags = 0;
        if self.compression == Compression::Zstd {
            flags |= FLAG_ZSTD;
        }
        if self.close {
            flags |= FLAG_CLOSE;
        }
        out[0..4].copy_from_slice(&BATCH_MAGIC.to_le_bytes());
        out[8] = BATCH_VERSION;
        out[9] = flags;
        out[10..12].copy_from_slice(&self.producers.to_le_bytes());
        out[12..16].copy_from_slice(&self.count.to_le_bytes());
        out[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        out[24..32].copy_from_slice(&self.first_sequence.to_le_bytes());
        out[32..40].copy_from_slice(&self.time_ms.to_le_bytes());
        out[40..48].copy_from_slice(&self.watermark.to_le_bytes());
        out[48..52].copy_from_slice(&self.stored_len.to_le_bytes());
        out[52..56].copy_from_slice(&self.raw_len.to_le_bytes());
        out[56..60].copy_from_slice(&self.body_crc.to_le_bytes());
        out[60..64].fill(0);
        let crc = crc32c(&out[8..]);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header from the front of `bytes`; `None` where they are all zero, which is space
    /// never written. Every field of a header that is returned is within its limits.
    ///
    /// # Errors
    /// When the bytes are neither a header nor zeros.
    pub fn decode(bytes: &[u8]) -> Result<Option<BatchHeader>, FormatError> {
        let Some(b) = bytes.first_chunk::<BATCH_HEADER_LEN>() else {
            return Err(FormatError::Short {
                what: "batch header",
                need: BATCH_HEADER_LEN,
                have: bytes.len(),
            });
        };
        let magic = u32_at(b, 0);
        if magic != BATCH_MAGIC {
            if b.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            return Err(FormatError::Magic { found: magic });
        }
        if b[8] != BATCH_VERSION {
            return Err(FormatError::Version { found: b[8] });
        }
        let (found, computed) = (u32_at(b, 4), crc32c(&b[8..]));
        if found != computed {
            return Err(FormatError::Checksum {
                what: "batch header",
                found,
                computed,
            });
        }
        let flags = b[9];
        let header = BatchHeader {
            compression: if flags & FLAG_ZSTD == 0 {
                Compression::None
            } else {
                Compression::Zstd
            },
            close: flags & FLAG_CLOSE != 0,
            producers: u16::from_le_bytes([b[10], b[11]]),
            count: u32_at(b, 12),
            epoch: u64_at(b, 16),
            first_sequence: u64_at(b, 24),
            time_ms: u64_at(b, 32),
            watermark: u64_at(b, 40),
            stored_len: u32_at(b, 48),
            raw_len: u32_at(b, 52),
            body_crc: u32_at(b, 56),
        };
        header.check_fields(flags, u32_at(b, 60))?;
        Ok(Some(header))
    }

    fn check_fields(&self, flags: u8, reserved: u32) -> Result<(), FormatError> {
        let wrong = |what, value: u64, rule| Err(FormatError::Field { what, value, rule });
        if flags & !KNOWN_FLAGS != 0 {
            return wrong("batch flags", flags.into(), "this build knows fewer");
        }
        if reserved != 0 {
            return wrong("batch reserved field", reserved.into(), "it must be 0");
        }
        let (stored, raw) = (self.stored_len as usize, self.raw_len as usize);
        if stored > MAX_BODY_BYTES || raw > MAX_BODY_BYTES {
            let len = stored.max(raw) as u64;
            return wrong("batch body length", len, "over the limit of 16 MiB - 4096");
        }
        if self.compression == Compression::None && stored != raw {
            let rule = "it must be the raw length where nothing is compressed";
            return wrong("batch stored length", stored as u64, rule);
        }
        let table = usize::from(self.producers) * PRODUCER_ENTRY_LEN;
        if self.count as usize > raw.saturating_sub(table) / RECORD_HEADER_LEN || table > raw {
            let rule = "its records do not fit in the raw length";
            return wrong("batch count", self.count.into(), rule);
        }
        if self.count == 0 && raw != 0 {
            return wrong(
                "batch raw length",
                raw as u64,
                "it must be 0 without records",
            );
        }
        if self
            .first_sequence
            .checked_add(u64::from(self.count))
            .is_none()
        {
            return wrong("batch first sequence", self.first_sequence, "it overflows");
        }
        Ok(())
    }

    /// Checks the checksum of `body`, the bytes as stored.
    ///
    /// # Errors
    /// When the length or the checksum is not the header's.
    #[inline]
    pub fn verify_body(&self, body: &[u8]) -> Result<(), FormatError> {
        if body.len() != self.stored_len as usize {
            return Err(FormatError::Short {
                what: "batch body",
                need: self.stored_len as usize,
                have: body.len(),
            });
        }
        let computed = crc32c(body);
        if computed != self.body_crc {
            return Err(FormatError::Checksum {
                what: "batch body",
                found: self.body_crc,
                computed,
            });
        }
        Ok(())
    }
}

fn u32_at(b: &[u8; BATCH_HEADER_LEN], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

fn u64_at(b: &[u8; BATCH_HEADER_LEN], at: usize) -> u64 {
    u64::from(u32_at(b, at)) | u64::from(u32_at(b, at + 4)) << 32
}

/// Which put of which producer some records of a batch came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The producer, a random number that it chose; never 0.
    pub producer: u64,
    /// Number of the put among that producer's puts to this shard, from 0.
    pub number: u64,
    /// Index in the batch of the put's first record.
    pub first: u32,
    /// Records of the put.
    pub count: u32,
}

impl ProducerEntry {
    /// Writes the entry to the front of `out`.
    ///
    /// # Panics
    /// When `out` is shorter than [`PRODUCER_ENTRY_LEN`].
    pub fn encode(&self, out: &mut [u8]) {
        out[0..8].copy_from_slice(&self.producer.to_le_bytes());
        out[8..16].copy_from_slice(&self.number.to_le_bytes());
        out[16..20].copy_from_slice(&self.first.to_le_bytes());
        out[20..24].copy_from_slice(&self.count.to_le_bytes());
    }

    fn decode(b: &[u8; PRODUCER_ENTRY_LEN]) -> ProducerEntry {
        let u32_at = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let u64_at = |at| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        ProducerEntry {
            producer: u64_at(0),
            number: u64_at(8),
            first: u32_at(16),
            count: u32_at(20),
        }
    }
}

/// What a batch made elsewhere may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most bytes of data and key in a record.
    pub max_record: usize,
    /// Refuse records whose partition key is not one of 1 to 256 characters.
    pub require_key: bool,
}

impl Default for BatchLimits {
    fn default() -> Self {
        BatchLimits {
            max_record: MAX_RECORD_BYTES,
            require_key: false,
        }
    }
}

/// An uncompressed batch body, split into its records and its producer table.
#[derive(Debug, Clone, Copy)]
pub struct RawBody<'a> {
    count: u32,
    records: &'a [u8],
    table: &'a [u8],
}

impl<'a> RawBody<'a> {
    /// Splits `raw`, the body of `header` before compression.
    ///
    /// # Errors
    /// When its length is not the header's raw length.
    pub fn new(header: &BatchHeader, raw: &'a [u8]) -> Result<RawBody<'a>, FormatError> {
        let table = usize::from(header.producers) * PRODUCER_ENTRY_LEN;
        let short = FormatError::Short {
            what: "batch body",
            need: header.raw_len as usize,
            have: raw.len(),
        };
        if raw.len() != header.raw_len as usize {
            return Err(short);
        }
        let Some(at) = raw.len().checked_sub(table) else {
            return Err(short);
        };
        let (records, table) = raw.split_at(at);
        Ok(RawBody {
            count: header.count,
            records,
            table,
        })
    }

    /// The bytes of the records, without the producer table.
    #[must_use]
    pub fn record_bytes(&self) -> &'a [u8] {
        self.records
    }

    /// The records in order. The first that breaks the framing is the last item.
    pub fn records(&self) -> Records<'a> {
        Records {
            rest: self.records,
            index: 0,
            count: self.count,
        }
    }

    /// The producer table.
    pub fn producers(&self) -> impl Iterator<Item = ProducerEntry> + use<'a> {
        let (entries, _) = self.table.as_chunks::<PRODUCER_ENTRY_LEN>();
        entries.iter().map(ProducerEntry::decode)
    }

    /// Walks the whole body once: framing, limits, padding, count, and that the producer table
    /// names runs of records that are there, in order.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, limits: &BatchLimits) -> Result<(), FormatError> {
        let mut records = self.records();
        for (index, record) in (0u32..).zip(records.by_ref()) {
            let record = record?;
            let bytes = record.key.len() + record.data.len();
            if bytes > limits.max_record {
                return Err(FormatError::TooLarge {
                    index,
                    what: "data and key",
                    bytes,
                    limit: limits.max_record,
                });
            }
            // Bytes are never fewer than characters: most keys need no count.
            if limits.require_key
                && record.key.len() > MAX_KEY_CHARS
                && record.key.chars().count() > MAX_KEY_CHARS
            {
                let reason = "its partition key has more than 256 characters";
                return Err(FormatError::Record { index, reason });
            }
            if limits.require_key && record.key.is_empty() {
                let reason = "its partition key is empty";
                return Err(FormatError::Record { index, reason });
            }
        }
        if !records.rest.is_empty() {
            return Err(FormatError::Field {
                what: "bytes after the last record",
                value: records.rest.len() as u64,
                rule: "there must be none",
            });
        }
        let mut next = 0u64;
        for entry in self.producers() {
            let end = u64::from(entry.first) + u64::from(entry.count);
            let in_order = u64::from(entry.first) >= next && end <= u64::from(self.count);
            if entry.producer == 0 || entry.count == 0 || !in_order {
                return Err(FormatError::Field {
                    what: "producer entry",
                    value: entry.producer,
                    rule: "each must be named and cover records of the batch, in order",
                });
            }
            next = end;
        }
        Ok(())
    }
}

/// Iterator over the records of a body.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    index: u32,
    count: u32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, FormatError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.count {
            return None;
        }
        match RecordView::decode(self.rest, self.index) {
            Ok((record, used)) => {
                self.rest = &self.rest[used..];
                self.index += 1;
                Some(Ok(record))
            }
            Err(error) => {
                self.index = self.count;
                Some(Err(error))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some((self.count - self.index) as usize))
    }
}

/// Body bytes are summed in runs of at least this many, while they are still in cache.
const CRC_RUN: usize = 4096;

/// Builds one batch in a buffer of fixed size, with room for the header in front.
///
/// The buffer is anything that lends its bytes: a `Vec<u8>` of the wanted length, or an engine's
/// block-aligned buffer, which then goes to the medium without a copy.
#[derive(Debug)]
pub struct BatchBuilder<B> {
    buffer: B,
    /// End of the last record in `buffer`.
    end: usize,
    /// End of what `crc` covers.
    summed: usize,
    crc: u32,
    count: u32,
    producers: Vec<ProducerEntry>,
}

impl<B: DerefMut<Target = [u8]>> BatchBuilder<B> {
    /// A builder over `buffer`; what does not fit in it does not fit in the batch.
    #[must_use]
    pub fn new(buffer: B) -> BatchBuilder<B> {
        BatchBuilder {
            buffer,
            end: BATCH_HEADER_LEN,
            summed: BATCH_HEADER_LEN,
            crc: crc32c(&[]),
            count: 0,
            producers: Vec::new(),
        }
    }

    /// Records so far.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether there is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of header, records and producer table so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end + self.producers.len() * PRODUCER_ENTRY_LEN
    }

    /// Whether `bytes` more of encoded records and `entries` more producer entries fit.
    #[must_use]
    pub fn fits(&self, bytes: usize, entries: usize) -> bool {
        let room = self.buffer.len().min(BATCH_HEADER_LEN + MAX_BODY_BYTES);
        self.producers.len() + entries <= MAX_PRODUCERS
            && self.len() + bytes + entries * PRODUCER_ENTRY_LEN <= room
    }

    /// Adds a record that was checked ([`Record::check`]); `false` when it does not fit.
    #[inline]
    pub fn push(&mut self, record: &Record<'_>) -> bool {
        let pushed = self.push_with(&record.outline(), |data| {
            data.copy_from_slice(record.data);
            Ok::<(), std::convert::Infallible>(())
        });
        match pushed {
            Ok(fits) => fits,
            Err(never) => match never {},
        }
    }

    /// The same for a record whose data is written by `write` to where it will lie.
    ///
    /// # Errors
    /// That of `write`; the record is not in the batch then.
    #[inline]
    pub fn push_with<E>(
        &mut self,
        record: &RecordOutline<'_>,
        write: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        if !self.fits(record.encoded_len(), 0) {
            return Ok(false);
        }
        self.end += record.encode_with(&mut self.buffer[self.end..], write)?;
        self.count += 1;
        if self.end - self.summed >= CRC_RUN {
            self.sum();
        }
        Ok(true)
    }

    /// Adds `count` records that are encoded and checked already; `false` when they do not fit.
    pub fn push_encoded(&mut self, records: &[u8], count: u32) -> bool {
        if !self.fits(records.len(), 0) {
            return false;
        }
        self.buffer[self.end..self.end + records.len()].copy_from_slice(records);
        self.end += records.len();
        self.count += count;
        self.sum();
        true
    }

    /// Says that records `first..first + count` came from a producer's put. Room for the entry
    /// must have been asked for with [`BatchBuilder::fits`].
    pub fn push_producer(&mut self, entry: ProducerEntry) {
        self.producers.push(entry);
    }

    fn sum(&mut self) {
        self.crc = crc32c_append(self.crc, &self.buffer[self.summed..self.end]);
        self.summed = self.end;
    }

    /// Writes the producer table and a header without a place, and gives the buffer back with
    /// the header: the batch is the first [`BatchHeader::batch_len`] bytes.
    #[must_use]
    pub fn finish(mut self) -> (B, BatchHeader) {
        for entry in &self.producers {
            entry.encode(&mut self.buffer[self.end..]);
            self.end += PRODUCER_ENTRY_LEN;
        }
        self.sum();
        let len = (self.end - BATCH_HEADER_LEN) as u32;
        let header = BatchHeader {
            compression: Compression::None,
            close: false,
            producers: self.producers.len() as u16,
            count: self.count,
            epoch: 0,
            first_sequence: 0,
            time_ms: 0,
            watermark: 0,
            stored_len: len,
            raw_len: len,
            body_crc: self.crc,
        };
        header.encode(&mut self.buffer);
        (self.buffer, header)
    }
}

#[cfg(test)]
mod tests;
