//! A store to be measured: four shards of the hash space, as it is opened by default.

use std::path::Path;

use millstream_engine::{Position, Shard, ShardId, ShardOptions, Store, StoreOptions};
use millstream_format::{HashRange, ShardRouter};

use crate::{error::BenchError, noise::Tally};

/// Shards of a store, unless a row says otherwise.
pub(super) const SHARDS: u32 = 4;

#[derive(Debug)]
pub(super) struct MeasuredStore {
    pub(super) store: Store,
    pub(super) shards: Vec<Shard>,
    pub(super) router: ShardRouter,
}

impl MeasuredStore {
    pub(super) fn open(path: &Path, shards: u32) -> Result<MeasuredStore, BenchError> {
        let store = Store::open(path, StoreOptions::default())?;
        let ranges = HashRange::even(shards);
        let Some(router) = ShardRouter::new(&ranges) else {
            return Err(BenchError::wrong("the hash ranges leave a gap"));
        };
        let made = (0..shards)
            .map(|id| store.create_shard(ShardId(id.into()), ShardOptions::default()))
            .collect::<Result<_, _>>()?;
        Ok(MeasuredStore {
            store,
            shards: made,
            router,
        })
    }

    /// Reads everything back.
    pub(super) fn tally(&self) -> Result<Tally, BenchError> {
        let mut tally = Tally::default();
        for shard in &self.shards {
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
        }
        Ok(tally)
    }

    /// Checks that what was acknowledged is there, and nothing else, and closes the store.
    pub(super) fn check_and_close(self, acknowledged: Tally) -> Result<(), BenchError> {
        let read = self.tally()?;
        if read != acknowledged {
            return Err(BenchError::wrong(format!(
                "acknowledged {acknowledged:?}, read back {read:?}"
            )));
        }
        Ok(self.store.close()?)
    }
}
