//! Policies of streams and consumers: kept and given back as they were written. Nothing is
//! decided by them yet.

use std::sync::Arc;

use super::{Service, ServiceError};

impl Service {
    /// The policy of a stream, or of a consumer of it, if there is one.
    pub(crate) async fn policy(
        self: &Arc<Self>,
        stream: &str,
        consumer: Option<&str>,
    ) -> Result<Option<String>, ServiceError> {
        let owner = self.stream(stream)?.owner(consumer)?;
        let room = Arc::clone(&self.changes);
        self.blocking(&room, move |service| Ok(service.catalog.policy(&owner)?))
            .await?
    }

    /// Attaches a policy in place of the one that there was.
    pub(crate) async fn put_policy(
        self: &Arc<Self>,
        stream: &str,
        consumer: Option<&str>,
        policy: String,
    ) -> Result<(), ServiceError> {
        self.with_owner(stream, consumer, move |service, owner| {
            Ok(service.catalog.put_policy(owner, &policy)?)
        })
        .await
    }

    /// Takes the policy away.
    pub(crate) async fn remove_policy(
        self: &Arc<Self>,
        stream: &str,
        consumer: Option<&str>,
    ) -> Result<(), ServiceError> {
        let named = match consumer {
            Some(consumer) => format!("consumer {consumer:?} of stream {stream:?}"),
            None => format!("stream {stream:?}"),
        };
        self.with_owner(stream, consumer, move |service, owner| {
            match service.catalog.remove_policy(owner)? {
                true => Ok(()),
                false => Err(ServiceError::NoPolicy { owner: named }),
            }
        })
        .await
    }
}
