//! A store on a simulated device. Its workers are turned by hand, its clock stands still until it
//! is moved, its random numbers follow from a seed.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    Appended, Environment, Error, Store, StoreOptions, Ticket,
    clock::{Clock, Join, Random, Threads, Turn, Work},
    io::simulated::{Action, Disk, Fate, Nature, SimulatedDevice},
};

/// Where the store lies on its disk.
pub const STORE: &str = "/store";
/// Time at which every store is made, milliseconds since 1970.
const BEGINNING_MS: u64 = 1_700_000_000_000;
const WRITER: &str = "millstream-writer";
/// Turns after which an append that has not ended hangs.
const MOST_TURNS: usize = 1000;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spreads the bits of a number (the finaliser of SplitMix64).
#[must_use]
pub fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Numbers that follow from a seed, for whatever the input does not choose.
#[derive(Debug)]
pub struct Chance(AtomicU64);

impl Chance {
    /// Numbers that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Chance {
        Chance(AtomicU64::new(mix(seed ^ 0x6d69_6c6c)))
    }
}

impl Random for Chance {
    fn next_u64(&self) -> u64 {
        mix(self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }
}

/// What befalls a device: nothing, until it is cut off.
#[derive(Debug)]
struct Course {
    chance: Chance,
    operations: AtomicU64,
    /// The operation that does not happen any more; `u64::MAX` for none.
    ends_at: AtomicU64,
    /// The write that fails; `u64::MAX` for none.
    fails_at: AtomicU64,
    dead: AtomicBool,
    /// What was there when it was cut off.
    left: Mutex<Option<Disk>>,
}

impl Nature for Course {
    fn before(&self, device: &SimulatedDevice, action: Action, _: &Path) -> Fate {
        const GONE: Fate = Fate::Fails(io::ErrorKind::BrokenPipe);
        if self.dead.load(Ordering::Relaxed) {
            return GONE;
        }
        let operation = self.operations.fetch_add(1, Ordering::Relaxed);
        if operation >= self.ends_at.load(Ordering::Relaxed) {
            *lock(&self.left) = Some(device.disk());
            self.dead.store(true, Ordering::Relaxed);
            return GONE;
        }
        let writes = matches!(action, Action::Write | Action::Land | Action::Sync);
        if writes && operation >= self.fails_at.load(Ordering::Relaxed) {
            self.fails_at.store(u64::MAX, Ordering::Relaxed);
            return Fate::FailsHalfway(io::ErrorKind::Other);
        }
        Fate::Done
    }

    fn choose(&self, bound: u64) -> u64 {
        self.chance.next_u64() % bound.max(1)
    }
}

#[derive(Debug)]
struct Time {
    wall_ms: AtomicU64,
    monotonic_ms: AtomicU64,
}

impl Clock for Time {
    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
    }
}

impl Time {
    fn pass(&self, ms: u64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
        self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

type Works = Arc<Mutex<Vec<(String, Option<Box<dyn Work>>)>>>;

/// Starts nothing: works are turned by hand.
struct Hands {
    works: Works,
    time: Arc<Time>,
}

impl std::fmt::Debug for Hands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hands").finish_non_exhaustive()
    }
}

/// Turns the works of a name, or all; whether one of them goes on.
fn turn(works: &Works, name: Option<&str>) -> bool {
    let mut goes_on = false;
    let count = lock(works).len();
    for at in 0..count {
        // Taken out meanwhile: a work may end in what turns it.
        let mut taken = {
            let mut works = lock(works);
            let (known, work) = &mut works[at];
            if name.is_some_and(|name| name != known) {
                continue;
            }
            work.take()
        };
        if taken.as_mut().map(|work| work.turn(false)) == Some(Turn::Again) {
            lock(works)[at].1 = taken;
            goes_on = true;
        }
    }
    goes_on
}

impl Threads for Hands {
    fn start(&self, name: &str, work: Box<dyn Work>) -> io::Result<Box<dyn Join>> {
        lock(&self.works).push((name.to_owned(), Some(work)));
        Ok(Box::new(Joined {
            works: Arc::clone(&self.works),
            time: Arc::clone(&self.time),
            name: name.to_owned(),
        }))
    }
}

struct Joined {
    works: Works,
    time: Arc<Time>,
    name: String,
}

impl Join for Joined {
    fn join(self: Box<Self>) {
        for _ in 0..MOST_TURNS {
            if !turn(&self.works, Some(&self.name)) {
                return;
            }
            if self.name == WRITER {
                // It may wait for blocks that another gives.
                turn(&self.works, Some("millstream-prepare"));
                self.time.pass(1);
            }
        }
        panic!("{} does not end", self.name);
    }
}

/// What one process has: a device, time, and workers.
#[derive(Debug)]
pub struct Stand {
    device: SimulatedDevice,
    course: Arc<Course>,
    time: Arc<Time>,
    hands: Arc<Hands>,
    seed: u64,
}

impl Stand {
    /// A stand on `disk`, whose chance follows from `seed`.
    #[must_use]
    pub fn new(disk: Disk, seed: u64) -> Stand {
        let course = Arc::new(Course {
            chance: Chance::new(seed),
            operations: AtomicU64::new(0),
            ends_at: AtomicU64::new(u64::MAX),
            fails_at: AtomicU64::new(u64::MAX),
            dead: AtomicBool::new(false),
            left: Mutex::new(None),
        });
        let time = Arc::new(Time {
            wall_ms: AtomicU64::new(BEGINNING_MS),
            monotonic_ms: AtomicU64::new(0),
        });
        Stand {
            device: SimulatedDevice::new(disk, Arc::clone(&course) as _),
            hands: Arc::new(Hands {
                works: Works::default(),
                time: Arc::clone(&time),
            }),
            course,
            time,
            seed,
        }
    }

    /// What a store or a buffer stands on here.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment {
            device: Some(Arc::new(self.device.clone())),
            clock: Arc::clone(&self.time) as _,
            random: Arc::new(Chance::new(self.seed ^ 1)),
            threads: Arc::clone(&self.hands) as _,
        }
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &SimulatedDevice {
        &self.device
    }

    /// Opens the store.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(&self) -> Result<Store, Error> {
        let options = StoreOptions {
            memory_budget: 4 << 20,
            recycled_segments: 1,
            clock_settle: Duration::ZERO,
            environment: self.environment(),
            ..StoreOptions::default()
        };
        Store::open(STORE, options)
    }

    /// Turns every worker once.
    pub fn turn(&self) {
        turn(&self.hands.works, None);
    }

    /// Lets time pass for all clocks.
    pub fn pass(&self, ms: u64) {
        self.time.pass(ms);
    }

    /// Now, milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.time.wall_ms()
    }

    /// Goes on from a time, as a process that is started then.
    pub fn set_now_ms(&self, ms: u64) {
        self.time.wall_ms.store(ms, Ordering::Relaxed);
    }

    /// Turns the workers until an append has ended.
    ///
    /// # Errors
    /// As [`Ticket::wait`].
    pub fn wait(&self, ticket: &Ticket) -> Result<Appended, Error> {
        for _ in 0..MOST_TURNS {
            if let Some(ended) = ticket.wait_timeout(Duration::ZERO) {
                return ended;
            }
            self.turn();
            self.pass(1);
        }
        panic!("an append does not end");
    }

    /// Cuts the device off before the operation that is so many from now.
    pub fn end_after(&self, operations: u64) {
        let now = self.course.operations.load(Ordering::Relaxed);
        self.course
            .ends_at
            .store(now.saturating_add(operations), Ordering::Relaxed);
    }

    /// Lets the first write or flush fail that is at least so many operations from now.
    pub fn fail_after(&self, operations: u64) {
        let now = self.course.operations.load(Ordering::Relaxed);
        self.course
            .fails_at
            .store(now.saturating_add(operations), Ordering::Relaxed);
    }

    /// Whether the device was cut off.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.course.dead.load(Ordering::Relaxed)
    }

    /// Cuts the device off, if it is not yet, and gives what is there: with what is under way, and
    /// what is not flushed.
    #[must_use]
    pub fn end(&self) -> Disk {
        if !self.course.dead.swap(true, Ordering::Relaxed) {
            return self.device.disk();
        }
        lock(&self.course.left)
            .take()
            .unwrap_or_else(|| self.device.disk())
    }

    /// Cuts the power of what an ended stand has left.
    #[must_use]
    pub fn after_power_cut(&self, mut disk: Disk) -> Disk {
        disk.cut_power(&*self.course).expect("memory");
        disk
    }

    /// Ends the process of what an ended stand has left.
    #[must_use]
    pub fn after_kill(&self, mut disk: Disk) -> Disk {
        disk.kill(&*self.course).expect("memory");
        disk
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // A store that is still held ends without touching the disk that was taken.
        self.course.dead.store(true, Ordering::Relaxed);
        // Works hold what they stand on, which holds them.
        let works: Vec<_> = lock(&self.hands.works).drain(..).collect();
        drop(works);
    }
}
