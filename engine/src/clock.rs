//! Time, randomness and threads, injected: the standard ones are called here and nowhere else.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Where the engine takes the time from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Milliseconds since 1970 by the wall clock, which may jump.
    fn wall_ms(&self) -> u64;
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Where epochs and store identities come from.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// 64 random bits that do not repeat across restarts.
    fn next_u64(&self) -> u64;
}

/// The randomness that the standard library seeds its hash maps with, from the system.
#[derive(Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        // Each RandomState has fresh keys; time and address make threads differ.
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos());
        RandomState::new().hash_one((nanos, thread::current().id()))
    }
}

/// What a turn of background work came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Call again.
    Again,
    /// The work has ended.
    Done,
}

/// Background work as a machine that is turned, so that a simulator can turn it by hand.
pub trait Work: Send {
    /// Does what there is to do. With `wait`, first waits for something to do.
    fn turn(&mut self, wait: bool) -> Turn;
}

/// Where background work runs.
pub trait Threads: fmt::Debug + Send + Sync + 'static {
    /// Starts `work` under a name.
    ///
    /// # Errors
    /// When the system refuses a thread.
    fn start(&self, name: &str, work: Box<dyn Work>) -> io::Result<Box<dyn Join>>;
}

/// Work that was started.
pub trait Join: Send + Sync {
    /// Waits until it is [`Turn::Done`].
    fn join(self: Box<Self>);
}

/// One thread of the system for each work.
#[derive(Debug, Default)]
pub struct SystemThreads;

impl Threads for SystemThreads {
    fn start(&self, name: &str, mut work: Box<dyn Work>) -> io::Result<Box<dyn Join>> {
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || while work.turn(true) == Turn::Again {})?;
        Ok(Box::new(thread))
    }
}

impl Join for thread::JoinHandle<()> {
    fn join(self: Box<Self>) {
        if (*self).join().is_err() {
            tracing::error!("a background thread of the store panicked");
        }
    }
}
