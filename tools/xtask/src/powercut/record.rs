//! What was recorded: when each write and each flush of the disk began and ended, and the marks in
//! between, in one order.
//!
//! An event is four little-endian words, kind, id, offset and length, and behind the beginning of a
//! write and behind a mark so many bytes. An id is that of a request; a write ends after it began.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Bytes of an event without its data.
const EVENT_BYTES: usize = 32;
/// Bytes of a mark.
pub(super) const MARK_BYTES: usize = 512;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A write was taken; from now on its sectors may be on the medium.
    WriteBegan,
    /// The guest was told that it was made: it is in the disk's cache.
    WriteEnded,
    /// A flush was taken: it concerns the writes that have ended by now.
    FlushBegan,
    /// The guest was told that these are on the medium.
    FlushEnded,
    /// The guest told what it knows.
    Mark,
}

const KINDS: [Kind; 5] = [
    Kind::WriteBegan,
    Kind::WriteEnded,
    Kind::FlushBegan,
    Kind::FlushEnded,
    Kind::Mark,
];

impl Kind {
    fn has_data(self) -> bool {
        matches!(self, Kind::WriteBegan | Kind::Mark)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) id: u64,
    /// Where on the disk.
    pub(super) offset: u64,
    pub(super) len: u64,
    /// Where in the record its data is.
    data: u64,
}

/// A record that is being made.
pub(super) struct Tape {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Tape {
    pub(super) fn new(path: &Path) -> Result<Tape, Failure> {
        let file = File::create(path).map_err(Failure::io("make", path))?;
        Ok(Tape {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file),
        })
    }

    /// Adds an event; `data` behind the beginning of a write, and behind a mark.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        id: u64,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Failure> {
        let word = KINDS.iter().position(|other| *other == kind).unwrap_or(0) as u64;
        let mut event = [0; EVENT_BYTES];
        for (place, word) in event
            .chunks_exact_mut(8)
            .zip([word, id, offset, data.len() as u64])
        {
            place.copy_from_slice(&u64::to_le_bytes(word));
        }
        let added = self
            .file
            .write_all(&event)
            .and_then(|()| self.file.write_all(data));
        added.map_err(Failure::io("write", &self.path))
    }

    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.file.flush().map_err(Failure::io("write", &self.path))
    }
}

/// A record that was made.
pub(super) struct Record {
    path: PathBuf,
    file: File,
    pub(super) events: Vec<Event>,
}

impl Record {
    pub(super) fn open(path: &Path) -> Result<Record, Failure> {
        let io = || Failure::io("read", path);
        let file = File::open(path).map_err(io())?;
        let events = parse(&mut BufReader::with_capacity(1 << 20, &file)).map_err(io())?;
        Ok(Record {
            path: path.to_owned(),
            file,
            events,
        })
    }

    /// The data of an event.
    pub(super) fn data(&self, event: &Event) -> Result<Vec<u8>, Failure> {
        let mut data = vec![0; event.len as usize];
        let read = self.file.read_exact_at(&mut data, event.data);
        read.map_err(Failure::io("read", &self.path)).map(|()| data)
    }

    /// The events of the disk between the first mark and the last, before which it may be cut:
    /// what is promised is known there.
    pub(super) fn places(&self) -> Result<Vec<usize>, Failure> {
        let is_mark = |event: &Event| event.kind == Kind::Mark;
        let first = self.events.iter().position(is_mark);
        let last = self.events.iter().rposition(is_mark);
        let places: Vec<_> = (first.unwrap_or(0)..last.unwrap_or(0))
            .filter(|at| !is_mark(&self.events[*at]))
            .collect();
        match places.is_empty() {
            false => Ok(places),
            true => Err(Failure::Wrong(format!(
                "{} has no marks: did the writer run?",
                self.path.display()
            ))),
        }
    }

    /// The marks before an event, one after another.
    pub(super) fn marks(&self, at: usize) -> Result<Vec<u8>, Failure> {
        let mut marks = Vec::new();
        for event in &self.events[..at] {
            if event.kind == Kind::Mark {
                marks.extend_from_slice(&self.data(event)?);
            }
        }
        Ok(marks)
    }
}

/// All events of a record.
fn parse(from: &mut (impl Read + Seek)) -> io::Result<Vec<Event>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let end = from.seek(SeekFrom::End(0))?;
    let mut at = from.seek(SeekFrom::Start(0))?;
    let mut events = Vec::new();
    while at < end {
        let mut bytes = [0; EVENT_BYTES];
        from.read_exact(&mut bytes)?;
        let mut words = [0u64; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let [kind, id, offset, len] = words;
        let kind = usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind));
        let kind = *kind.ok_or_else(|| wrong("an event of no known kind"))?;
        at += EVENT_BYTES as u64;
        let event = Event {
            kind,
            id,
            offset,
            len,
            data: at,
        };
        if kind.has_data() {
            at = at
                .checked_add(len)
                .filter(|at| *at <= end)
                .ok_or_else(|| wrong("an event whose data is cut short"))?;
            from.seek_relative(len as i64)?;
        } else if len > 0 {
            return Err(wrong("an event with data that it cannot have"));
        }
        events.push(event);
    }
    Ok(events)
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |kind| {
            self.events
                .iter()
                .filter(|event| event.kind == kind)
                .count()
        };
        let bytes: u64 = self
            .events
            .iter()
            .filter(|event| event.kind == Kind::WriteBegan)
            .map(|event| event.len)
            .sum();
        write!(
            f,
            "{} writes of {:.1} MB, {} flushes, {} marks",
            count(Kind::WriteBegan),
            bytes as f64 / 1e6,
            count(Kind::FlushBegan),
            count(Kind::Mark)
        )
    }
}

#[cfg(test)]
mod tests;
