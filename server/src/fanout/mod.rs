//! Subscriptions of registered consumers to shards: each is pushed what becomes durable, in its
//! own flow, for five minutes.
//!
//! - [`registry`]: who subscribes to what, one at a time.
//! - [`subscription`]: what is to be sent next, and when there is something.

mod registry;
mod subscription;

pub(crate) use registry::{ConsumerKey, InUse, Registry, shrink};
pub(crate) use subscription::{Next, Subscription};
