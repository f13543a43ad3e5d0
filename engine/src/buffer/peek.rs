//! Records lent to a consumer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use millstream_format::RecordView;

use crate::{
    error::Error,
    read::{
        batch::Batch,
        cursor::{Cursor, Position},
    },
    sequence::SequenceNumber,
    shard::Shard,
};

/// Part of the memory budget that lent records may keep from pushes.
const LENT_PART: usize = 4;

/// Bytes of the memory budget that are lent out.
#[derive(Debug, Default)]
pub(super) struct Lent {
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Loan {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One record of a [`Peek`], lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeekedRecord<'a> {
    /// Its sequence number: what is acknowledged.
    pub sequence: SequenceNumber,
    /// When it was pushed, milliseconds since 1970.
    pub time_ms: u64,
    /// Its key; empty where it was pushed without.
    pub key: &'a str,
    /// Its data.
    pub data: &'a [u8],
}

/// Records that a cursor has not acknowledged, lent from where they lie. It keeps the segments
/// that they lie in on the medium, so it should not be kept for long.
#[derive(Debug)]
pub struct Peek {
    batches: Vec<Batch>,
    end: u64,
    records: usize,
    loan: Loan,
}

impl Peek {
    /// Reads on from `next`, up to so many records and bytes, but one record at least.
    pub(super) fn read(
        shard: &Shard,
        lent: &Lent,
        next: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Peek, Error> {
        let mut cursor = shard.read(Position::At(SequenceNumber(next)))?;
        let mut peek = Peek {
            batches: Vec::new(),
            end: next,
            records: 0,
            loan: Loan {
                bytes: 0,
                of: Arc::clone(&lent.bytes),
            },
        };
        let budget = shard.core.ground.pool.budget() / LENT_PART;
        let mut bytes = 0;
        while peek.records < max_records && (bytes < max_bytes || peek.records == 0) {
            if lent.bytes.load(Ordering::Relaxed) >= budget {
                cursor.leave_tail();
            }
            let batch = match cursor.next_batch() {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(error) if peek.records == 0 => return Err(error),
                // What was read is good; the next peek tells.
                Err(_) => break,
            };
            let left = max_bytes - bytes.min(max_bytes);
            bytes += peek.take(&batch, max_records, left)?;
            peek.loan.add(batch.budget_bytes());
            peek.batches.push(batch);
        }
        Ok(peek)
    }

    /// Takes what fits of a batch; its bytes.
    fn take(
        &mut self,
        batch: &Batch,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<usize, Error> {
        let all = batch.end().0 - batch.first().0;
        let raw = batch.header().raw_len as usize;
        let most = (max_records - self.records) as u64;
        if all <= most && raw <= max_bytes {
            self.records += all as usize;
            self.end = batch.end().0;
            return Ok(raw);
        }
        let (mut bytes, mut taken) = (0, 0);
        for record in batch.records() {
            let (sequence, record) = record?;
            let len = record.as_record().encoded_len();
            let first = self.records == 0;
            if taken == most || (bytes + len > max_bytes && !first) {
                break;
            }
            bytes += len;
            taken += 1;
            self.records += 1;
            self.end = sequence.0 + 1;
        }
        // Nothing more is to be read behind a batch that was cut.
        Ok(bytes.max(max_bytes))
    }

    /// The records, in order.
    ///
    /// Each is an error when it cannot be decoded, although its batch's checksum holds: then a
    /// faulty writer made it.
    pub fn records(&self) -> impl Iterator<Item = Result<PeekedRecord<'_>, Error>> {
        let end = self.end;
        self.batches.iter().flat_map(move |batch| {
            let time_ms = batch.time_ms();
            let records = batch.records();
            let wanted = records.take_while(move |record| match record {
                Ok((sequence, _)) => sequence.0 < end,
                Err(_) => true,
            });
            wanted.map(move |record| {
                let (sequence, RecordView { key, data, .. }) = record?;
                Ok(PeekedRecord {
                    sequence,
                    time_ms,
                    key,
                    data,
                })
            })
        })
    }

    /// Whether the records still show what was verified: see [`Batch::is_intact`].
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.batches.iter().all(Batch::is_intact)
    }

    /// Records lent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether there was nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The last record: acknowledge this when all are done with.
    #[must_use]
    pub fn last(&self) -> Option<SequenceNumber> {
        (self.records > 0).then(|| SequenceNumber(self.end.saturating_sub(1)))
    }
}

impl Loan {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.of.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Time of the first record at or after `next`, milliseconds since 1970.
pub(super) fn time_at(shard: &Shard, next: u64) -> Result<Option<u64>, Error> {
    let mut cursor: Cursor = shard.read(Position::At(SequenceNumber(next)))?;
    Ok(cursor.next_batch()?.map(|batch| batch.time_ms()))
}
