//! The life of a store from its making on: many short lives of processes, each ended by a close, a
//! kill or the power, and between them whatever callers do.

pub(crate) mod buffer;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_engine::{
    CompressionChoice, Durability, Environment, Error, Position, Retention, ShardId, ShardOptions,
    Store, StoreOptions,
    io::simulated::{Disk, SimulatedDevice},
};

use crate::{
    buffered::BufferModel,
    caller::Caller,
    choices::Choices,
    found::Found,
    harm::Harm,
    model::{Ending, Existence, Model, ShardModel},
    trial::{Totals, Watcher, cut},
    weather::{Climate, Past, Weather},
    world::{BEGINNING_MS, PREPARER, REAPER, WRITER, World, lock},
};

pub(crate) const STORE: &str = "/store";
const HOUR_MS: u64 = 3_600_000;

pub(crate) fn store_options(environment: Environment) -> StoreOptions {
    StoreOptions {
        memory_budget: 4 << 20,
        recycled_segments: 1,
        reap_interval: Duration::from_secs(60),
        clock_settle: Duration::ZERO,
        environment,
        ..StoreOptions::default()
    }
}

/// How lives are lived.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// A trial of what would be left, once in so many operations.
    pub trial_rate: u64,
    /// Keep a line for each operation.
    pub log: bool,
}

/// What a life came to.
#[derive(Debug)]
pub struct Outcome {
    /// The same for the same life.
    pub trace: u64,
    /// What was done, where it was to be kept.
    pub log: Vec<String>,
    /// What was wrong, if something was.
    pub failure: Option<String>,
}

/// Lives a life to its end.
#[must_use]
pub fn live(choices: Choices, manner: Manner, totals: &Arc<Totals>) -> Outcome {
    let mut life = Life::new(choices, manner, totals);
    let ended = life.run();
    totals.lives.fetch_add(1, Ordering::Relaxed);
    let failed = totals.take_failure();
    Outcome {
        trace: life.trace,
        failure: failed
            .or(ended.err())
            .map(|what| format!("{what}\n  in {:?} weather", life.climate)),
        log: life.log,
    }
}

/// What has to be reckoned with in the only shard, a buffer's.
fn buffer_harm(harms: &[(u64, Option<Harm>)]) -> Option<&Harm> {
    harms.first().and_then(|(_, harm)| harm.as_ref())
}

struct Life {
    choices: Choices,
    manner: Manner,
    totals: Arc<Totals>,
    climate: Climate,
    wall_ms: Arc<AtomicU64>,
    model: Arc<Mutex<Model>>,
    /// Whether what the last cut of the power took was not judged.
    unjudged: bool,
    trace: u64,
    log: Vec<String>,
}

impl Life {
    fn new(mut choices: Choices, manner: Manner, totals: &Arc<Totals>) -> Life {
        let climate = match choices.below(8) {
            0..=3 => Climate::Fair,
            4 | 5 => Climate::Errors,
            6 => Climate::Full,
            _ => Climate::Lies,
        };
        Life {
            choices,
            manner,
            totals: Arc::clone(totals),
            climate,
            wall_ms: Arc::new(AtomicU64::new(BEGINNING_MS)),
            model: Arc::default(),
            unjudged: false,
            trace: 0,
            log: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        if self.choices.once_in(4) {
            let buffer = BufferModel::choose(&mut self.choices);
            lock(&self.model).begin_buffer(buffer);
        } else {
            for id in 1..=1 + self.choices.below(2) {
                let options = self.shard_options();
                let shard = ShardModel::new(id, options);
                lock(&self.model).shards.insert(id, shard);
            }
        }
        let mut disk = Disk::default();
        let mut ending = Ending::Closed;
        let mut past = Past::default();
        for _ in 0..2 + self.choices.below(4) {
            let (left, ended, more) = self.process(disk, ending, past)?;
            if self.totals.has_failed() {
                return Ok(());
            }
            past = more;
            disk = left;
            cut(&mut disk, ended, Choices::seeded(self.choices.bits()))?;
            if self.manner.log {
                self.log.push(format!("ended: {ended:?}"));
            }
            // What is judged is the worst of the ends since the last judgement.
            let unjudged = std::mem::replace(&mut self.unjudged, false);
            ending = match unjudged && ending == Ending::PowerCut {
                true => Ending::PowerCut,
                false => ended,
            };
            lock(&self.model).ended();
        }
        // Whatever became of it, it is judged once more.
        self.judge_last(disk, ending, past)
    }

    fn shard_options(&mut self) -> ShardOptions {
        let durability = match self.choices.below(4) {
            0 => Durability::Written,
            _ => Durability::Durable,
        };
        let compression = match self.choices.below(4) {
            0 => CompressionChoice::Zstd(1),
            _ => CompressionChoice::None,
        };
        let retention = match self.choices.below(4) {
            0 => Retention {
                age: Some(Duration::from_secs(24 * 3600)),
                bytes: None,
            },
            1 => Retention {
                age: None,
                bytes: Some(600_000),
            },
            _ => Retention::default(),
        };
        ShardOptions {
            durability,
            compression,
            retention,
            segment_bytes: 1 << 20,
            ..ShardOptions::default()
        }
    }

    fn world(&mut self, weather: Weather) -> Arc<World> {
        let interleaving = [0, 6, 25][self.choices.below(3) as usize];
        let choices = Choices::seeded(self.choices.bits());
        let world = World::new(choices, weather, Arc::clone(&self.wall_ms), interleaving);
        if self.manner.log {
            world.keep_log();
        }
        world
    }

    fn keep(&mut self, world: &World) {
        self.totals
            .operations
            .fetch_add(world.operations(), Ordering::Relaxed);
        self.trace = crate::choices::mix(self.trace ^ world.trace());
        self.log.extend(world.take_log());
    }

    fn judge_last(&mut self, disk: Disk, ending: Ending, past: Past) -> Result<(), String> {
        let world = self.world(Weather::new(Climate::Fair, past));
        let harms = self.harms(&disk, past);
        let device = SimulatedDevice::new(disk, Arc::clone(&world) as _);
        let caller = Caller::new(&world, &self.model);
        let judged = match self.is_buffer() {
            true => self.open_buffer(&world, &device, &caller, ending, buffer_harm(&harms)),
            false => self
                .open(&world, &device, &caller, ending, &harms)
                .map(drop),
        };
        world.end(&device);
        caller.release();
        self.keep(&world);
        judged
    }

    fn is_buffer(&self) -> bool {
        lock(&self.model).buffer.is_some()
    }

    fn harms(&self, disk: &Disk, past: Past) -> Vec<(u64, Option<Harm>)> {
        let model = lock(&self.model);
        let harm = |(id, shard): (&u64, &ShardModel)| {
            (
                *id,
                past.harm(shard.durable, || Harm::somewhere(disk, ShardId(*id))),
            )
        };
        model.shards.iter().map(harm).collect()
    }

    /// Opens the store and its shards, and judges what is in them.
    fn open(
        &mut self,
        world: &Arc<World>,
        device: &SimulatedDevice,
        caller: &Arc<Caller>,
        ending: Ending,
        harms: &[(u64, Option<Harm>)],
    ) -> Result<Store, String> {
        let told = |error: Error| format!("the store does not open: {error}");
        let mut attempts = 0;
        let store = loop {
            match Store::open(STORE, store_options(world.environment(device))) {
                Err(_) if world.is_dead() => return Err(String::new()),
                Err(_) if self.may_fail(world) && attempts < 2 => attempts += 1,
                Err(_) if self.may_fail(world) => world.with_weather(Weather::clear),
                other => break other.map_err(told)?,
            }
        };
        for (id, harm) in harms {
            self.open_shard(world, &store, caller, ending, *id, harm.as_ref())?;
            if world.is_dead() {
                break;
            }
        }
        world.with_weather(Weather::resume);
        Ok(store)
    }

    fn may_fail(&self, world: &World) -> bool {
        self.climate != Climate::Fair && world.with_weather(|weather| !weather.calm || weather.full)
    }

    fn open_shard(
        &mut self,
        world: &Arc<World>,
        store: &Store,
        caller: &Arc<Caller>,
        ending: Ending,
        id: u64,
        harm: Option<&Harm>,
    ) -> Result<(), String> {
        let Some((existence, options)) = lock(&self.model)
            .shards
            .get(&id)
            .map(|s| (s.existence, s.options))
        else {
            return Ok(());
        };
        let mut attempts = 0;
        loop {
            let opened = match existence {
                Existence::Made => store.open_shard(ShardId(id), options),
                _ => match store.open_shard(ShardId(id), options) {
                    Err(Error::NoShard { .. }) if existence == Existence::Making => {
                        world.tell(|| format!("make shard {id}: {options:?}"));
                        store.create_shard(ShardId(id), options)
                    }
                    other => other,
                },
            };
            match opened {
                _ if world.is_dead() => return Ok(()),
                Ok(_) if existence == Existence::Ended => {
                    return Err(format!("shard {id} was deleted, and is there"));
                }
                Ok(mut shard) => {
                    if let Some(model) = lock(&self.model).shards.get_mut(&id) {
                        model.existence = Existence::Made;
                    }
                    // What is judged is what is there, not whether it can be read just now.
                    let calm =
                        world.with_weather(|weather| std::mem::replace(&mut weather.calm, true));
                    let mut found = Found::read(&shard, Position::Oldest);
                    world.with_weather(|weather| weather.calm = calm);
                    let unreadable = found.as_ref().is_ok_and(|found| !found.gaps.is_empty());
                    if unreadable && self.may_fail(world) && !world.is_dead() {
                        // What could not be read just now can be read when it is opened again.
                        world.with_weather(Weather::clear);
                        world.tell(|| format!("open shard {id} again"));
                        match store.reopen_shard(ShardId(id)) {
                            Ok(reopened) => shard = reopened,
                            Err(_) if world.is_dead() => return Ok(()),
                            Err(error) => {
                                return Err(format!("shard {id} does not open again: {error}"));
                            }
                        }
                        found = Found::read(&shard, Position::Oldest);
                    }
                    if world.is_dead() {
                        return Ok(());
                    }
                    let found = found.map_err(|what| format!("shard {id}: {what}"))?;
                    world.tell(|| {
                        format!(
                            "opened shard {id}: {} to {}, {} records, {:?}",
                            found.oldest,
                            found.end,
                            found.records.len(),
                            shard.status().opened
                        )
                    });
                    let now_ms = self.wall_ms.load(Ordering::Relaxed);
                    let judged = match lock(&self.model).shards.get_mut(&id) {
                        Some(model) => model.judge(&found, ending, harm, now_ms),
                        None => Ok(()),
                    };
                    judged.map_err(|what| format!("shard {id}: {what}\n  after {ending:?}"))?;
                    caller.hold(id, shard);
                    return Ok(());
                }
                Err(Error::NoShard { .. }) if existence != Existence::Made => {
                    if let Some(model) = lock(&self.model).shards.get_mut(&id) {
                        model.existence = Existence::Ended;
                    }
                    return Ok(());
                }
                Err(Error::Damaged { .. }) if harm.is_some() => return Ok(()),
                Err(_) if self.may_fail(world) && attempts < 2 => attempts += 1,
                Err(_) if self.may_fail(world) => world.with_weather(Weather::clear),
                Err(error) => {
                    return Err(format!(
                        "shard {id} does not open: {error}\n  after {ending:?}"
                    ));
                }
            }
        }
    }

    /// A process: it opens the store, does this and that, and ends.
    fn process(
        &mut self,
        disk: Disk,
        before: Ending,
        past: Past,
    ) -> Result<(Disk, Ending, Past), String> {
        let world = self.world(Weather::new(self.climate, past));
        let harms = self.harms(&disk, past);
        let device = SimulatedDevice::new(disk, Arc::clone(&world) as _);
        let caller = Caller::new(&world, &self.model);
        let others = Arc::downgrade(&caller);
        let power_went = Arc::new(AtomicBool::new(before == Ending::PowerCut));
        world.set_bystander(Some(Arc::new(Watcher {
            world: Arc::downgrade(&world),
            model: Arc::clone(&self.model),
            totals: Arc::clone(&self.totals),
            wall_ms: Arc::clone(&self.wall_ms),
            rate: self.manner.trial_rate,
            depth: 0,
            power_went: Arc::clone(&power_went),
            others: Some(Box::new(move || {
                if let Some(caller) = others.upgrade() {
                    caller.interrupt();
                }
            })),
        })));
        if self.choices.once_in(2) {
            world.end_after(1 + self.choices.below(400));
        }
        let ending = match self.choices.below(8) {
            0 => Ending::Closed,
            1 | 2 => Ending::Killed,
            _ => Ending::PowerCut,
        };
        let lived = match self.is_buffer() {
            true => {
                let harm = buffer_harm(&harms);
                self.buffer_days(&world, &device, &caller, before, harm, ending, &power_went)
            }
            false => self.days(
                &world,
                &device,
                &caller,
                before,
                &harms,
                ending,
                &power_went,
            ),
        };
        world.set_bystander(None);
        let ending = match world.is_dead() && ending == Ending::Closed {
            true => Ending::PowerCut,
            false => ending,
        };
        world.end(&device);
        caller.release();
        let past = world.with_weather(|weather| weather.past);
        self.keep(&world);
        self.unjudged = power_went.load(Ordering::Relaxed);
        let disk = world.take_left().ok_or("the disk is gone")?;
        let dead_early = matches!(&lived, Err(what) if what.is_empty());
        match lived {
            Ok(()) => Ok((disk, ending, past)),
            Err(_) if dead_early => Ok((disk, ending, past)),
            Err(what) => Err(what),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what a process is given")]
    fn days(
        &mut self,
        world: &Arc<World>,
        device: &SimulatedDevice,
        caller: &Arc<Caller>,
        before: Ending,
        harms: &[(u64, Option<Harm>)],
        ending: Ending,
        power_went: &AtomicBool,
    ) -> Result<(), String> {
        let store = self.open(world, device, caller, before, harms)?;
        if !world.is_dead() {
            power_went.store(false, Ordering::Relaxed);
        }
        caller.set_store(&store);
        let steps = 5 + self.choices.below(60);
        for _ in 0..steps {
            if world.is_dead() || self.totals.has_failed() {
                break;
            }
            self.step(world, caller)?;
        }
        if ending == Ending::Closed && !world.is_dead() {
            world.tell(|| "close".into());
            let weather = world.with_weather(|weather| weather.clone());
            world.with_weather(Weather::clear);
            caller
                .alone(|| store.close())
                .map_err(|e| format!("the store does not close: {e}"))?;
            caller.poll()?;
            world.with_weather(|now| *now = weather);
        }
        world.end(device);
        Ok(())
    }

    fn step(&mut self, world: &Arc<World>, caller: &Arc<Caller>) -> Result<(), String> {
        match world.pick(34) {
            0..=8 => caller.append(false)?,
            9 | 10 => caller.append(true)?,
            11 | 12 => caller.append_ready()?,
            13..=15 => caller.append_numbered()?,
            16..=21 => drop(world.turn(WRITER)),
            22 | 23 => drop(world.turn(PREPARER)),
            24 => drop(world.turn(REAPER)),
            25 => {
                world.pass(1 + world.pick(2 * HOUR_MS));
                world.turn_all();
            }
            26 => caller.read()?,
            27 => caller.reap()?,
            28 => caller.trim()?,
            29 => caller.reopen_failed()?,
            30 => {
                let full = self.climate == Climate::Full && world.once_in(2);
                world.with_weather(|weather| weather.full = full);
                world.pass(300);
            }
            31 => caller.delete_or_make()?,
            _ => caller.hold_batches()?,
        }
        caller.poll()
    }
}
