//! okaywal: a write-ahead log in segments whose space is written before they are appended to.

use std::{
    io,
    sync::mpsc::{self, SyncSender},
    thread,
};

use anyhow::{Result, anyhow};
use okaywal::{
    Configuration, Entry as LogEntry, EntryId, LogManager, LogVoid, SegmentReader, WriteAheadLog,
};

use crate::peer::{Entry, Peer, Plan};

pub(crate) const ENTRY: Entry = Entry {
    open,
    // More that wait share a sync.
    threads: |row| (row.name == "ingest-100b-500").then_some(4),
    prewrites: true,
    cannot: |_| None,
};

/// The largest segment that it can preallocate, in whole mebibytes.
const SEGMENT: u64 = 4095 << 20;
/// What it adds to a record, and a record's share of what it adds to a batch of one.
const OVERHEAD: u64 = 20;
/// Bytes of its buffer: those of a batch and more, so that a batch takes few system calls.
const BUFFER: usize = 1 << 20;

struct OkayWal {
    log: WriteAheadLog,
    configuration: Configuration,
    room: u64,
}

fn open(plan: &Plan<'_>) -> Result<Box<dyn Peer>> {
    let size = plan.row.size as u64;
    let needed = plan.most_bytes / size * (size + OVERHEAD);
    let segment = match plan.fresh {
        true => 1 << 20,
        false => needed.next_multiple_of(1 << 20).min(SEGMENT),
    };
    let configuration = Configuration::default_for(plan.dir)
        .preallocate_bytes(u32::try_from(segment)?)
        // A checkpoint would give the segment away to be written again, and its records with it.
        .checkpoint_after_bytes(u64::MAX)
        .buffer_bytes(BUFFER);
    Ok(Box::new(OkayWal {
        log: configuration.clone().open(LogVoid)?,
        configuration,
        room: match plan.fresh {
            true => u64::MAX,
            false => segment / (size + OVERHEAD) * size,
        },
    }))
}

impl Peer for OkayWal {
    fn settings(&self) -> String {
        format!(
            "EntryWriter::commit (fdatasync, shared by those who wait), an entry for each batch \
             and a chunk for each record; one segment, preallocate_bytes {}, \
             no checkpoint, buffer_bytes {BUFFER}",
            self.configuration.preallocate_bytes
        )
    }

    fn room(&self) -> u64 {
        self.room
    }

    fn append(&self, _: usize, records: &[&[u8]]) -> Result<()> {
        let mut entry = self.log.begin_entry()?;
        for record in records {
            entry.write_chunk(record)?;
        }
        entry.commit()?;
        Ok(())
    }

    fn read_back(self: Box<Self>, see: &mut dyn FnMut(&[u8])) -> Result<&'static str> {
        self.log.shutdown()?;
        let configuration = self.configuration;
        let (chunks, recovered) = mpsc::sync_channel(64);
        thread::scope(|scope| {
            let log = scope.spawn(move || configuration.open(Recover { chunks })?.shutdown());
            for chunks in recovered {
                chunks.iter().for_each(|chunk| see(chunk));
            }
            log.join().map_err(|_| anyhow!("recovery panicked"))??;
            Ok("closed, opened again, and every chunk recovered")
        })
    }
}

/// Hands on what is found when the log is opened again.
#[derive(Debug)]
struct Recover {
    chunks: SyncSender<Vec<Vec<u8>>>,
}

impl LogManager for Recover {
    fn recover(&mut self, entry: &mut LogEntry<'_>) -> io::Result<()> {
        if let Some(chunks) = entry.read_all_chunks()? {
            self.chunks.send(chunks).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _: EntryId,
        _: &mut SegmentReader,
        _: &WriteAheadLog,
    ) -> io::Result<()> {
        Ok(())
    }
}
