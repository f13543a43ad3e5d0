//! What would be left, if it ended now: the disk is forked, cut off, recovered and judged, while
//! the life that it was forked from stands still.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use millstream_engine::{
    Buffer, Damage, Error, Position, Shard, ShardId, Store, StoreOptions,
    io::simulated::{Action, Disk, SimulatedDevice},
};

use crate::{
    buffered::{BUFFER, Cursors, Look, look},
    caller::{Caller, append_one},
    choices::Choices,
    found::Found,
    harm::Harm,
    life::{
        STORE,
        buffer::{judge, shard_of},
        store_options,
    },
    model::{Ending, Existence, Model},
    payload::Identity,
    weather::{Climate, Past, Weather},
    world::{Bystander, World, lock},
};

/// Deepest end within a recovery within a recovery.
const DEEPEST: u32 = 3;

/// What is counted over many lives, and what ends them.
#[derive(Debug, Default)]
pub struct Totals {
    /// Ends of a process or of the power that were recovered from.
    pub crashes: AtomicU64,
    /// Of these, such as came while recovering.
    pub nested: AtomicU64,
    /// Damage that was done to a medium.
    pub harms: AtomicU64,
    /// Of these, such as hit something that was acknowledged, and were reported.
    pub reported: AtomicU64,
    /// Lives.
    pub lives: AtomicU64,
    /// Operations of devices.
    pub operations: AtomicU64,
    /// Whether failures tell what was done.
    pub verbose: AtomicBool,
    /// The first failure.
    pub(crate) failure: Mutex<Option<String>>,
}

impl Totals {
    pub(crate) fn fail(&self, what: String) {
        lock(&self.failure).get_or_insert(what);
    }

    pub(crate) fn take_failure(&self) -> Option<String> {
        lock(&self.failure).take()
    }

    pub(crate) fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }
}

/// Watches a store, and tries what would be left of it.
pub(crate) struct Watcher {
    pub(crate) world: std::sync::Weak<World>,
    pub(crate) model: Arc<Mutex<Model>>,
    pub(crate) totals: Arc<Totals>,
    pub(crate) wall_ms: Arc<AtomicU64>,
    /// A trial once in so many operations.
    pub(crate) rate: u64,
    pub(crate) depth: u32,
    /// Whether the power went before, and what it took is not judged yet.
    pub(crate) power_went: Arc<AtomicBool>,
    /// Runs between two operations of somebody else.
    pub(crate) others: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Bystander for Watcher {
    fn consider(&self, disk: &dyn Fn() -> Disk, action: Action, path: &Path) {
        let Some(world) = self.world.upgrade() else {
            return;
        };
        if self.totals.has_failed() || !world.once_in(self.rate) {
            return;
        }
        let mut model = lock(&self.model).clone();
        model.ended();
        let past = world.with_weather(|weather| weather.past);
        let trial = Trial {
            choices: Choices::seeded(world.bits()),
            wall_ms: self.wall_ms.load(Ordering::Relaxed),
            depth: self.depth,
            past,
            power_went: self.power_went.load(Ordering::Relaxed),
            totals: Arc::clone(&self.totals),
        };
        self.totals.crashes.fetch_add(1, Ordering::Relaxed);
        if self.depth > 0 {
            self.totals.nested.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(what) = trial.run(disk(), model) {
            let operation = world.operations();
            let log = match self.totals.verbose.load(Ordering::Relaxed) && self.depth > 0 {
                true => world.take_log().join("\n") + "\n",
                false => String::new(),
            };
            self.totals.fail(format!(
                "{what}\n{log}  cut off at depth {} before operation {operation}, {action:?} {}",
                self.depth,
                path.display()
            ));
        }
    }

    fn run_others(&self) {
        if let Some(others) = &self.others {
            others();
        }
    }
}

struct Trial {
    choices: Choices,
    wall_ms: u64,
    depth: u32,
    past: Past,
    power_went: bool,
    totals: Arc<Totals>,
}

impl Trial {
    fn run(mut self, mut disk: Disk, model: Model) -> Result<(), String> {
        let ending = match self.choices.below(4) {
            0 => Ending::Killed,
            _ => Ending::PowerCut,
        };
        // What is judged is the worse of two ends without a judgement in between.
        let judged = match self.power_went {
            true => Ending::PowerCut,
            false => ending,
        };
        let mut first = Choices::seeded(self.choices.bits());
        cut(&mut disk, ending, Choices::seeded(self.choices.bits()))?;
        let mut harm = None;
        if self.depth == 0
            && !self.past.lied
            && ending == Ending::PowerCut
            && self.choices.once_in(6)
        {
            let shards: Vec<u64> = model.shards.keys().copied().collect();
            let at = self.choices.below(shards.len() as u64) as usize;
            if let Some(id) = shards.get(at) {
                harm = Harm::inflict(&mut disk, ShardId(*id), &mut first).map(|harm| (*id, harm));
            }
        }
        if harm.is_some() {
            self.totals.harms.fetch_add(1, Ordering::Relaxed);
        }
        let model = Arc::new(Mutex::new(model));
        let told = |what: String| match &harm {
            Some((_, harm)) => format!("{what}\n  after {ending:?}; {}", harm.what),
            None => format!("{what}\n  after {ending:?}"),
        };
        let harm = harm.as_ref().map(|(id, harm)| (*id, harm));
        let (disk, once) = self.recover(disk, &model, judged, harm).map_err(told)?;
        if harm.is_some() && once.iter().any(|(_, found)| !found.gaps.is_empty()) {
            self.totals.reported.fetch_add(1, Ordering::Relaxed);
        }
        if self.choices.below(2) == 0 && !self.past.lied {
            // Recovered twice, it is what it was recovered once.
            let mut disk = disk;
            cut(
                &mut disk,
                Ending::PowerCut,
                Choices::seeded(self.choices.bits()),
            )?;
            lock(&model).ended();
            let (_, twice) = self
                .recover(disk, &model, Ending::PowerCut, harm)
                .map_err(|what| told(format!("{what}\n  when recovered twice")))?;
            for ((id, once), (_, twice)) in once.iter().zip(&twice) {
                // What a buffer's cursors have acknowledged may have gone meanwhile.
                let goes = |(sequence, ..): &&(u64, Identity, u64)| {
                    *id == BUFFER && *sequence < twice.oldest
                };
                let gone = once.records.iter().take_while(goes).count();
                let stays = |gap: &&Damage| *id != BUFFER || gap.sequence.0 >= twice.oldest;
                let same = twice.records.starts_with(&once.records[gone..])
                    && once.gaps.iter().filter(stays).count() == twice.gaps.len();
                if !same && lock(&model).shards.get(id).is_some_and(|s| s.durable) {
                    return Err(told(format!(
                        "a second recovery of shard {id} found {} records and {} gaps, the first {} and {}",
                        twice.records.len(),
                        twice.gaps.len(),
                        once.records.len(),
                        once.gaps.len()
                    )));
                }
            }
        }
        Ok(())
    }

    /// Opens the store, judges what is in it, appends a little; what is on the disk then.
    fn recover(
        &mut self,
        disk: Disk,
        model: &Arc<Mutex<Model>>,
        ending: Ending,
        harm: Option<(u64, &Harm)>,
    ) -> Result<(Disk, Vec<(u64, Found)>), String> {
        let wall_ms = Arc::new(AtomicU64::new(self.wall_ms));
        let world = World::new(
            Choices::seeded(self.choices.bits()),
            Weather::new(Climate::Fair, self.past),
            Arc::clone(&wall_ms),
            0,
        );
        if self.totals.verbose.load(Ordering::Relaxed) {
            world.keep_log();
        }
        let shards: Vec<(u64, bool)> = lock(model)
            .shards
            .iter()
            .map(|(id, shard)| (*id, shard.durable))
            .collect();
        let harm_of = |(id, durable): &(u64, bool)| {
            let past = self
                .past
                .harm(*durable, || Harm::somewhere(&disk, ShardId(*id)));
            (*id, past)
        };
        let harms: Vec<(u64, Option<Harm>)> = shards.iter().map(harm_of).collect();
        let device = SimulatedDevice::new(disk, Arc::clone(&world) as _);
        let power_went = Arc::new(AtomicBool::new(ending == Ending::PowerCut));
        if self.depth < DEEPEST && harm.is_none() {
            world.set_bystander(Some(Arc::new(Watcher {
                world: Arc::downgrade(&world),
                model: Arc::clone(model),
                totals: Arc::clone(&self.totals),
                wall_ms,
                rate: 20 << (2 * self.depth),
                depth: self.depth + 1,
                power_went: Arc::clone(&power_went),
                others: None,
            })));
        }
        let is_buffer = lock(model).buffer.is_some();
        let result = match is_buffer {
            true => {
                let past = harms.first().and_then(|(_, past)| past.as_ref());
                let harm = harm.map(|(_, harm)| harm).or(past);
                self.examine_buffer(&world, &device, model, ending, harm, &power_went)
            }
            false => self.examine(
                &world,
                &device,
                store_options(world.environment(&device)),
                model,
                ending,
                harm,
                &harms,
                &power_went,
            ),
        };
        world.set_bystander(None);
        world.end(&device);
        let disk = world.take_left().ok_or("the disk is gone")?;
        let log = world.take_log().join("\n");
        let result = result.map_err(|what| match log.is_empty() {
            true => what,
            false => format!(
                "{what}\n  recovered at depth {} after {ending:?}, {:?}:\n{log}",
                self.depth, self.past
            ),
        });
        Ok((disk, result?))
    }

    #[allow(clippy::too_many_arguments, reason = "what a judgement rests on")]
    fn examine(
        &mut self,
        world: &Arc<World>,
        device: &SimulatedDevice,
        options: StoreOptions,
        model: &Arc<Mutex<Model>>,
        ending: Ending,
        harm: Option<(u64, &Harm)>,
        harms: &[(u64, Option<Harm>)],
        power_went: &AtomicBool,
    ) -> Result<Vec<(u64, Found)>, String> {
        let store =
            Store::open(STORE, options).map_err(|e| format!("the store does not open: {e}"))?;
        let mut all = Vec::new();
        let mut shards = Vec::new();
        for (id, past) in harms {
            let harm = harm
                .filter(|(harmed, _)| harmed == id)
                .map(|(_, harm)| harm)
                .or(past.as_ref());
            let Some(shard) = open_shard(&store, model, *id, harm)? else {
                continue;
            };
            let found =
                Found::read(&shard, Position::Oldest).map_err(|e| format!("shard {id}: {e}"))?;
            let now_ms = self.wall_ms;
            let judged = match lock(model).shards.get_mut(id) {
                Some(model) => model.judge(&found, ending, harm, now_ms),
                None => Ok(()),
            };
            judged.map_err(|what| format!("shard {id}: {what}"))?;
            all.push((*id, found));
            if harm.is_none() {
                shards.push((*id, shard));
            }
        }
        power_went.store(false, Ordering::Relaxed);
        for (id, shard) in shards {
            if self.choices.below(3) == 0 {
                append_one(world, id, &shard, model, &mut self.choices)?;
            }
        }
        world.set_bystander(None);
        if self.choices.below(2) == 0 {
            world.end(device);
        }
        store
            .close()
            .map_err(|e| format!("the store does not close: {e}"))?;
        Ok(all)
    }
}

impl Trial {
    /// The same for a buffer: opens it, judges its records and cursors, and uses it a little.
    fn examine_buffer(
        &mut self,
        world: &Arc<World>,
        device: &SimulatedDevice,
        model: &Arc<Mutex<Model>>,
        ending: Ending,
        harm: Option<&Harm>,
        power_went: &AtomicBool,
    ) -> Result<Vec<(u64, Found)>, String> {
        let (shard, options) = {
            let model = lock(model);
            let (Some((_, shard)), Some(buffer)) = (shard_of(&model), &model.buffer) else {
                return Ok(Vec::new());
            };
            (shard, buffer.options(world.environment(device)))
        };
        let found = look(device.disk(), shard, self.wall_ms)?;
        let buffer = match (Buffer::open(STORE, options), &found) {
            (Ok(buffer), _) => buffer,
            (Err(Error::Damaged { .. }), Look::Damaged(_)) if harm.is_some() => {
                return Ok(Vec::new());
            }
            (Err(error), _) => return Err(format!("the buffer does not open: {error}")),
        };
        let cursors = Cursors::read(&buffer)?;
        judge(
            &mut lock(model),
            &cursors,
            &found,
            ending,
            harm,
            self.wall_ms,
            self.past.place_unread,
        )?;
        power_went.store(false, Ordering::Relaxed);
        let caller = Caller::new(world, model);
        caller.set_buffer(buffer.clone());
        if harm.is_none() && self.choices.below(3) == 0 {
            caller.push_one()?;
        }
        world.set_bystander(None);
        if self.choices.below(2) == 0 {
            world.end(device);
        }
        caller.release_buffer();
        let closed = buffer.close();
        if !world.is_dead() {
            closed.map_err(|e| format!("the buffer does not close: {e}"))?;
        }
        Ok(match found {
            Look::Found(found) => vec![(BUFFER, found)],
            _ => Vec::new(),
        })
    }
}

/// Opens a shard, if it is there and may be.
fn open_shard(
    store: &Store,
    model: &Arc<Mutex<Model>>,
    id: u64,
    harm: Option<&Harm>,
) -> Result<Option<Shard>, String> {
    let Some((existence, options)) = lock(model)
        .shards
        .get(&id)
        .map(|s| (s.existence, s.options))
    else {
        return Ok(None);
    };
    match (store.open_shard(ShardId(id), options), existence) {
        (Ok(_), Existence::Ended) => Err(format!("shard {id} was deleted, and is there")),
        (Ok(shard), _) => {
            if let Some(model) = lock(model).shards.get_mut(&id) {
                model.existence = Existence::Made;
            }
            Ok(Some(shard))
        }
        (Err(Error::NoShard { .. }), Existence::Making | Existence::Ended) => Ok(None),
        (Err(Error::NoShard { .. }), Existence::Ending) => {
            if let Some(model) = lock(model).shards.get_mut(&id) {
                model.existence = Existence::Ended;
            }
            Ok(None)
        }
        (Err(Error::Damaged { .. }), _) if harm.is_some() => Ok(None),
        (Err(error), _) => Err(format!("shard {id} does not open: {error}")),
    }
}

/// Ends a process or the power.
pub(crate) fn cut(disk: &mut Disk, ending: Ending, choices: Choices) -> Result<(), String> {
    let nature = World::new(
        choices,
        Weather::new(Climate::Fair, Past::default()),
        Arc::default(),
        0,
    );
    let cut = match ending {
        Ending::PowerCut => disk.cut_power(&*nature),
        Ending::Killed => disk.kill(&*nature),
        Ending::None | Ending::Closed => Ok(()),
    };
    cut.map_err(|e| e.to_string())
}
