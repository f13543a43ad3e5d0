//! What everything in a store stands on: the device and the other things that are injected, the
//! memory, the inboxes of the background workers.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::{Clock, Random},
    io::{
        device::{Device, File},
        pool::{Pool, Reclaim},
    },
    options::StoreOptions,
    read::tail::Tails,
    segment::list::{MapCache, lock},
    sequence::ShardId,
    shard::ShardCore,
    signal::Inbox,
};

/// Bytes for segment headers and stamps, apart from the budget: they must never wait for it.
const RESERVE_BYTES: usize = 1 << 20;
/// Most bytes of tails, whatever the budget.
const MAX_TAILS: usize = 32 << 20;
/// From so many files on, one call that settles all of them is cheaper.
const SETTLE_FILES: u32 = 8;

/// What everything in a store stands on.
pub(crate) struct Ground {
    pub device: Arc<dyn Device>,
    pub block: usize,
    pub clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    pub pool: Arc<Pool>,
    pub reserve: Arc<Pool>,
    pub maps: MapCache,
    pub tails: Arc<Tails>,
    pub linger: Duration,
    pub recycled_segments: usize,
    pub writer: Inbox<Arc<ShardCore>>,
    /// Shards that were written to by another thread, for the writer to show their watermarks.
    pub stamps: Inbox<Arc<ShardCore>>,
    pub preparer: Inbox<Arc<ShardCore>>,
    pub reaper: Inbox<Arc<ShardCore>>,
    pub shards: Mutex<BTreeMap<ShardId, Arc<ShardCore>>>,
    closing: AtomicBool,
    stopped: AtomicBool,
    path: PathBuf,
    /// What was made durable of what an earlier process left.
    settled: Mutex<Settled>,
}

/// See [`Ground::settle`].
#[derive(Debug, Clone, Copy)]
enum Settled {
    /// So many files by themselves.
    Files(u32),
    All,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").finish_non_exhaustive()
    }
}

impl Ground {
    /// The ground of the store in `path`, before any of its threads.
    pub(crate) fn new(device: Arc<dyn Device>, path: &Path, options: &StoreOptions) -> Ground {
        let tails = Arc::new(Tails::new((options.memory_budget / 4).min(MAX_TAILS)));
        let pool = Pool::new(options.memory_budget);
        let reclaimer: Arc<dyn Reclaim> = Arc::clone(&tails) as _;
        pool.set_reclaimer(Arc::downgrade(&reclaimer));
        Ground {
            block: device.report().block,
            device,
            clock: Arc::clone(&options.environment.clock),
            random: Arc::clone(&options.environment.random),
            pool,
            reserve: Pool::new(RESERVE_BYTES),
            maps: MapCache::new(options.mapped_segments),
            tails,
            linger: options.linger,
            recycled_segments: options.recycled_segments,
            writer: Inbox::default(),
            stamps: Inbox::default(),
            preparer: Inbox::default(),
            reaper: Inbox::default(),
            shards: Mutex::new(BTreeMap::new()),
            closing: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            path: path.to_path_buf(),
            settled: Mutex::new(Settled::Files(0)),
        }
    }

    /// A new epoch; never 0.
    pub(crate) fn epoch(&self) -> u64 {
        self.random.next_u64().max(1)
    }

    /// Whether the writer is to finish and end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// From now on the writer finishes and ends.
    pub(crate) fn begin_close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// From now on the other workers end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Whether the other workers are to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Makes what an earlier process has written to `file`, and the names in its directory, durable:
    /// by themselves, or, where many shards are opened, with everything that the process has left.
    pub(crate) fn settle(&self, file: &dyn File, dir: &Path) -> io::Result<()> {
        let alone = || {
            file.sync()?;
            self.device.sync_dir(dir)
        };
        let mut settled = lock(&self.settled);
        match *settled {
            Settled::All => Ok(()),
            Settled::Files(files) if files < SETTLE_FILES => {
                *settled = Settled::Files(files + 1);
                drop(settled);
                alone()
            }
            Settled::Files(_) => {
                // Whoever else opens a shard waits for it.
                match self.device.sync_all(&self.path) {
                    Err(error) if error.kind() == io::ErrorKind::Unsupported => alone(),
                    outcome => {
                        outcome?;
                        *settled = Settled::All;
                        Ok(())
                    }
                }
            }
        }
    }

    pub(crate) fn open_shards(&self) -> Vec<Arc<ShardCore>> {
        lock(&self.shards).values().cloned().collect()
    }

    /// Empties the inboxes of workers that have ended: a shard that is called there holds this,
    /// and neither would ever be freed.
    pub(crate) fn forget_calls(&self) {
        for inbox in [&self.writer, &self.stamps, &self.preparer, &self.reaper] {
            while inbox.take().is_some() {}
        }
    }
}
