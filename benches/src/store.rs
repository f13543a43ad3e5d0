//! A store to be measured, in this process, and what is read back from it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use millstream_engine::{Position, Shard, ShardId, ShardOptions, Store, StoreOptions};
use millstream_format::{HashKey, HashRange, ShardRouter};

use crate::{error::BenchError, noise::Tally, statistics::Throughput};

/// Threads that read back.
const READERS: usize = 2;
/// Threads that make or open shards, where there are as many.
const OPENERS: usize = 16;

#[derive(Debug)]
pub(crate) struct MeasuredStore {
    pub(crate) store: Store,
    pub(crate) shards: Vec<Shard>,
    router: ShardRouter,
}

impl MeasuredStore {
    /// Makes one whose shards share the hash space evenly, as it is by default.
    pub(crate) fn create(path: &Path, shards: u32) -> Result<MeasuredStore, BenchError> {
        let options = ShardOptions::default();
        MeasuredStore::create_with(path, shards, StoreOptions::default(), options)
    }

    pub(crate) fn create_with(
        path: &Path,
        shards: u32,
        store: StoreOptions,
        options: ShardOptions,
    ) -> Result<MeasuredStore, BenchError> {
        let make = |store: &Store, id| store.create_shard(id, options);
        MeasuredStore::with(Store::open(path, store)?, shards, make)
    }

    /// Opens one that was made.
    pub(crate) fn open(path: &Path, shards: u32) -> Result<MeasuredStore, BenchError> {
        let open = |store: &Store, id| store.open_shard(id, ShardOptions::default());
        let store = Store::open(path, StoreOptions::default())?;
        MeasuredStore::with(store, shards, open)
    }

    fn with(
        store: Store,
        shards: u32,
        get: impl Fn(&Store, ShardId) -> Result<Shard, millstream_engine::Error> + Sync,
    ) -> Result<MeasuredStore, BenchError> {
        let Some(router) = ShardRouter::new(&HashRange::even(shards)) else {
            return Err(BenchError::wrong("the hash ranges leave a gap"));
        };
        let shards = of_all(shards, |id| get(&store, id))?;
        Ok(MeasuredStore {
            store,
            shards,
            router,
        })
    }

    /// The shard that a key goes to.
    pub(crate) fn route(&self, key: &str) -> usize {
        self.shard_of(HashKey::of_partition_key(key))
    }

    /// The shard that a key goes to by its hash.
    #[inline]
    pub(crate) fn shard_of(&self, hash: HashKey) -> usize {
        self.router.route(hash)
    }

    /// Has every shard make segments ahead, until `bytes` over all of them can be appended to
    /// blocks that were written before: what it cost.
    pub(crate) fn prepare(&self, bytes: u64) -> Result<Throughput, BenchError> {
        let start = Instant::now();
        let mut made = 0;
        for shard in &self.shards {
            // A segment more than its share: keys do not spread quite evenly.
            let share = bytes / self.shards.len() as u64 + shard.options().segment_bytes;
            made += shard.prepare(share)?;
        }
        Ok(Throughput {
            bytes: made,
            elapsed: start.elapsed(),
        })
    }

    /// Bytes of batches on the medium, with their padding.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.status().bytes).sum()
    }

    /// Reads everything back, verified, and checks that no sequence number is left out.
    pub(crate) fn tally(&self) -> Result<Tally, BenchError> {
        let next = AtomicUsize::new(0);
        let reader = || {
            let mut tally = Tally::default();
            while let Some(shard) = self.shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                read_shard(shard, &mut tally)?;
            }
            Ok::<Tally, BenchError>(tally)
        };
        thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(reader)).collect();
            let mut sum = Tally::default();
            for thread in readers {
                let tally = thread
                    .join()
                    .map_err(|_| BenchError::wrong("a reader panicked"))?;
                sum.merge(tally?);
            }
            Ok(sum)
        })
    }

    /// Checks that what was acknowledged is there, and nothing else.
    pub(crate) fn check(&self, acknowledged: Tally) -> Result<(), BenchError> {
        let read = self.tally()?;
        if read == acknowledged {
            return Ok(());
        }
        Err(BenchError::wrong(format!(
            "acknowledged {acknowledged:?}, read back {read:?}"
        )))
    }

    pub(crate) fn check_and_close(self, acknowledged: Tally) -> Result<(), BenchError> {
        self.check(acknowledged)?;
        Ok(self.store.close()?)
    }
}

/// What `get` gives for every shard, which many threads ask for at a time, as a server does.
fn of_all(
    shards: u32,
    get: impl Fn(ShardId) -> Result<Shard, millstream_engine::Error> + Sync,
) -> Result<Vec<Shard>, BenchError> {
    let next = AtomicU64::new(0);
    let opener = || {
        let mut opened = Vec::new();
        loop {
            let id = next.fetch_add(1, Ordering::Relaxed);
            if id >= shards.into() {
                return Ok::<_, BenchError>(opened);
            }
            opened.push(get(ShardId(id))?);
        }
    };
    let mut all = thread::scope(|scope| {
        let threads = OPENERS.min(shards as usize);
        let openers: Vec<_> = (0..threads).map(|_| scope.spawn(opener)).collect();
        let mut all = Vec::new();
        for thread in openers {
            let opened = thread
                .join()
                .map_err(|_| BenchError::wrong("a thread that opens shards panicked"))?;
            all.extend(opened?);
        }
        Ok::<_, BenchError>(all)
    })?;
    all.sort_by_key(Shard::id);
    Ok(all)
}

/// Adds everything in a shard to a tally.
fn read_shard(shard: &Shard, tally: &mut Tally) -> Result<(), BenchError> {
    let mut next = 0;
    let mut cursor = shard.read(Position::Oldest)?;
    while let Some(batch) = cursor.next_batch()? {
        for record in batch.records() {
            let (sequence, record) = record?;
            if sequence.0 != next {
                let id = shard.id();
                return Err(BenchError::wrong(format!(
                    "shard {id}: record {sequence} where {next} is next"
                )));
            }
            next += 1;
            tally.add(record.key, record.data);
        }
    }
    Ok(())
}

/// The segment files in a store's directory, each shard's in the order of their records.
pub(crate) fn segment_files(directory: &Path) -> Result<Vec<PathBuf>, BenchError> {
    let mut files = Vec::new();
    let failed = |error| BenchError::io("list", directory)(error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            files.extend(segment_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "seg") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
