//! Records on their way out: written into an answer as they are read, from where they lie.

use std::sync::Arc;

use millstream_engine::{Batch, Error as EngineError};

use super::{
    fault::{Fault, FaultKind},
    sequence::Origin,
    shard_id::ShardName,
    writer::Writer,
};
use crate::service::{PieceLimits, Reading, Service, ServiceError, Stream};

/// What bounds a page. The first record is always in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLimits {
    pub records: usize,
    /// Data and keys.
    pub bytes: usize,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    pub records: usize,
    /// Data and keys.
    pub bytes: usize,
    /// The record to go on at.
    pub next: u64,
    /// Between now and the last record of the page; 0 at the end of the shard.
    pub behind_ms: u64,
    /// Nothing follows, ever, and the children of the shard are in the table.
    pub is_last: bool,
}

/// Writes what is next as an array of records. `reading` then stands behind them, and holds
/// nothing.
///
/// # Errors
/// [`EngineError::Damaged`] where the next record is damaged; the reading stays where it was.
pub(crate) async fn write_page(
    service: &Arc<Service>,
    reading: &mut Reading,
    (numbers, encryption): (Origin, Option<&str>),
    limits: PageLimits,
    writer: &mut Writer,
) -> Result<Page, ServiceError> {
    let array = writer.array();
    let mut page = Pages {
        numbers,
        encryption,
        limits,
        page: Page {
            records: 0,
            bytes: 0,
            next: reading.position(),
            behind_ms: 0,
            is_last: false,
        },
        last_ms: None,
    };
    loop {
        let piece = PieceLimits {
            bytes: limits.bytes.saturating_sub(page.page.bytes).max(1),
            records: (limits.records - page.page.records) as u64,
            frame: usize::MAX,
        };
        let piece = match service.next_piece(reading, piece).await {
            Ok(piece) => piece,
            // What was read before is delivered first.
            Err(_) if page.page.records > 0 => break,
            Err(error) => return Err(error),
        };
        if piece.batches.is_empty() {
            page.page.next = piece.next;
            break;
        }
        page.reserve(&piece.batches, writer);
        let mut full = false;
        for batch in piece.batches {
            full = full || page.write(&batch, writer)?;
            if !batch.is_intact() {
                return Err(ServiceError::Defect(
                    "a segment became unreadable while it was read".to_owned(),
                ));
            }
        }
        if full {
            break;
        }
    }
    let Pages {
        mut page, last_ms, ..
    } = page;
    writer.end_array(array, page.records);
    reading.go_to(page.next);
    page.behind_ms = service.behind_ms(reading, last_ms);
    page.is_last = reading.is_over();
    Ok(page)
}

/// What is said of a shard that cannot be read: of damage where it is, and where to go on, in
/// numbers that a client can use.
pub(crate) fn fault(numbers: Origin, error: ServiceError) -> Fault {
    let ServiceError::Engine(EngineError::Damaged { damage, .. }) = &error else {
        return Fault::from(error);
    };
    let goes_on = match damage.resume {
        Some(next) => format!("reading can go on at {}", numbers.record(next.0)),
        None => "nothing that verifies follows".to_owned(),
    };
    let message = format!(
        "records from {} on are damaged ({} at byte {}: {}); {goes_on}",
        numbers.record(damage.sequence.0),
        damage.file.display(),
        damage.offset,
        damage.reason,
    );
    Fault::new(FaultKind::InternalFailure, message)
}

/// Writes an array without records, and says where `reading` stands.
pub(crate) fn write_nothing(service: &Service, reading: &Reading, writer: &mut Writer) -> Page {
    let array = writer.array();
    writer.end_array(array, 0);
    Page {
        records: 0,
        bytes: 0,
        next: reading.position(),
        behind_ms: service.behind_ms(reading, None),
        is_last: false,
    }
}

/// Writes the shards that follow one, as they are in the table.
pub(crate) fn write_children(stream: &Stream, shard: u32, writer: &mut Writer) {
    let array = writer.array();
    let mut count = 0;
    for child in stream.map.children(shard) {
        let map = writer.map();
        writer.name("ShardId");
        writer.plain(ShardName(child.index).to_string().as_bytes());
        writer.name("ParentShards");
        let parents = writer.array();
        for parent in child.parents.iter().flatten() {
            writer.plain(ShardName(*parent).to_string().as_bytes());
        }
        writer.end_array(parents, child.parents.iter().flatten().count());
        writer.name("HashKeyRange");
        let range = writer.map();
        writer.name("StartingHashKey");
        writer.plain(child.range.start.to_string().as_bytes());
        writer.name("EndingHashKey");
        writer.plain(child.range.end.to_string().as_bytes());
        writer.end_map(range, 2);
        writer.end_map(map, 3);
        count += 1;
    }
    writer.end_array(array, count);
}

/// A page that is being written.
struct Pages<'a> {
    numbers: Origin,
    encryption: Option<&'a str>,
    limits: PageLimits,
    page: Page,
    last_ms: Option<u64>,
}

impl Pages<'_> {
    /// Makes room for all of them at once, as far as they are wanted: growing bit by bit copies
    /// what is there.
    fn reserve(&self, batches: &[Batch], writer: &mut Writer) {
        let headers = || batches.iter().map(Batch::header);
        let bytes: usize = headers().map(|header| header.raw_len as usize).sum();
        let records: usize = headers().map(|header| header.count as usize).sum();
        let bytes = bytes.min(self.limits.bytes.saturating_sub(self.page.bytes));
        let records = records.min(self.limits.records - self.page.records);
        writer.reserve_records(records, bytes);
    }

    /// Writes the records of a batch; true when no more are wanted.
    fn write(&mut self, batch: &Batch, writer: &mut Writer) -> Result<bool, EngineError> {
        let time_ms = batch.time_ms();
        let mut number = self.numbers.record(batch.first().0).decimal();
        for record in batch.records() {
            let (sequence, record) = record?;
            let bytes = record.key.len() + record.data.len();
            let over = self.page.bytes + bytes > self.limits.bytes && self.page.records > 0;
            if over || self.page.records == self.limits.records {
                return Ok(true);
            }
            let map = writer.map();
            writer.name("SequenceNumber");
            writer.plain(&number.digits());
            writer.name("ApproximateArrivalTimestamp");
            writer.time(time_ms);
            writer.name("Data");
            writer.blob(record.data);
            writer.name("PartitionKey");
            writer.text(record.key);
            if let Some(encryption) = self.encryption {
                writer.name("EncryptionType");
                writer.plain(encryption.as_bytes());
            }
            writer.end_map(map, 4 + u8::from(self.encryption.is_some()));
            number.step();
            self.page.records += 1;
            self.page.bytes += bytes;
            self.page.next = sequence.0.saturating_add(1);
            self.last_ms = Some(time_ms);
        }
        Ok(self.page.records == self.limits.records || self.page.bytes >= self.limits.bytes)
    }
}
