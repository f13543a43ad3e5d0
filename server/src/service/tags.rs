//! Tags of streams and consumers.

use std::sync::Arc;

use super::{Service, ServiceError, Stream};
use crate::catalog::Owner;

/// Tags of a stream or a consumer.
pub(crate) const MOST_TAGS: usize = 50;

impl Stream {
    /// Itself, or a consumer of it, as the owner of tags and policies.
    ///
    /// # Errors
    /// When it has no such consumer.
    pub(crate) fn owner(&self, consumer: Option<&str>) -> Result<Owner, ServiceError> {
        let consumer = consumer.map(|name| self.require_consumer(name));
        Ok(Owner {
            stream: self.row.id,
            consumer: consumer.transpose()?.map(|consumer| consumer.name.clone()),
        })
    }
}

impl Service {
    /// Tags of a stream, or of a consumer of it, in the order of their keys.
    pub(crate) async fn tags(
        self: &Arc<Self>,
        stream: &str,
        consumer: Option<&str>,
    ) -> Result<Vec<(String, String)>, ServiceError> {
        let owner = self.stream(stream)?.owner(consumer)?;
        let room = Arc::clone(&self.changes);
        self.blocking(&room, move |service| Ok(service.catalog.tags(&owner)?))
            .await?
    }

    /// Adds tags, in place of those with the same keys.
    pub(crate) async fn add_tags(
        self: &Arc<Self>,
        stream: &str,
        consumer: Option<&str>,
        tags: Vec<(String, String)>,
    ) -> Result<(), ServiceError> {
        self.with_owner(stream, consumer, move |service, owner| {
            match service.catalog.put_tags(owner, &tags, MOST_TAGS)? {
                true => Ok(()),
                false => Err(ServiceError::Invalid(format!(
                    "there would be more than {MOST_TAGS} tags, which is the limit; remove some first"
                ))),
            }
        })
        .await
    }

    /// Removes tags; one that is not there is no error.
    pub(crate) async fn remove_tags(
        self: &Arc<Self>,
        stream: &str,
        consumer: Option<&str>,
        keys: Vec<String>,
    ) -> Result<(), ServiceError> {
        self.with_owner(stream, consumer, move |service, owner| {
            Ok(service.catalog.remove_tags(owner, &keys)?)
        })
        .await
    }

    /// Changes what hangs on a stream or a consumer, while that is there.
    pub(super) async fn with_owner<T: Send + 'static>(
        self: &Arc<Self>,
        stream: &str,
        consumer: Option<&str>,
        change: impl FnOnce(&Service, &Owner) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (stream, consumer) = (stream.to_owned(), consumer.map(str::to_owned));
        let room = Arc::clone(&self.changes);
        self.blocking(&room, move |service| {
            let _together = service.together();
            let stream = service.stream(&stream)?;
            let owner = stream.owner(consumer.as_deref())?;
            stream.require_served()?;
            change(service, &owner)
        })
        .await?
    }
}
