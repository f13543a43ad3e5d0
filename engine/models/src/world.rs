//! A store on a medium that looks on, what was asked of it, and whether it kept its word.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{self, Duration},
    unscheduled,
};

use millstream_format::Record;

use super::medium::Medium;
use crate::{
    Appended, Environment, Error, Position, Shard, ShardId, ShardOptions, Store, StoreOptions,
    clock::{Clock, Random, SystemThreads},
};

const PATH: &str = "/store";
pub(super) const SHARD: ShardId = ShardId(1);
/// Milliseconds since 1970 when an execution begins.
const BEGINNING_MS: u64 = 1_700_000_000_000;

/// Data below this is looked for on the medium when it is acknowledged.
const SHORT: usize = 64;

/// How an append is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// A ticket that a thread waits for.
    Wait,
    /// The write is made on the caller's own thread, if may be.
    Lead,
    /// A ticket that is polled.
    Poll,
}

/// What was appended, and how that ended.
#[derive(Debug)]
struct Outcome {
    data: String,
    result: Result<Appended, Error>,
}

/// The world of one execution.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) medium: Arc<Medium>,
    outcomes: Arc<unscheduled::Mutex<Vec<Outcome>>>,
    random: Arc<Counter>,
}

#[derive(Debug)]
struct ModelClock;

impl Clock for ModelClock {
    fn wall_ms(&self) -> u64 {
        BEGINNING_MS + time::now().as_millis() as u64
    }

    fn monotonic(&self) -> Duration {
        time::now()
    }
}

/// Numbers that do not come twice.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Random for Counter {
    fn next_u64(&self) -> u64 {
        (self.0.fetch_add(1, Ordering::SeqCst) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl World {
    pub(super) fn new() -> World {
        World {
            medium: Medium::new(),
            outcomes: Arc::default(),
            random: Arc::default(),
        }
    }

    pub(super) fn open(&self) -> Store {
        let options = StoreOptions {
            memory_budget: 4 << 20,
            mapped_segments: 1,
            recycled_segments: 1,
            environment: Environment {
                device: Some(Arc::new(Arc::clone(&self.medium))),
                clock: Arc::new(ModelClock),
                random: Arc::clone(&self.random) as Arc<dyn Random>,
                threads: Arc::new(SystemThreads),
            },
            ..StoreOptions::default()
        };
        Store::open(PATH, options).unwrap()
    }

    /// Appends a record of its own, and waits for the end of that.
    pub(super) fn append(&self, shard: &Shard, data: &str, way: Way) {
        let records = [Record::new("key", data.as_bytes())];
        let result = match way {
            Way::Wait => shard.append(&records).and_then(|ticket| ticket.wait()),
            Way::Lead => shard.append_and_wait(&records),
            Way::Poll => shard.append(&records).and_then(shuttle::future::block_on),
        };
        if result.is_ok() && data.len() < SHORT {
            let written = self.medium.was_written(data.as_bytes());
            assert!(written, "{data} is acknowledged and was not written");
        }
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push(Outcome {
            data: data.to_owned(),
            result,
        });
    }

    /// How many appends were acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.iter().filter(|o| o.result.is_ok()).count()
    }

    /// Reads the shard, and judges: what was acknowledged is there under its number, what was
    /// refused is not, nothing is there that was not appended, or twice; numbers have no holes.
    pub(super) fn judge(&self, shard: &Shard) {
        let found = read(shard);
        let oldest = shard.oldest().0;
        let numbers: Vec<u64> = found.keys().copied().collect();
        let expected: Vec<u64> = (oldest..oldest + found.len() as u64).collect();
        assert_eq!(numbers, expected, "numbers have no holes");
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        for outcome in outcomes.iter() {
            let places = found.iter().filter(|(_, data)| **data == outcome.data);
            let places: Vec<u64> = places.map(|(number, _)| *number).collect();
            match &outcome.result {
                Ok(appended) if appended.first.0 < oldest => {}
                Ok(appended) => assert_eq!(places, [appended.first.0], "{outcome:?}"),
                Err(error) if error.outcome_unknown() => {
                    assert!(places.len() <= 1, "{outcome:?} is at {places:?}");
                }
                Err(_) => assert!(places.is_empty(), "{outcome:?} is at {places:?}"),
            }
        }
        for data in found.values() {
            let tried = outcomes.iter().any(|outcome| outcome.data == *data);
            assert!(tried, "{data} was never appended");
        }
    }

    /// Closes the store, opens it again, and judges what is found.
    pub(super) fn close_and_judge(&self, store: Store) {
        store.close().unwrap();
        drop(store);
        let store = self.open();
        let shard = store.open_shard(SHARD, options()).unwrap();
        self.judge(&shard);
        store.close().unwrap();
    }
}

/// Segments as small as they may be.
pub(super) fn options() -> ShardOptions {
    ShardOptions {
        segment_bytes: 1 << 20,
        ..ShardOptions::default()
    }
}

/// What can be read, by number.
pub(super) fn read(shard: &Shard) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    let mut cursor = shard.read(Position::Oldest).unwrap();
    while let Some(batch) = cursor.next_batch().unwrap() {
        for record in batch.records() {
            let (number, record) = record.unwrap();
            let data = String::from_utf8(record.data.to_vec()).unwrap();
            let before = found.insert(number.0, data);
            assert!(before.is_none(), "{number:?} is read twice");
        }
    }
    found
}
