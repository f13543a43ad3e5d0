//! What else there is to say about a stream, and can be changed while it is in use.

use std::sync::Arc;

use super::{Service, ServiceError, Stream, limits, quotas::Rare};
use crate::catalog::{Metrics, StreamMode, StreamRow};

/// Shard-level metrics before and after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MetricsChange {
    pub before: Metrics,
    pub after: Metrics,
}

impl Service {
    /// Changes how long a stream's records are kept.
    pub(crate) async fn set_retention(
        self: &Arc<Self>,
        name: &str,
        hours: u32,
    ) -> Result<(), ServiceError> {
        self.change_retention(name, hours, |_| Ok(())).await
    }

    /// Keeps a stream's records as long as now, or longer.
    pub(crate) async fn raise_retention(
        self: &Arc<Self>,
        name: &str,
        hours: u32,
    ) -> Result<(), ServiceError> {
        self.change_retention(name, hours, move |stream| {
            stream.require_active()?;
            let now = stream.row.retention_hours;
            match hours >= now {
                true => Ok(()),
                false => Err(ServiceError::Invalid(format!(
                    "retention of {hours} hours is less than the {now} hours of stream {:?}; decrease it instead",
                    stream.name()
                ))),
            }
        })
        .await
    }

    /// Keeps a stream's records as long as now, or shorter.
    pub(crate) async fn lower_retention(
        self: &Arc<Self>,
        name: &str,
        hours: u32,
    ) -> Result<(), ServiceError> {
        self.change_retention(name, hours, move |stream| {
            stream.require_active()?;
            let now = stream.row.retention_hours;
            match hours <= now {
                true => Ok(()),
                false => Err(ServiceError::Invalid(format!(
                    "retention of {hours} hours is more than the {now} hours of stream {:?}; increase it instead",
                    stream.name()
                ))),
            }
        })
        .await
    }

    async fn change_retention(
        self: &Arc<Self>,
        name: &str,
        hours: u32,
        check: impl FnOnce(&Stream) -> Result<(), ServiceError> + Send + 'static,
    ) -> Result<(), ServiceError> {
        if !limits::RETENTION_HOURS.contains(&hours) {
            return Err(ServiceError::InvalidRetention { hours });
        }
        let stream = self.change_row(name, move |stream, row| {
            check(stream)?;
            row.retention_hours = hours;
            Ok(())
        });
        let stream = stream.await?;
        for shard in stream.every_shard() {
            if let Some(handle) = shard.door().handle() {
                handle.set_retention(stream.retention());
            }
        }
        tracing::info!(stream = stream.name(), hours, "retention changed");
        Ok(())
    }

    /// Says who decides on the number of shards.
    pub(crate) async fn set_mode(
        self: &Arc<Self>,
        name: &str,
        mode: StreamMode,
        warm_mibps: Option<u32>,
    ) -> Result<(), ServiceError> {
        let service = Arc::clone(self);
        let changed = self.change_row(name, move |stream, row| {
            stream.require_active()?;
            if warm_mibps.is_some() {
                service.require_commitment(stream.name())?;
            }
            if row.mode != mode {
                service.count_rare(Rare::ModeUpdate, stream)?;
            }
            row.mode = mode;
            row.warm_mibps = match mode {
                StreamMode::OnDemand => warm_mibps.or(row.warm_mibps),
                StreamMode::Provisioned => None,
            };
            Ok(())
        });
        changed.await.map(drop)
    }

    /// Sets the most KiB of data and key in a record.
    pub(crate) async fn set_max_record(
        self: &Arc<Self>,
        name: &str,
        kib: u32,
    ) -> Result<(), ServiceError> {
        let changed = self.change_row(name, move |stream, row| {
            stream.require_active()?;
            row.max_record_kib = Some(kib);
            Ok(())
        });
        changed.await.map(drop)
    }

    /// Sets the throughput that a stream on demand is to be ready for.
    pub(crate) async fn set_warm_throughput(
        self: &Arc<Self>,
        name: &str,
        mibps: u32,
    ) -> Result<Arc<Stream>, ServiceError> {
        let service = Arc::clone(self);
        let changed = self.change_row(name, move |stream, row| {
            if row.mode != StreamMode::OnDemand {
                return Err(ServiceError::NotInThisMode(format!(
                    "stream {:?} is provisioned, and has no warm throughput: change its mode to on-demand first",
                    stream.name()
                )));
            }
            service.require_commitment(stream.name())?;
            stream.require_active()?;
            row.warm_mibps = Some(mibps);
            Ok(())
        });
        changed.await
    }

    /// Notes the key that records are to be encrypted with, or that they are not.
    pub(crate) async fn set_encryption(
        self: &Arc<Self>,
        name: &str,
        key: Option<String>,
    ) -> Result<(), ServiceError> {
        let service = Arc::clone(self);
        let changed = self.change_row(name, move |stream, row| {
            stream.require_active()?;
            if row.encryption_key != key {
                let what = match key {
                    Some(_) => Rare::EncryptionStart,
                    None => Rare::EncryptionStop,
                };
                service.count_rare(what, stream)?;
            }
            row.encryption_key = key;
            Ok(())
        });
        changed.await.map(drop)
    }

    /// Asks for shard-level metrics, besides those that were asked for.
    pub(crate) async fn enable_metrics(
        self: &Arc<Self>,
        name: &str,
        metrics: Metrics,
    ) -> Result<MetricsChange, ServiceError> {
        self.change_metrics(name, move |before| Metrics(before.0 | metrics.0))
            .await
    }

    /// Asks for some shard-level metrics no more.
    pub(crate) async fn disable_metrics(
        self: &Arc<Self>,
        name: &str,
        metrics: Metrics,
    ) -> Result<MetricsChange, ServiceError> {
        self.change_metrics(name, move |before| Metrics(before.0 & !metrics.0))
            .await
    }

    async fn change_metrics(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(Metrics) -> Metrics + Send + 'static,
    ) -> Result<MetricsChange, ServiceError> {
        let (name, room) = (name.to_owned(), Arc::clone(&self.changes));
        self.blocking(&room, move |service| {
            let mut before = Metrics::default();
            let stream = service.change(&name, |stream, row| {
                stream.require_active()?;
                before = row.monitoring;
                row.monitoring = change(before);
                Ok(())
            })?;
            Ok(MetricsChange {
                before,
                after: stream.row.monitoring,
            })
        })
        .await?
    }

    /// Changes a stream's row where that may block.
    async fn change_row(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(&Stream, &mut StreamRow) -> Result<(), ServiceError> + Send + 'static,
    ) -> Result<Arc<Stream>, ServiceError> {
        let (name, room) = (name.to_owned(), Arc::clone(&self.changes));
        self.blocking(&room, move |service| service.change(&name, change))
            .await?
    }
}
