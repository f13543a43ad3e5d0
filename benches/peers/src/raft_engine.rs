//! raft-engine: TiKV's log of many Raft groups in one sequence of files, with group commit.

use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use protobuf::descriptor::UninterpretedOption;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::peer::{Entry, Peer, Plan};

pub(crate) const ENTRY: Entry = Entry {
    open,
    // More that wait make larger groups.
    threads: |row| (row.name == "ingest-100b-500").then_some(4),
    prewrites: true,
    cannot: |_| None,
};

/// Bytes of its files, as it has them by default.
const FILE: u64 = 128 << 20;
/// What it adds to a record at most.
const OVERHEAD: u64 = 20;
/// Entries that are read at once.
const READ: u64 = 1000;

/// An entry as Raft's: an index and bytes. The message is one that the protobuf library brings
/// along, so that no code has to be generated for the same two fields.
struct IndexAndBytes;

impl MessageExt for IndexAndBytes {
    type Entry = UninterpretedOption;

    fn index(entry: &UninterpretedOption) -> u64 {
        entry.get_positive_int_value()
    }
}

struct RaftEngine {
    engine: Engine,
    configuration: Config,
    /// One Raft group for each producer.
    groups: Vec<Mutex<Group>>,
}

/// What a producer uses again for each batch.
#[derive(Default)]
struct Group {
    batch: LogBatch,
    entries: Vec<UninterpretedOption>,
    last_index: u64,
}

fn open(plan: &Plan<'_>) -> Result<Box<dyn Peer>> {
    let size = plan.row.size as u64;
    let needed = plan.most_bytes / size * (size + OVERHEAD) + FILE;
    let configuration = Config {
        dir: plan.dir.to_string_lossy().into_owned(),
        // The data does not compress.
        batch_compression_threshold: ReadableSize(0),
        target_file_size: ReadableSize(FILE),
        prefill_for_recycle: !plan.fresh,
        // It makes half as many files again as the limit says.
        prefill_limit: (!plan.fresh)
            .then(|| ReadableSize(needed.next_multiple_of(FILE * 3) / 3 * 2)),
        ..Config::default()
    };
    let engine = Engine::open(configuration.clone())?;
    let groups = (0..plan.threads).map(|_| Mutex::default()).collect();
    Ok(Box::new(RaftEngine {
        engine,
        configuration,
        groups,
    }))
}

impl Peer for RaftEngine {
    fn settings(&self) -> String {
        let Config {
            prefill_for_recycle,
            target_file_size,
            ..
        } = self.configuration;
        format!(
            "Engine::write with sync (fdatasync, shared by those who wait), a Raft group for each \
             producer and an entry for each record; no compression, \
             target-file-size {target_file_size}, prefill-for-recycle {prefill_for_recycle}"
        )
    }

    fn append(&self, producer: usize, records: &[&[u8]]) -> Result<()> {
        let group = &mut *self.groups[producer]
            .lock()
            .map_err(|_| anyhow!("poisoned"))?;
        group.entries.resize_with(records.len(), Default::default);
        for (entry, record) in group.entries.iter_mut().zip(records) {
            group.last_index += 1;
            entry.set_positive_int_value(group.last_index);
            let data = entry.mut_string_value();
            data.clear();
            data.extend_from_slice(record);
        }
        let batch = &mut group.batch;
        batch.add_entries::<IndexAndBytes>(producer as u64 + 1, &group.entries)?;
        self.engine.write(batch, true)?;
        Ok(())
    }

    fn read_back(self: Box<Self>, see: &mut dyn FnMut(&[u8])) -> Result<&'static str> {
        let groups = self.groups.len() as u64;
        drop(self.engine);
        let engine = Engine::open(self.configuration)?;
        let mut entries = Vec::new();
        for group in 1..=groups {
            let mut next = engine.first_index(group).context("a group is gone")?;
            let end = engine.last_index(group).context("a group is gone")? + 1;
            while next < end {
                entries.clear();
                let until = end.min(next + READ);
                engine.fetch_entries_to::<IndexAndBytes>(group, next, until, None, &mut entries)?;
                entries
                    .iter()
                    .for_each(|entry| see(entry.get_string_value()));
                next = until;
            }
        }
        Ok("closed, opened again, and every entry of every group read")
    }
}
