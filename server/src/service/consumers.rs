//! Registered consumers of streams. One is made in two steps, each durable before the next: its
//! row, marked as being made; its row, marked as active. It is removed in two: its row, marked as
//! being removed; its row. After the first step the request can be answered.

use std::{sync::Arc, time::Duration};

use super::{Service, ServiceError, Stream};
use crate::catalog::{ConsumerRow, ConsumerStatus, StreamMode, StreamRow};

/// Before a second step that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

impl Service {
    /// Registers a consumer of a stream.
    pub(crate) async fn register_consumer(
        self: &Arc<Self>,
        stream: &str,
        name: &str,
        tags: Vec<(String, String)>,
    ) -> Result<ConsumerRow, ServiceError> {
        let room = Arc::clone(&self.changes);
        let (stream, name) = (stream.to_owned(), name.to_owned());
        let began = self.blocking(&room, move |service| {
            let _together = service.together();
            let stream = service.stream(&stream)?;
            stream.require_served()?;
            if stream.consumer(&name).is_some() {
                return Err(ServiceError::ConsumerExists {
                    stream: stream.name().to_owned(),
                    name,
                });
            }
            service.check_consumers(&stream)?;
            // The second tells it from one of that name that was there before.
            let now_s = service.clock.wall_ms() / 1000;
            let created_s = now_s.max(stream.row.last_consumer_s + 1);
            let consumer = ConsumerRow {
                name,
                created_s,
                status: ConsumerStatus::Creating,
            };
            let row = StreamRow {
                last_consumer_s: created_s,
                ..stream.row.clone()
            };
            service.catalog.begin_consumer(&row, &consumer, &tags)?;
            let stream = Stream::clone(&stream);
            let stream = service.show_consumer(Stream { row, ..stream }, &consumer);
            Ok((stream, consumer))
        });
        let (stream, consumer) = began.await??;
        self.work_on_consumer(&stream, &consumer);
        Ok(consumer)
    }

    /// Removes a consumer of a stream; its subscriptions end.
    pub(crate) async fn deregister_consumer(
        self: &Arc<Self>,
        stream: &str,
        name: &str,
    ) -> Result<(), ServiceError> {
        let room = Arc::clone(&self.changes);
        let (stream, name) = (stream.to_owned(), name.to_owned());
        let began = self.blocking(&room, move |service| {
            let _together = service.together();
            let stream = service.stream(&stream)?;
            let mut consumer = stream.require_consumer(&name)?.clone();
            if consumer.status == ConsumerStatus::Deleting {
                return Err(busy(&stream, &consumer));
            }
            consumer.status = ConsumerStatus::Deleting;
            service.catalog.put_consumer(stream.row.id, &consumer)?;
            let stream = service.show_consumer(Stream::clone(&stream), &consumer);
            Ok((stream, consumer))
        });
        let (stream, consumer) = began.await??;
        self.work_on_consumer(&stream, &consumer);
        Ok(())
    }

    /// Goes on with consumers whose making or removing was cut short.
    pub(super) fn resume_consumers(self: &Arc<Self>, stream: &Stream) {
        for consumer in stream.consumers.iter() {
            if consumer.status != ConsumerStatus::Active {
                self.work_on_consumer(stream, consumer);
            }
        }
    }

    /// Takes the second step, in a task of its own, again and again until it succeeds.
    fn work_on_consumer(self: &Arc<Self>, stream: &Stream, consumer: &ConsumerRow) {
        let (name, id) = (stream.name().to_owned(), stream.row.id);
        let consumer = consumer.clone();
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(service) = weak.upgrade() {
                let room = Arc::clone(&service.changes);
                let (name, consumer) = (name.clone(), consumer.clone());
                let finish = move |service: &Arc<Service>| {
                    service.step()?;
                    service.finish_consumer(&name, id, &consumer)
                };
                match service.blocking(&room, finish).await.flatten() {
                    Ok(()) => return,
                    Err(_) if service.is_stopping() => return,
                    Err(error) => {
                        tracing::warn!(%error, "what a consumer needs cannot be done yet; it is tried again");
                    }
                }
                drop(service);
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    fn finish_consumer(
        &self,
        name: &str,
        id: u64,
        consumer: &ConsumerRow,
    ) -> Result<(), ServiceError> {
        let _together = self.together();
        let Some(stream) = self.same_stream(name, id) else {
            return Ok(());
        };
        // It may be another's second step by now.
        if stream.consumer(&consumer.name) != Some(consumer) {
            return Ok(());
        }
        if consumer.status == ConsumerStatus::Deleting {
            self.catalog.remove_consumer(id, &consumer.name)?;
            let stay = |c: &&ConsumerRow| c.name != consumer.name;
            let consumers = stream.consumers.iter().filter(stay).cloned().collect();
            let stream = Stream::clone(&stream);
            self.replace(Stream {
                consumers,
                ..stream
            });
            return Ok(());
        }
        let consumer = ConsumerRow {
            status: ConsumerStatus::Active,
            ..consumer.clone()
        };
        self.catalog.put_consumer(id, &consumer)?;
        self.show_consumer(Stream::clone(&stream), &consumer);
        Ok(())
    }

    /// Shows a stream with a consumer that is new, or another than it was. Under the lock of
    /// changes.
    fn show_consumer(&self, stream: Stream, consumer: &ConsumerRow) -> Arc<Stream> {
        let mut consumers = stream.consumers.to_vec();
        match consumers.binary_search_by(|c| c.name.cmp(&consumer.name)) {
            Ok(at) => consumers[at] = consumer.clone(),
            Err(at) => consumers.insert(at, consumer.clone()),
        }
        self.replace(Stream {
            consumers: consumers.into(),
            ..stream
        })
    }

    fn check_consumers(&self, stream: &Stream) -> Result<(), ServiceError> {
        let quotas = &self.settings.quotas;
        let committed = stream.row.mode == StreamMode::OnDemand && self.is_committed();
        let most = match committed {
            true => quotas.committed_consumers,
            false => quotas.consumers,
        };
        if let Some(most) = most
            && stream.consumers.len() >= most as usize
        {
            return Err(ServiceError::Quota(format!(
                "stream {:?} has {most} registered consumers, which is the limit; deregister one first",
                stream.name()
            )));
        }
        let creating = stream
            .consumers
            .iter()
            .filter(|consumer| consumer.status == ConsumerStatus::Creating);
        if let Some(most) = quotas.creating_consumers
            && creating.count() >= most as usize
        {
            return Err(ServiceError::Quota(format!(
                "{most} consumers of stream {:?} are being created, which is the limit; wait until one is active",
                stream.name()
            )));
        }
        Ok(())
    }
}

impl Stream {
    /// The consumer of a name.
    pub(crate) fn require_consumer(&self, name: &str) -> Result<&ConsumerRow, ServiceError> {
        self.consumer(name)
            .ok_or_else(|| ServiceError::NoSuchConsumer {
                stream: self.name().to_owned(),
                name: name.to_owned(),
            })
    }

    /// The consumer of a name, to read with.
    pub(crate) fn active_consumer(&self, name: &str) -> Result<&ConsumerRow, ServiceError> {
        let consumer = self.require_consumer(name)?;
        match consumer.status {
            ConsumerStatus::Active => Ok(consumer),
            _ => Err(busy(self, consumer)),
        }
    }
}

fn busy(stream: &Stream, consumer: &ConsumerRow) -> ServiceError {
    ServiceError::ConsumerBusy {
        stream: stream.name().to_owned(),
        name: consumer.name.clone(),
        status: consumer.status,
    }
}
