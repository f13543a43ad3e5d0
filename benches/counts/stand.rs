//! A store on a test stand: a device in memory, a clock that stands still, and workers that are
//! turned by hand, on one thread. What it does is the same every time.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    Appended, Environment, Error, Shard, ShardId, ShardOptions, Store, StoreOptions, Ticket,
    clock::{Clock, Join, Random, Threads, Turn, Work},
    format::Record,
};

use crate::memory_device::{Keeping, MemoryDevice};

/// Where the store lies on the device.
const PATH: &str = "/stand";
const SHARD: ShardId = ShardId(1);
/// Time at which the clock begins, milliseconds since 1970.
pub(crate) const BEGINNING_MS: u64 = 1_700_000_000_000;
/// Turns of the writer after which a write should have ended.
const PATIENCE: usize = 8;

/// The workers of a store by their names.
const WRITER: &str = "millstream-writer";
const PREPARER: &str = "millstream-prepare";
const REAPER: &str = "millstream-compact";

/// A store with one shard.
pub(crate) struct Stand {
    pub(crate) shard: Shard,
    pub(crate) store: Store,
    hands: Arc<Hands>,
    clock: Arc<HandClock>,
    options: (StoreOptions, ShardOptions),
}

impl Stand {
    /// An empty store, with `memory` bytes of buffers and tail.
    pub(crate) fn new(keeping: Keeping, memory: usize, segment_bytes: u64) -> Result<Stand, Error> {
        let hands = Arc::new(Hands::default());
        let clock = Arc::new(HandClock::default());
        let options = StoreOptions {
            memory_budget: memory,
            environment: Environment {
                device: Some(MemoryDevice::new(keeping)),
                clock: Arc::clone(&clock) as _,
                random: Arc::new(Numbers::default()),
                threads: Arc::new(HandThreads(Arc::clone(&hands))),
            },
            ..StoreOptions::default()
        };
        let shard_options = ShardOptions {
            segment_bytes,
            ..ShardOptions::default()
        };
        let store = Store::open(PATH, options.clone())?;
        let shard = store.create_shard(SHARD, shard_options)?;
        let stand = Stand {
            shard,
            store,
            hands,
            clock,
            options: (options, shard_options),
        };
        stand.keep_up()?;
        Ok(stand)
    }

    /// Blocks for the rest of the segment and for the next one, so that appends do not meet the
    /// preparer; what lies in segments before is dropped.
    pub(crate) fn keep_up(&self) -> Result<(), Error> {
        self.hands.turn_all();
        self.shard.trim(self.shard.end())?;
        self.shard.prepare(2 * self.shard.options().segment_bytes)?;
        // What was prepared was announced to the writer, and one that is called leads.
        self.hands.turn(WRITER);
        Ok(())
    }

    /// The store closed and opened again: its tail is empty, its segments are mapped when they are
    /// read.
    pub(crate) fn reopened(self) -> Result<Stand, Error> {
        let Stand {
            shard,
            store,
            hands,
            clock,
            options: (options, shard_options),
        } = self;
        drop(shard);
        store.close()?;
        drop(store);
        let store = Store::open(PATH, options.clone())?;
        let shard = store.open_shard(SHARD, shard_options)?;
        Ok(Stand {
            shard,
            store,
            hands,
            clock,
            options: (options, shard_options),
        })
    }

    /// Turns the writer until a ticket has its outcome.
    pub(crate) fn acknowledged(&self, ticket: Ticket) -> Result<Appended, Error> {
        for _ in 0..PATIENCE {
            self.hands.turn(WRITER);
            if let Some(outcome) = ticket.wait_timeout(Duration::ZERO) {
                return outcome;
            }
            self.hands.turn(PREPARER);
        }
        Err(Error::Option {
            option: "threads",
            reason: "the writer was turned, but the append did not end".into(),
        })
    }

    /// An append from the call to its acknowledgement.
    pub(crate) fn append(&self, records: &[Record<'_>]) -> Result<Appended, Error> {
        self.acknowledged(self.shard.append(records)?)
    }

    /// Turns every worker, and lets `time` pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.hands.turn_all();
        let passed = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.clock.passed_ms.fetch_add(passed, Ordering::Relaxed);
    }
}

/// Time that passes when it is told to.
#[derive(Debug, Default)]
struct HandClock {
    passed_ms: AtomicU64,
}

impl Clock for HandClock {
    fn wall_ms(&self) -> u64 {
        BEGINNING_MS + self.passed_ms.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.passed_ms.load(Ordering::Relaxed))
    }
}

/// 1, 2, 3: epochs need to differ, no more.
#[derive(Debug, Default)]
struct Numbers(AtomicU64);

impl Random for Numbers {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The works of a store, turned by whoever holds this.
#[derive(Default)]
struct Hands {
    writer: Mutex<Option<Box<dyn Work>>>,
    preparer: Mutex<Option<Box<dyn Work>>>,
    reaper: Mutex<Option<Box<dyn Work>>>,
}

impl fmt::Debug for Hands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hands").finish_non_exhaustive()
    }
}

impl Hands {
    fn work(&self, name: &str) -> Option<MutexGuard<'_, Option<Box<dyn Work>>>> {
        let work = match name {
            WRITER => &self.writer,
            PREPARER => &self.preparer,
            REAPER => &self.reaper,
            _ => return None,
        };
        Some(work.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Turns a work, which is dropped when it is done; whether it goes on.
    fn turn(&self, name: &str) -> bool {
        let Some(mut work) = self.work(name) else {
            return false;
        };
        if work.as_mut().map(|work| work.turn(false)) == Some(Turn::Done) {
            *work = None;
        }
        work.is_some()
    }

    fn turn_all(&self) {
        for name in [WRITER, PREPARER, REAPER] {
            self.turn(name);
        }
    }
}

/// Starts nothing: works are handed over.
#[derive(Debug)]
struct HandThreads(Arc<Hands>);

impl Threads for HandThreads {
    fn start(&self, name: &str, work: Box<dyn Work>) -> io::Result<Box<dyn Join>> {
        let Some(mut place) = self.0.work(name) else {
            // The engine has a new worker: it has to be turned as well.
            return Err(io::ErrorKind::Unsupported.into());
        };
        *place = Some(work);
        Ok(Box::new(HandJoin {
            hands: Arc::clone(&self.0),
            name: name.to_owned(),
        }))
    }
}

struct HandJoin {
    hands: Arc<Hands>,
    name: String,
}

impl Join for HandJoin {
    fn join(self: Box<Self>) {
        while self.hands.turn(&self.name) {
            // The writer may wait for blocks.
            if self.name != PREPARER {
                self.hands.turn(PREPARER);
            }
        }
    }
}
