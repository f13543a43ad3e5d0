//! One subscription: what is to be sent next, and when there is something.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::registry::{ConsumerKey, Seat};
use crate::{
    catalog::ConsumerStatus,
    service::{Reading, Service, ServiceError, Stream},
    shutdown::Shutdown,
};

/// How long a subscription lasts.
const LIFETIME: Duration = Duration::from_secs(300);
/// Longest time without a sign of life. Clients wait for one every five seconds.
const QUIET: Duration = Duration::from_secs(4);

/// A consumer that is pushed the records of a shard.
pub(crate) struct Subscription {
    pub reading: Reading,
    pub seat: Seat,
    service: Arc<Service>,
    /// The stream's name.
    stream: String,
    consumer: ConsumerKey,
    changed: watch::Receiver<()>,
    shutdown: Shutdown,
    ends: Instant,
    /// When something was sent last.
    sent: Instant,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Records, or that none will ever follow.
    Records,
    /// A sign of life.
    Quiet,
    /// Nothing: its time is over.
    Over,
    /// Nothing: the server stops.
    Stopping,
    /// That another subscription has taken its place.
    Lost,
    /// That the consumer is gone, or the stream.
    Gone,
}

impl Subscription {
    pub(crate) fn new(
        service: &Arc<Service>,
        stream: &Stream,
        consumer: ConsumerKey,
        (reading, seat): (Reading, Seat),
        shutdown: Shutdown,
    ) -> Subscription {
        let now = Instant::now();
        Subscription {
            reading,
            seat,
            stream: stream.name().to_owned(),
            consumer,
            changed: service.changes(),
            service: Arc::clone(service),
            shutdown,
            ends: now + LIFETIME,
            sent: now,
        }
    }

    /// Waits until something is to be sent.
    ///
    /// # Errors
    /// When the shard cannot be read any more.
    pub(crate) async fn next(&mut self) -> Result<Next, ServiceError> {
        loop {
            // What is marked as seen is what is looked at below.
            self.changed.mark_unchanged();
            if !self.is_wanted() {
                return Ok(Next::Gone);
            }
            let Subscription {
                reading,
                seat,
                changed,
                shutdown,
                ends,
                sent,
                ..
            } = self;
            let wait = seat.flow.wait();
            let readable = async {
                sleep(wait).await;
                reading.readable().await
            };
            return Ok(tokio::select! {
                biased;
                () = seat.lost() => Next::Lost,
                () = shutdown.stopping() => Next::Stopping,
                () = sleep_until(*ends) => Next::Over,
                readable = readable => readable.map(|()| Next::Records)?,
                () = sleep_until(*sent + QUIET) => Next::Quiet,
                _ = changed.changed() => continue,
            });
        }
    }

    /// Says that an event with so many bytes of data was made.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent = Instant::now();
        self.seat.flow.sent(bytes);
    }

    /// The stream as it is now.
    pub(crate) fn stream(&self) -> Option<Arc<Stream>> {
        let stream = self.service.same_stream(&self.stream, self.consumer.stream);
        stream.filter(|stream| stream.is_served())
    }

    fn is_wanted(&self) -> bool {
        self.stream().is_some_and(|stream| {
            stream
                .consumer(&self.consumer.name)
                .is_some_and(|consumer| {
                    consumer.created_s == self.consumer.created_s
                        && consumer.status == ConsumerStatus::Active
                })
        })
    }
}
