//! A verified batch, lent from where it lies.

use std::sync::{Arc, OnceLock};

use millstream_format::{
    BATCH_HEADER_LEN, BatchHeader, Compression, FormatError, RawBody, RecordView, compression,
};

use crate::{
    error::Error,
    io::{device::Map, pool::PoolBuffer},
    segment::Segment,
    sequence::SequenceNumber,
};

/// Where the bytes of a batch lie.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In the map of a segment, at this offset.
    Map(
        #[expect(
            dead_code,
            reason = "held so that the file is not written again under the batch"
        )]
        Arc<Segment>,
        Arc<dyn Map>,
        usize,
    ),
    /// At the start of a buffer of the tail.
    Tail(Arc<PoolBuffer>),
    /// Read again from the medium.
    Copy(Arc<[u8]>),
}

impl Place {
    fn bytes(&self, len: usize) -> Option<&[u8]> {
        match self {
            Place::Map(_, map, offset) => map.bytes(*offset, len),
            Place::Tail(buffer) => buffer.get(..len),
            Place::Copy(bytes) => bytes.get(..len),
        }
    }
}

/// A batch whose checksums were verified. It keeps the segment or the buffer that it lies in;
/// clones are cheap.
#[derive(Debug, Clone)]
pub struct Batch {
    place: Place,
    header: BatchHeader,
    /// The body before compression, made when it is first asked for where it was compressed:
    /// what only travels on is not decompressed.
    raw: OnceLock<Arc<[u8]>>,
    /// Records below this are not wanted.
    from: u64,
}

impl Batch {
    /// Verifies the batch at a place.
    pub(crate) fn verify(
        place: Place,
        header: BatchHeader,
        from: u64,
    ) -> Result<Batch, FormatError> {
        let len = header.batch_len();
        let short = FormatError::Short {
            what: "batch",
            need: len,
            have: 0,
        };
        let bytes = place.bytes(len).ok_or(short)?;
        let body = &bytes[BATCH_HEADER_LEN..];
        header.verify_body(body)?;
        Ok(Batch {
            place,
            header,
            raw: OnceLock::new(),
            from,
        })
    }

    /// Bytes of the memory budget that it keeps from being used.
    pub(crate) fn budget_bytes(&self) -> usize {
        match &self.place {
            Place::Tail(buffer) => buffer.capacity(),
            Place::Map(..) | Place::Copy(_) => 0,
        }
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Header and body as stored, without padding: what travels on the wire.
    #[must_use]
    pub fn stored(&self) -> &[u8] {
        // Verified when it was made; the place still holds as many bytes.
        self.place
            .bytes(self.header.batch_len())
            .unwrap_or_default()
    }

    /// Whether [`Batch::stored`] still shows what was verified. A batch that is lent from a segment
    /// turns to zeros, or parts of it do, when the file is cut short under it or the medium cannot
    /// give it again. Whoever has copied from it, or passed it on, asks afterwards: `true` is about
    /// all that was read before. It costs next to nothing while nothing has happened to the segment.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        match &self.place {
            // Pages turn to zeros and never back: if all is there now, all was there before.
            Place::Map(_, map, _) => !map.has_faulted() || self.verifies(),
            Place::Tail(_) | Place::Copy(_) => true,
        }
    }

    fn verifies(&self) -> bool {
        let stored = self.stored();
        let header = BatchHeader::decode(stored).ok().flatten();
        header.as_ref() == Some(&self.header)
            && stored
                .get(BATCH_HEADER_LEN..)
                .is_some_and(|body| self.header.verify_body(body).is_ok())
    }

    /// Bytes of the store's memory budget that it keeps from being used again: none where it is
    /// lent from a map. Whoever keeps batches for long should keep a copy of such ones.
    #[must_use]
    pub fn held_memory(&self) -> usize {
        match &self.place {
            Place::Tail(buffer) => buffer.capacity(),
            Place::Map(..) | Place::Copy(_) => 0,
        }
    }

    /// Time of its records, milliseconds since 1970.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.header.time_ms
    }

    /// The first record that is wanted: that of the cursor's position.
    #[must_use]
    pub fn first(&self) -> SequenceNumber {
        SequenceNumber(self.from.max(self.header.first_sequence))
    }

    /// The sequence number after its last record.
    #[must_use]
    pub fn end(&self) -> SequenceNumber {
        SequenceNumber(self.header.end_sequence())
    }

    /// The body before compression.
    ///
    /// # Errors
    /// When it does not decompress, or its length is not what the header says.
    pub fn body(&self) -> Result<RawBody<'_>, FormatError> {
        let stored = self.stored().get(BATCH_HEADER_LEN..).unwrap_or(&[]);
        if self.header.compression == Compression::None {
            return RawBody::new(&self.header, stored);
        }
        let raw = match self.raw.get() {
            Some(raw) => raw,
            None => {
                let raw = Arc::from(compression::decompress(&self.header, stored)?);
                self.raw.get_or_init(|| raw)
            }
        };
        RawBody::new(&self.header, raw)
    }

    /// The records that are wanted, lent, each with its sequence number.
    pub fn records(&self) -> impl Iterator<Item = Result<(SequenceNumber, RecordView<'_>), Error>> {
        let (body, broken) = match self.body() {
            Ok(body) => (Some(body), None),
            Err(error) => (None, Some(Err(Error::from(error)))),
        };
        let first = self.header.first_sequence;
        let from = self.first().0;
        body.into_iter()
            .flat_map(|body| body.records())
            .zip(first..)
            .filter(move |(_, sequence)| *sequence >= from)
            .map(|(record, sequence)| Ok((SequenceNumber(sequence), record?)))
            .chain(broken)
    }
}
