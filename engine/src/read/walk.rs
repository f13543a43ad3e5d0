//! From batch to batch through a segment, by what the batches themselves say.

use std::sync::Arc;

use millstream_format::{BATCH_HEADER_LEN, BatchHeader};

use super::batch::{Batch, Place};
use crate::{
    error::Error,
    io::device::{Access, Device, Map},
    segment::{Segment, SegmentHeader, list::unreadable},
};

/// A place in a segment where a batch begins.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub segment: Arc<Segment>,
    pub header: SegmentHeader,
    pub map: Arc<dyn Map>,
    pub offset: u64,
    /// Sequence number of the first record expected there.
    pub sequence: u64,
}

/// What lies at a spot.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// A batch header that belongs there.
    Batch(BatchHeader),
    /// Nothing: zeros, or a batch of a time before the segment was begun.
    Nothing,
    /// Bytes that are not what was written.
    Broken(String),
}

/// Why the medium shows no batch at a spot.
#[derive(Debug)]
pub(crate) enum Missing {
    /// What it gives is not what was written.
    Broken(String),
    /// It gives nothing: nobody can tell what was written.
    Unreadable(String),
    /// It could not be asked.
    Failed(Error),
}

impl Spot {
    /// What lies at this spot, as the map shows it. The header is verified, the body is not.
    pub(crate) fn look(&self) -> Found {
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        match self.map.bytes(offset, BATCH_HEADER_LEN) {
            Some(bytes) => self.judge(bytes),
            None => Found::Broken("the segment file ends here".into()),
        }
    }

    fn judge(&self, bytes: &[u8]) -> Found {
        match BatchHeader::decode(bytes) {
            Err(e) => Found::Broken(e.to_string()),
            Ok(None) => Found::Nothing,
            Ok(Some(h)) if h.epoch != self.header.epoch => Found::Nothing,
            Ok(Some(h)) if h.first_sequence != self.sequence => Found::Broken(format!(
                "the batch there begins with record {}",
                h.first_sequence
            )),
            Ok(Some(h)) if self.end_of(&h) > self.map.len() as u64 => {
                Found::Broken(match self.map.len() {
                    len if (len as u64) < self.header.segment_bytes => {
                        format!("the file was cut short: it has {len} bytes")
                    }
                    _ => "the batch there is longer than the segment".into(),
                })
            }
            Ok(Some(h)) => Found::Batch(h),
        }
    }

    fn end_of(&self, header: &BatchHeader) -> u64 {
        self.offset + header.padded_len(self.header.block as usize) as u64
    }

    /// Verifies the batch whose header was found here.
    pub(crate) fn batch(&self, header: BatchHeader, from: u64) -> Result<Batch, String> {
        let segment = Arc::clone(&self.segment);
        let place = Place::Map(segment, Arc::clone(&self.map), self.offset as usize);
        Batch::verify(place, header, from).map_err(|e| e.to_string())
    }

    /// Verifies the batch here as the medium itself shows it: the page cache may be behind
    /// direct writes, and a map that has faulted shows zeros.
    pub(crate) fn batch_from_medium(&self, device: &dyn Device, from: u64) -> Result<Batch, Error> {
        self.read_again(device, from).map_err(|missing| {
            let reason = match missing {
                Missing::Broken(reason) | Missing::Unreadable(reason) => reason,
                Missing::Failed(error) => return error,
            };
            self.segment.damaged(self.offset, self.sequence, reason)
        })
    }

    /// The same, telling bytes that are wrong from bytes that cannot be read.
    pub(crate) fn read_again(&self, device: &dyn Device, from: u64) -> Result<Batch, Missing> {
        let io = |error| Error::io("reading the segment again", &self.segment.path)(error);
        let file = device
            .open(&self.segment.path, Access::Read)
            .map_err(|error| Missing::Failed(io(error)))?;
        let read = |out: &mut [u8]| {
            let outcome = file.read_medium_at(out, self.offset);
            outcome.map_err(|error| match unreadable(&*file, &error) {
                Some(reason) => Missing::Unreadable(reason),
                None => Missing::Failed(io(error)),
            })
        };
        let mut bytes = vec![0; BATCH_HEADER_LEN];
        read(&mut bytes)?;
        let header = match self.judge(&bytes) {
            Found::Batch(header) => header,
            Found::Nothing => return Err(Missing::Broken("there is no batch".into())),
            Found::Broken(reason) => return Err(Missing::Broken(reason)),
        };
        bytes.resize(header.batch_len(), 0);
        read(&mut bytes)?;
        let place = Place::Copy(bytes.into());
        Batch::verify(place, header, from).map_err(|e| Missing::Broken(e.to_string()))
    }

    /// `end`, or where the file ends by now: to look for batches behind that would miss each page
    /// of the map.
    pub(crate) fn readable_end(&self, device: &dyn Device, end: u64) -> u64 {
        if !self.map.has_faulted() {
            return end;
        }
        let file = device.open(&self.segment.path, Access::Read);
        let len = file.and_then(|file| file.len());
        len.map_or(end, |len| len.min(end))
    }

    /// The spot after the batch whose header was found here.
    pub(crate) fn step(&mut self, header: &BatchHeader) {
        self.offset = self.end_of(header);
        self.sequence = header.end_sequence();
    }

    /// The next spot, up to the byte offset `end`, where a whole batch of this segment that
    /// verifies begins, with records from the sequence number expected here up to `most`. A batch
    /// that was written to the wrong place is passed over: those that follow it have numbers below
    /// its own.
    pub(crate) fn resume(&self, end: u64, most: u64) -> Option<Spot> {
        let (mut found, mut header) = self.next_batch(end, most)?;
        loop {
            let mut after = found.clone();
            after.step(&header);
            // One block back: the search begins behind the spot.
            after.offset -= u64::from(found.header.block);
            after.sequence = self.sequence;
            match after.next_batch(end, most) {
                Some((next, h)) if next.sequence < found.sequence => {
                    (found, header) = (next, h);
                }
                _ => return Some(found),
            }
        }
    }

    fn next_batch(&self, end: u64, most: u64) -> Option<(Spot, BatchHeader)> {
        let block = u64::from(self.header.block);
        let mut spot = self.clone();
        loop {
            spot.offset += block;
            if spot.offset >= end {
                return None;
            }
            let bytes = self.map.bytes(spot.offset as usize, BATCH_HEADER_LEN)?;
            let Ok(Some(header)) = BatchHeader::decode(bytes) else {
                continue;
            };
            let belongs = header.epoch == self.header.epoch
                && header.first_sequence >= self.sequence
                && header.end_sequence() <= most
                && spot.end_of(&header) <= self.map.len() as u64;
            if !belongs {
                continue;
            }
            spot.sequence = header.first_sequence;
            if spot.batch(header, 0).is_ok() {
                return Some((spot, header));
            }
        }
    }
}
