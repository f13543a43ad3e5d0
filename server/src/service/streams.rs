//! Make, list, delete streams, and change their retention.
//!
//! A stream is made in three steps, each durable before the next: its rows, marked as being
//! made; its shards; its row, marked as active. It is deleted in the reverse order. Only what is
//! active is in the table, so nobody sees a step in between, and a start removes what a crash
//! left half-way (`shards.rs`).

use std::sync::Arc;

use millstream_engine::{CompressionChoice, Durability, ShardId, format::compression};

use super::{Service, ServiceError, Stream, limits};
use crate::catalog::{NewStream, StreamStatus};

/// A stream that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateStream {
    pub name: String,
    pub shards: u32,
    pub retention_hours: u32,
    /// 0 for none, else the zstd level; `None` for the configuration's.
    pub compression: Option<u8>,
    /// `None` for the configuration's.
    pub durability: Option<Durability>,
}

impl Service {
    /// Makes a stream; it is there, durably, on return.
    pub(crate) async fn create_stream(
        self: &Arc<Self>,
        request: CreateStream,
    ) -> Result<Arc<Stream>, ServiceError> {
        let new = self.check_create(request)?;
        let room = Arc::clone(&self.changes);
        self.blocking(&room, move |service| service.create_now(&new))
            .await?
    }

    fn check_create(&self, request: CreateStream) -> Result<NewStream, ServiceError> {
        if !limits::is_stream_name(&request.name) {
            let name = request
                .name
                .chars()
                .take(*limits::NAME_CHARS.end())
                .collect();
            return Err(ServiceError::InvalidName { name });
        }
        let (shards, hours) = (request.shards, request.retention_hours);
        if !limits::SHARDS.contains(&shards) {
            return Err(ServiceError::InvalidShardCount { count: shards });
        }
        if !limits::RETENTION_HOURS.contains(&hours) {
            return Err(ServiceError::InvalidRetention { hours });
        }
        let compression = match request.compression {
            None => self.settings.compression,
            Some(0) => CompressionChoice::None,
            Some(level) if compression::LEVELS.contains(&level.into()) => {
                CompressionChoice::Zstd(level.into())
            }
            Some(level) => return Err(ServiceError::InvalidCompression { level }),
        };
        Ok(NewStream {
            name: request.name,
            created_ms: self.clock.wall_ms(),
            shards,
            retention_hours: hours,
            compression,
            durability: request.durability.unwrap_or(self.settings.durability),
        })
    }

    fn create_now(self: &Arc<Self>, new: &NewStream) -> Result<Arc<Stream>, ServiceError> {
        let row = {
            let mut totals = self.totals();
            self.check_room(&totals, new.shards as usize)?;
            let row = self.catalog.begin_create(new)?;
            totals.streams += 1;
            totals.shards += row.shards.len();
            row
        };
        let shards = row.shards.len();
        match self.make_stream(row) {
            Ok(stream) => {
                tracing::info!(stream = new.name, shards, "stream created");
                Ok(stream)
            }
            Err(error) => {
                tracing::warn!(stream = new.name, %error, "a stream could not be made");
                let mut totals = self.totals();
                totals.streams -= 1;
                totals.shards -= shards;
                Err(error)
            }
        }
    }

    fn check_room(&self, totals: &super::Totals, shards: usize) -> Result<(), ServiceError> {
        if totals.streams >= self.settings.streams {
            return Err(ServiceError::TooMany {
                what: "streams",
                limit: self.settings.streams,
                key: "limits.streams",
            });
        }
        if totals.shards + shards > self.settings.shards {
            return Err(ServiceError::TooMany {
                what: "shards",
                limit: self.settings.shards,
                key: "limits.shards",
            });
        }
        Ok(())
    }

    fn make_stream(
        self: &Arc<Self>,
        row: crate::catalog::StreamRow,
    ) -> Result<Arc<Stream>, ServiceError> {
        let name = row.name.clone();
        let ids = row.shards.iter().map(|shard| ShardId(shard.id)).collect();
        let made = self.make_shards(row).and_then(|stream| {
            let _together = self.totals();
            self.catalog
                .update(&name, |row| row.status = StreamStatus::Active)?;
            self.table
                .store(Arc::new(self.table.load().with(Arc::clone(&stream))));
            Ok(stream)
        });
        if made.is_err() {
            self.undo(&name, ids);
        }
        made
    }

    /// Removes what was made of a stream. What cannot be removed now is removed at the next start.
    fn undo(&self, name: &str, ids: Vec<ShardId>) {
        let removed = self
            .remove_shards(ids)
            .and_then(|()| Ok(self.catalog.remove(name)?));
        if let Err(error) = removed {
            tracing::error!(stream = name, %error, "what was made of a stream cannot be removed; the next start tries again");
        }
    }

    /// Deletes a stream and its records; they are gone on return.
    pub(crate) async fn delete_stream(self: &Arc<Self>, name: &str) -> Result<(), ServiceError> {
        let (name, room) = (name.to_owned(), Arc::clone(&self.changes));
        self.blocking(&room, move |service| service.delete_now(&name))
            .await?
    }

    fn delete_now(self: &Arc<Self>, name: &str) -> Result<(), ServiceError> {
        let stream = {
            let _together = self.totals();
            let stream = self.stream(name)?;
            self.catalog
                .update(name, |row| row.status = StreamStatus::Deleting)?;
            self.table.store(Arc::new(self.table.load().without(name)));
            stream
        };
        self.remove_shards(stream.shards.iter().map(|shard| shard.id))?;
        self.catalog.remove(name)?;
        let mut totals = self.totals();
        totals.streams -= 1;
        totals.shards -= stream.shards.len();
        tracing::info!(
            stream = name,
            shards = stream.shards.len(),
            "stream deleted"
        );
        Ok(())
    }

    /// Changes how long a stream's records are kept.
    pub(crate) async fn set_retention(
        self: &Arc<Self>,
        name: &str,
        hours: u32,
    ) -> Result<(), ServiceError> {
        if !limits::RETENTION_HOURS.contains(&hours) {
            return Err(ServiceError::InvalidRetention { hours });
        }
        let (name, room) = (name.to_owned(), Arc::clone(&self.changes));
        self.blocking(&room, move |service| {
            let _together = service.totals();
            let stream = service.stream(&name)?;
            service
                .catalog
                .update(&name, |row| row.retention_hours = hours)?;
            stream.set_retention(hours);
            tracing::info!(stream = name, hours, "retention changed");
            Ok(())
        })
        .await?
    }

    /// Up to `limit` streams with names after `after`, and whether there are more.
    pub(crate) fn list_streams(&self, after: &str, limit: usize) -> (Vec<Arc<Stream>>, bool) {
        let table = self.table.load();
        let mut rest = table.after(after);
        let page = rest.by_ref().take(limit).cloned().collect();
        (page, rest.next().is_some())
    }
}
