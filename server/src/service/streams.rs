//! Make, list and delete streams.
//!
//! A stream is made in three steps, each durable before the next: its rows, marked as being made;
//! its shards; its row, marked as active. It is deleted in three: its row, marked as being
//! deleted; its shards; its rows. After the first step the request can be answered: the rest is
//! done behind it (`work.rs`), and gone on with by the next start when it is cut short.

use std::sync::Arc;

use millstream_engine::{CompressionChoice, Durability, format::compression};

use super::{Service, ServiceError, Stream, limits, work::FirstAttempt};
use crate::catalog::{NewStream, StreamMode, StreamRow, StreamStatus};

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
    pub mode: StreamMode,
    /// `None` for what the server takes.
    pub max_record_kib: Option<u32>,
    pub warm_mibps: Option<u32>,
    pub tags: Vec<(String, String)>,
}

impl CreateStream {
    /// A stream as it is made where nothing else is said.
    pub(crate) fn plain(name: impl Into<String>, shards: u32) -> CreateStream {
        CreateStream {
            name: name.into(),
            shards,
            retention_hours: limits::RETENTION_HOURS_MIN,
            compression: None,
            durability: None,
            mode: StreamMode::Provisioned,
            max_record_kib: None,
            warm_mibps: None,
            tags: Vec::new(),
        }
    }
}

/// How a stream is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// Unless it has consumers.
    WithoutConsumers,
    /// With its consumers.
    WithConsumers,
}

impl Service {
    /// Makes a stream; it is there, durably, on return.
    pub(crate) async fn create_stream(
        self: &Arc<Self>,
        request: CreateStream,
    ) -> Result<Arc<Stream>, ServiceError> {
        let (stream, making) = self.begin_stream(request).await?;
        making.over().await?;
        let name = stream.name();
        let made = self.same_stream(name, stream.row.id);
        made.ok_or_else(|| ServiceError::NoSuchStream {
            name: name.to_owned(),
        })
    }

    /// Begins to make a stream: it is there as one that is being made.
    pub(crate) async fn start_stream(
        self: &Arc<Self>,
        request: CreateStream,
    ) -> Result<Arc<Stream>, ServiceError> {
        Ok(self.begin_stream(request).await?.0)
    }

    async fn begin_stream(
        self: &Arc<Self>,
        request: CreateStream,
    ) -> Result<(Arc<Stream>, FirstAttempt), ServiceError> {
        let new = self.check_create(request)?;
        let room = Arc::clone(&self.changes);
        let began = self.blocking(&room, move |service| {
            let _together = service.together();
            if service.table.load().get(&new.name).is_some() {
                let name = new.name.clone();
                return Err(ServiceError::StreamExists { name });
            }
            service.check_room(1, new.shards as usize)?;
            service.check_creating()?;
            match new.mode {
                StreamMode::Provisioned => service.check_shards(new.shards as usize)?,
                StreamMode::OnDemand => service.check_on_demand()?,
            }
            let whole = service.catalog.begin_create(&new)?;
            let stream = Stream::new(whole).ok_or_else(|| gaps(&new.name))?;
            Ok(service.replace(stream))
        });
        let stream = began.await??;
        let making = self.work_on(&stream);
        Ok((stream, making))
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
            mode: request.mode,
            max_record_kib: request.max_record_kib,
            warm_mibps: request.warm_mibps,
            tags: request.tags,
        })
    }

    /// Refuses streams and shards for which there is no room. Under the lock of changes.
    pub(super) fn check_room(&self, streams: usize, shards: usize) -> Result<(), ServiceError> {
        let table = self.table.load();
        let there: usize = table.all().map(|s| s.shard_count()).sum();
        let (most_streams, most_shards) = (self.settings.streams, self.settings.shards);
        if table.len() + streams > most_streams {
            return Err(ServiceError::TooMany {
                what: "streams",
                limit: most_streams,
                key: "limits.streams",
            });
        }
        if there + shards > most_shards {
            return Err(ServiceError::TooMany {
                what: "shards",
                limit: most_shards,
                key: "limits.shards",
            });
        }
        Ok(())
    }

    /// Makes the shards of a stream that is being made, and marks it as active. What cannot be
    /// made is removed again.
    pub(super) fn make_stream(&self, stream: &Stream) -> Result<(), ServiceError> {
        let made = self
            .make_shards(stream, stream.map.all())
            .and_then(|()| self.step())
            .and_then(|()| self.set_status(stream, StreamStatus::Active));
        match made {
            Ok(stream) => {
                let shards = stream.map.all().len();
                tracing::info!(stream = stream.name(), shards, "stream created");
                Ok(())
            }
            // It stays as it is, and the next start goes on.
            Err(error) if self.is_stopping() => Err(error),
            Err(error) => {
                tracing::warn!(stream = stream.name(), %error, "a stream could not be made");
                let undone = self
                    .set_status(stream, StreamStatus::Deleting)
                    .and_then(|stream| self.unmake_stream(&stream));
                if let Err(error) = undone {
                    tracing::error!(stream = stream.name(), %error, "what was made of a stream cannot be removed yet; it is tried again");
                }
                Err(error)
            }
        }
    }

    /// Deletes a stream and its records; they are gone on return.
    pub(crate) async fn delete_stream(self: &Arc<Self>, name: &str) -> Result<(), ServiceError> {
        if self.stream(name)?.row.status == StreamStatus::Deleting {
            let name = name.to_owned();
            return Err(ServiceError::NoSuchStream { name });
        }
        let stream = self
            .mark_deleted(name, Deletion::WithConsumers, false)
            .await?;
        self.work_on(&stream).over().await
    }

    /// Begins to delete a stream: it is there as one that is being deleted. One that is being made
    /// is not deleted before it is there.
    pub(crate) async fn start_deletion(
        self: &Arc<Self>,
        name: &str,
        deletion: Deletion,
    ) -> Result<(), ServiceError> {
        let stream = self.mark_deleted(name, deletion, true).await?;
        drop(self.work_on(&stream));
        Ok(())
    }

    async fn mark_deleted(
        self: &Arc<Self>,
        name: &str,
        deletion: Deletion,
        made_only: bool,
    ) -> Result<Arc<Stream>, ServiceError> {
        let (name, room) = (name.to_owned(), Arc::clone(&self.changes));
        self.blocking(&room, move |service| {
            service.change(&name, |stream, row| {
                if made_only {
                    stream.require_served()?;
                }
                if deletion == Deletion::WithoutConsumers && !stream.consumers.is_empty() {
                    let (stream, consumers) = (name.clone(), stream.consumers.len());
                    return Err(ServiceError::HasConsumers { stream, consumers });
                }
                row.status = StreamStatus::Deleting;
                Ok(())
            })
        })
        .await?
    }

    /// Removes the shards of a stream that is being deleted, and its rows.
    pub(super) fn unmake_stream(&self, stream: &Stream) -> Result<(), ServiceError> {
        for shard in stream.every_shard() {
            shard.door().remove();
        }
        self.step()?;
        self.remove_shards(stream.every_shard().map(|shard| shard.id))?;
        self.step()?;
        let _together = self.together();
        let name = stream.name();
        self.catalog.remove(name)?;
        self.publish(self.table.load().without(name));
        let shards = stream.shard_count();
        tracing::info!(stream = name, shards, "stream deleted");
        Ok(())
    }

    /// Moves a stream on in its life.
    pub(crate) fn set_status(
        &self,
        stream: &Stream,
        status: StreamStatus,
    ) -> Result<Arc<Stream>, ServiceError> {
        self.change(stream.name(), |now, row: &mut StreamRow| {
            // Deleted meanwhile: that stands.
            if now.row.status != StreamStatus::Deleting {
                row.status = status;
            }
            Ok(())
        })
    }

    /// Up to `limit` streams with names after `after`, and whether there are more.
    pub(crate) fn list_streams(&self, after: &str, limit: usize) -> (Vec<Arc<Stream>>, bool) {
        let table = self.table.load();
        let mut rest = table.after(after);
        let page = rest.by_ref().take(limit).cloned().collect();
        (page, rest.next().is_some())
    }
}

/// What is wrong with a stream whose open shards do not cover the hash space.
pub(super) fn gaps(stream: &str) -> ServiceError {
    ServiceError::Defect(format!(
        "the shards of stream {stream:?} in the catalog do not cover the hash space"
    ))
}
