//! What a store stands on in a simulation: a nature that decides, a clock that stands still until
//! it is moved, numbers from a seed, and workers that are turned by hand. One thread does it all.

use std::{
    fmt, io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    Environment,
    clock::{Clock, Join, Random, Threads, Turn, Work},
    io::simulated::{Action, Disk, Fate, Nature, SimulatedDevice},
};

use crate::{choices::Choices, weather::Weather};

pub(crate) const WRITER: &str = "millstream-writer";
pub(crate) const PREPARER: &str = "millstream-prepare";
pub(crate) const REAPER: &str = "millstream-compact";
pub(crate) const CURSORS: &str = "millstream-cursors";
/// Time at which every simulated life begins, milliseconds since 1970.
pub(crate) const BEGINNING_MS: u64 = 1_700_000_000_000;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What goes on while an operation is about to be made.
pub(crate) trait Bystander: Send + Sync {
    /// The device could be cut off just now: what would be left?
    fn consider(&self, disk: &dyn Fn() -> Disk, action: Action, path: &Path);
    /// Others run, between two operations of the one that runs.
    fn run_others(&self);
}

struct Inner {
    choices: Choices,
    weather: Weather,
    operations: u64,
    /// The operation that does not happen any more, if that is decided.
    ends_at: Option<u64>,
    /// What was left at that moment.
    left: Option<Disk>,
    trace: u64,
    depth: u32,
    log: Option<Vec<String>>,
}

/// Where a work stands, until it is done.
type Place = Mutex<Option<Box<dyn Work>>>;

/// The world of one store, from an open to its end.
pub(crate) struct World {
    inner: Mutex<Inner>,
    dead: AtomicBool,
    wall_ms: Arc<AtomicU64>,
    monotonic_ms: AtomicU64,
    works: [(&'static str, Place); 4],
    bystander: Mutex<Option<Arc<dyn Bystander>>>,
    /// How often others run between two operations: once in so many, 0 for never.
    interleaving: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    /// A world whose clock goes on from `wall_ms`.
    pub(crate) fn new(
        choices: Choices,
        weather: Weather,
        wall_ms: Arc<AtomicU64>,
        interleaving: u64,
    ) -> Arc<World> {
        let works = [WRITER, PREPARER, REAPER, CURSORS];
        Arc::new(World {
            inner: Mutex::new(Inner {
                choices,
                weather,
                operations: 0,
                ends_at: None,
                left: None,
                trace: 0,
                depth: 0,
                log: None,
            }),
            dead: AtomicBool::new(false),
            wall_ms,
            monotonic_ms: AtomicU64::new(0),
            works: works.map(|name| (name, Mutex::new(None))),
            bystander: Mutex::default(),
            interleaving,
        })
    }

    pub(crate) fn environment(self: &Arc<Self>, device: &SimulatedDevice) -> Environment {
        Environment {
            device: Some(Arc::new(device.clone())),
            clock: Arc::clone(self) as _,
            random: Arc::clone(self) as _,
            threads: Arc::new(Hands(Arc::clone(self))),
        }
    }

    pub(crate) fn set_bystander(&self, bystander: Option<Arc<dyn Bystander>>) {
        *lock(&self.bystander) = bystander;
    }

    /// Lets the device be cut off at the operation that is so many from now.
    pub(crate) fn end_after(&self, operations: u64) {
        let mut inner = lock(&self.inner);
        inner.ends_at = Some(inner.operations + operations);
    }

    /// Cuts the device off now.
    pub(crate) fn end(&self, device: &SimulatedDevice) {
        let mut inner = lock(&self.inner);
        if inner.left.is_none() {
            inner.left = Some(device.disk());
        }
        self.dead.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// The disk as it was when the device was cut off.
    pub(crate) fn take_left(&self) -> Option<Disk> {
        lock(&self.inner).left.take()
    }

    pub(crate) fn operations(&self) -> u64 {
        lock(&self.inner).operations
    }

    /// A number that is the same when the same operations were made in the same order.
    pub(crate) fn trace(&self) -> u64 {
        lock(&self.inner).trace
    }

    pub(crate) fn with_weather<T>(&self, look: impl FnOnce(&mut Weather) -> T) -> T {
        look(&mut lock(&self.inner).weather)
    }

    pub(crate) fn pick(&self, bound: u64) -> u64 {
        lock(&self.inner).choices.below(bound)
    }

    pub(crate) fn once_in(&self, times: u64) -> bool {
        lock(&self.inner).choices.once_in(times)
    }

    pub(crate) fn bits(&self) -> u64 {
        lock(&self.inner).choices.bits()
    }

    /// Keeps a line for each operation from now on.
    pub(crate) fn keep_log(&self) {
        lock(&self.inner).log.get_or_insert_default();
    }

    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut lock(&self.inner).log {
            log.push(line());
        }
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        lock(&self.inner).log.take().unwrap_or_default()
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
        self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Turns a work, unless it is being turned; whether it goes on.
    pub(crate) fn turn(&self, name: &str) -> bool {
        let Some((_, work)) = self.works.iter().find(|(known, _)| *known == name) else {
            return false;
        };
        let Ok(mut work) = work.try_lock() else {
            return true;
        };
        if work.as_mut().map(|work| work.turn(false)) == Some(Turn::Done) {
            *work = None;
        }
        work.is_some()
    }

    pub(crate) fn turn_all(&self) {
        for name in [WRITER, PREPARER, REAPER, CURSORS] {
            self.turn(name);
        }
    }
}

impl Nature for World {
    fn before(&self, device: &SimulatedDevice, action: Action, path: &Path) -> Fate {
        const GONE: Fate = Fate::Fails(io::ErrorKind::BrokenPipe);
        if self.is_dead() {
            return GONE;
        }
        let (fate, others) = {
            let mut inner = lock(&self.inner);
            inner.operations += 1;
            let letters = path.as_os_str().as_encoded_bytes();
            inner.trace = letters.iter().fold(
                crate::choices::mix(inner.trace ^ action as u64),
                |trace, letter| trace.wrapping_mul(31).wrapping_add(u64::from(*letter)),
            );
            if inner.ends_at == Some(inner.operations) {
                inner.left = Some(device.disk());
                self.dead.store(true, Ordering::SeqCst);
            }
            let Inner {
                weather, choices, ..
            } = &mut *inner;
            let fate = weather.fate(action, choices);
            let place = path.extension().is_some_and(|end| end == "cursor");
            weather.past.place_unread |= place && action == Action::Read && fate != Fate::Done;
            let operations = inner.operations;
            if let Some(log) = &mut inner.log {
                let gone = if self.dead.load(Ordering::SeqCst) {
                    " (cut off)"
                } else {
                    ""
                };
                log.push(format!(
                    "  {operations} {action:?} {} {fate:?}{gone}",
                    path.display()
                ));
            }
            // The shard is locked while a write goes to the queue: nobody else gets at it.
            let others = inner.depth == 0
                && action != Action::Submit
                && inner.choices.once_in(self.interleaving);
            (fate, others)
        };
        if self.is_dead() {
            return GONE;
        }
        let bystander = lock(&self.bystander).clone();
        if let Some(bystander) = bystander {
            bystander.consider(&|| device.disk(), action, path);
            if others {
                lock(&self.inner).depth += 1;
                bystander.run_others();
                lock(&self.inner).depth -= 1;
            }
        }
        if self.is_dead() { GONE } else { fate }
    }

    fn choose(&self, bound: u64) -> u64 {
        self.pick(bound)
    }
}

impl Clock for World {
    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
    }
}

impl Random for World {
    fn next_u64(&self) -> u64 {
        self.bits()
    }
}

/// Starts nothing: works are handed over.
#[derive(Debug)]
struct Hands(Arc<World>);

impl Threads for Hands {
    fn start(&self, name: &str, work: Box<dyn Work>) -> io::Result<Box<dyn Join>> {
        let place = self.0.works.iter().find(|(known, _)| *known == name);
        let Some((name, place)) = place else {
            // The engine has a new worker: it has to be turned as well.
            return Err(io::ErrorKind::Unsupported.into());
        };
        *lock(place) = Some(work);
        Ok(Box::new(Joined {
            world: Arc::clone(&self.0),
            name,
        }))
    }
}

struct Joined {
    world: Arc<World>,
    name: &'static str,
}

impl Join for Joined {
    fn join(self: Box<Self>) {
        while self.world.turn(self.name) {
            if self.name == WRITER {
                // It may wait for blocks.
                self.world.turn(PREPARER);
                self.world.pass(1);
            }
        }
    }
}
