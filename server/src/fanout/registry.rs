//! Who subscribes to what: for each consumer and shard there is one seat. Whoever sits down within
//! five seconds of the last one is refused; later ones take the seat over, and whoever had it is
//! told to get up.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use crate::capacity::{Capacity, Flow};

/// Between two subscriptions of a consumer to a shard.
const PAUSE: Duration = Duration::from_secs(5);
/// Seats that are kept before those in which nobody sits are forgotten.
const SWEEP_AT: usize = 1024;
/// Bytes of events that are being made and sent, over all subscriptions.
const EVENT_BYTES: usize = 256 << 20;
/// Unit in which they are counted.
const EVENT_UNIT: usize = 1 << 10;
/// Data in one event: so much where there are few subscriptions, and no less however many there
/// are; a record that is larger goes alone.
const MOST_A_PAGE: usize = 1 << 20;
const LEAST_A_PAGE: usize = 8 << 10;

/// A consumer, of which none other has the same, not even later.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConsumerKey {
    /// Id of its stream.
    pub stream: u64,
    pub name: String,
    /// Seconds since 1970.
    pub created_s: u64,
}

/// The last subscription is too young to be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InUse;

/// The seats.
#[derive(Debug)]
pub(crate) struct Registry {
    seats: Mutex<Seats>,
    memory: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Seats {
    taken: HashMap<(ConsumerKey, u32), Taken>,
    sweep_at: usize,
    /// Counts subscriptions, so that each has a number of its own.
    next: u64,
}

#[derive(Debug)]
struct Taken {
    by: watch::Sender<u64>,
    since: Instant,
    /// What went to the consumer counts for whoever has the seat.
    flow: Arc<Flow>,
}

/// A seat, by whoever has it.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    by: watch::Receiver<u64>,
    pub flow: Arc<Flow>,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry {
            seats: Mutex::default(),
            memory: Arc::new(Semaphore::new(EVENT_BYTES / EVENT_UNIT)),
        }
    }
}

impl Registry {
    /// Takes the seat of a consumer at a shard.
    ///
    /// # Errors
    /// When it was taken less than five seconds ago.
    pub(crate) fn sit(
        &self,
        consumer: ConsumerKey,
        shard: u32,
        capacity: &Capacity,
    ) -> Result<Seat, InUse> {
        let now = Instant::now();
        let mut seats = self.seats();
        seats.sweep(now);
        seats.next += 1;
        let number = seats.next;
        let place = (consumer, shard);
        if let Some(taken) = seats.taken.get_mut(&place) {
            if now < taken.since + PAUSE {
                return Err(InUse);
            }
            taken.since = now;
            taken.by.send_replace(number);
            return Ok(Seat {
                number,
                by: taken.by.subscribe(),
                flow: Arc::clone(&taken.flow),
            });
        }
        let (sender, by) = watch::channel(number);
        let flow = Arc::new(capacity.fan_out());
        let taken = Taken {
            by: sender,
            since: now,
            flow: Arc::clone(&flow),
        };
        seats.taken.insert(place, taken);
        Ok(Seat { number, by, flow })
    }

    /// Bytes of data for one event, by how many subscriptions there are.
    pub(crate) fn page_bytes(&self) -> usize {
        let seats = self.seats().taken.len().max(1);
        (EVENT_BYTES / 8 / seats).clamp(LEAST_A_PAGE, MOST_A_PAGE)
    }

    /// Waits until there is memory for an event of so many bytes.
    pub(crate) async fn memory(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let memory = Arc::clone(&self.memory);
        memory.acquire_many_owned(units(bytes)).await.ok()
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory of an event in its unit.
fn units(bytes: usize) -> u32 {
    bytes.min(EVENT_BYTES).div_ceil(EVENT_UNIT) as u32
}

/// Gives back what an event of `bytes` does not need.
pub(crate) fn shrink(memory: &mut OwnedSemaphorePermit, bytes: usize) {
    let surplus = memory.num_permits().saturating_sub(units(bytes) as usize);
    drop(memory.split(surplus));
}

impl Seats {
    fn sweep(&mut self, now: Instant) {
        if self.taken.len() < self.sweep_at.max(SWEEP_AT) {
            return;
        }
        self.taken
            .retain(|_, taken| now < taken.since + PAUSE || taken.by.receiver_count() > 0);
        self.sweep_at = 2 * self.taken.len();
    }
}

impl Seat {
    /// Whether somebody else has it by now.
    #[cfg(test)]
    pub(crate) fn is_lost(&self) -> bool {
        *self.by.borrow() != self.number
    }

    /// Resolves when somebody else takes it.
    pub(crate) async fn lost(&mut self) {
        let number = self.number;
        // The sender is kept while somebody sits here, but for the end of the server.
        let _ = self.by.wait_for(|by| *by != number).await;
    }
}

#[cfg(test)]
mod tests;
