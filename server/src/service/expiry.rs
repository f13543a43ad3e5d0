//! Closed shards go when retention has dropped all of their records.
//!
//! Their rows go first, then their directories: one that no row names is removed by the next
//! start.

use std::sync::Arc;

use super::{Service, ServiceError, Stream, StreamShard, streams::gaps};

impl Service {
    /// Removes what is past retention.
    pub(crate) async fn expire_shards(self: &Arc<Self>) {
        for stream in self.table.load_full().all() {
            if self.expired(stream).next().is_none() {
                continue;
            }
            // Whoever works on its shards comes first.
            let Ok(alone) = Arc::clone(&stream.work).try_lock_owned() else {
                continue;
            };
            let (name, id) = (stream.name().to_owned(), stream.row.id);
            let room = Arc::clone(&self.changes);
            let removed = self.blocking(&room, move |service| {
                let _alone = alone;
                let removed = service.remove_expired(&name, id);
                if let Err(error) = &removed {
                    tracing::warn!(stream = name, %error, "closed shards past retention cannot be removed yet; it is tried again");
                }
            });
            if removed.await.is_err() {
                return;
            }
        }
    }

    /// Closed shards of which nothing is kept any more. The engine drops records by a clock that
    /// it trusts; one that never had records goes by the clock alone.
    fn expired<'a>(&self, stream: &'a Stream) -> impl Iterator<Item = &'a StreamShard> + use<'a> {
        let horizon_ms = self
            .clock
            .wall_ms()
            .saturating_sub(u64::from(stream.row.retention_hours) * 3_600_000);
        let served = stream.is_served();
        stream.map.all().iter().filter(move |shard| {
            let Some(closed) = shard.closed.filter(|_| served) else {
                return false;
            };
            let empty = |handle: Arc<millstream_engine::Shard>| handle.oldest().0 >= closed.end;
            closed.at_ms <= horizon_ms && shard.door().handle().is_some_and(empty)
        })
    }

    fn remove_expired(&self, name: &str, id: u64) -> Result<(), ServiceError> {
        let (gone, numbers) = {
            let _together = self.together();
            let Some(stream) = self.same_stream(name, id) else {
                return Ok(());
            };
            let gone: Vec<StreamShard> = self.expired(&stream).cloned().collect();
            let numbers: Vec<u32> = gone.iter().map(|shard| shard.index).collect();
            let map = stream.map.without(&numbers).ok_or_else(|| gaps(name))?;
            self.catalog.remove_shards(id, &numbers)?;
            let stream = Stream::clone(&stream);
            self.replace(Stream {
                map: Arc::new(map),
                ..stream
            });
            (gone, numbers)
        };
        self.step()?;
        self.remove_shards(gone.iter().map(|shard| shard.id))?;
        tracing::info!(stream = name, shards = ?numbers, "closed shards went past retention");
        Ok(())
    }
}
