//! The life of a buffer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use millstream_engine::{Buffer, Error, ShardOptions, io::simulated::SimulatedDevice};

use super::{Life, STORE};
use crate::{
    buffered::{BUFFER, BufferModel, Cursors, Look, NAMES, look},
    caller::Caller,
    harm::Harm,
    model::{Ending, Existence, Model, Outcome, ShardModel},
    weather::{Climate, Weather},
    world::{CURSORS, PREPARER, REAPER, World, lock},
};

impl Model {
    /// A buffer that nobody has made yet.
    pub(super) fn begin_buffer(&mut self, buffer: BufferModel) {
        let shard = ShardModel::new(BUFFER, buffer.shard());
        self.shards.insert(BUFFER, shard);
        self.buffer = Some(buffer);
    }
}

/// Whether the buffer's shard has to be there, and how it is opened.
pub(crate) fn shard_of(model: &Model) -> Option<(Existence, ShardOptions)> {
    let shard = model.shards.get(&BUFFER)?;
    Some((shard.existence, shard.options))
}

impl Life {
    /// Opens the buffer and judges what is in it. Its records are looked at before, in a fork.
    pub(super) fn open_buffer(
        &mut self,
        world: &Arc<World>,
        device: &SimulatedDevice,
        caller: &Arc<Caller>,
        ending: Ending,
        harm: Option<&Harm>,
    ) -> Result<(), String> {
        let now_ms = self.wall_ms.load(Ordering::Relaxed);
        let (existence, options, model) = {
            let model = lock(&self.model);
            let (Some((existence, options)), Some(buffer)) = (shard_of(&model), &model.buffer)
            else {
                return Ok(());
            };
            (existence, options, buffer.clone())
        };
        let found = look(device.disk(), options, now_ms)?;
        let mut attempts = 0;
        let buffer = loop {
            let options = model.options(world.environment(device));
            match caller.alone(|| Buffer::open(STORE, options)) {
                _ if world.is_dead() => return Ok(()),
                Ok(buffer) => break buffer,
                Err(Error::Damaged { .. }) if harm.is_some() => return Ok(()),
                Err(_) if self.may_fail(world) && attempts < 2 => attempts += 1,
                Err(_) if self.may_fail(world) => world.with_weather(Weather::clear),
                Err(error) => {
                    return Err(format!(
                        "the buffer does not open: {error}\n  after {ending:?}"
                    ));
                }
            }
        };
        let calm = world.with_weather(|weather| std::mem::replace(&mut weather.calm, true));
        let judged = Cursors::read(&buffer).and_then(|cursors| {
            let mut model = lock(&self.model);
            let unread = world.with_weather(|weather| weather.past.place_unread);
            judge(&mut model, &cursors, &found, ending, harm, now_ms, unread)
        });
        world.with_weather(|weather| weather.calm = calm);
        if world.is_dead() {
            return Ok(());
        }
        judged.map_err(|what| format!("{what}\n  after {ending:?}"))?;
        // What counts by now is on the medium.
        world.with_weather(|weather| weather.past.place_unread = false);
        world.tell(|| format!("opened the buffer: {:?}", buffer.open_report()));
        caller.set_buffer(buffer);
        if existence == Existence::Making {
            // Records that come before the first cursor are kept for it.
            for name in NAMES.iter().take(1 + world.pick(3) as usize) {
                caller.make_cursor(name)?;
            }
        }
        Ok(())
    }

    /// A process that uses the buffer.
    #[allow(clippy::too_many_arguments, reason = "what a process is given")]
    pub(super) fn buffer_days(
        &mut self,
        world: &Arc<World>,
        device: &SimulatedDevice,
        caller: &Arc<Caller>,
        before: Ending,
        harm: Option<&Harm>,
        ending: Ending,
        power_went: &AtomicBool,
    ) -> Result<(), String> {
        self.open_buffer(world, device, caller, before, harm)?;
        if !world.is_dead() {
            power_went.store(false, Ordering::Relaxed);
        }
        world.with_weather(Weather::resume);
        let steps = 5 + self.choices.below(80);
        for _ in 0..steps {
            if world.is_dead() || self.totals.has_failed() {
                break;
            }
            self.buffer_step(world, device, caller)?;
        }
        if ending == Ending::Closed && !world.is_dead() {
            let weather = world.with_weather(|weather| weather.clone());
            world.with_weather(Weather::clear);
            self.close_buffer(world, caller)?;
            world.with_weather(|now| *now = weather);
        }
        world.end(device);
        Ok(())
    }

    fn close_buffer(&mut self, world: &Arc<World>, caller: &Arc<Caller>) -> Result<(), String> {
        let Some(buffer) = caller.buffer() else {
            return Ok(());
        };
        world.tell(|| "close".into());
        let places = lock(&self.model).places();
        let closed = caller.alone(|| buffer.close());
        if world.is_dead() {
            return Ok(());
        }
        caller.poll()?;
        match closed {
            Ok(()) => lock(&self.model).flushed(&places),
            Err(_) if self.may_fail(world) || caller.is_poisoned() => {}
            Err(error) => return Err(format!("the buffer does not close: {error}")),
        }
        Ok(())
    }

    /// Closes a buffer whose writes have failed, and opens it again.
    fn reopen_buffer(
        &mut self,
        world: &Arc<World>,
        device: &SimulatedDevice,
        caller: &Arc<Caller>,
    ) -> Result<(), String> {
        if !caller.is_poisoned() {
            return Ok(());
        }
        self.close_buffer(world, caller)?;
        if world.is_dead() {
            return Ok(());
        }
        caller.release_buffer();
        let harm = {
            let mut model = lock(&self.model);
            let past = world.with_weather(|weather| weather.past);
            model.shards.get_mut(&BUFFER).and_then(|shard| {
                for attempt in &mut shard.attempts {
                    if attempt.outcome == Outcome::Pending {
                        attempt.outcome = Outcome::Unknown;
                    }
                }
                past.harm(shard.durable, Harm::unknown)
            })
        };
        self.open_buffer(world, device, caller, Ending::Killed, harm.as_ref())
    }

    fn buffer_step(
        &mut self,
        world: &Arc<World>,
        device: &SimulatedDevice,
        caller: &Arc<Caller>,
    ) -> Result<(), String> {
        match world.pick(34) {
            0..=11 => caller.push()?,
            12..=18 => caller.consume()?,
            19..=22 => caller.turn_writer(),
            23 | 24 => drop(world.turn(PREPARER)),
            25 => drop(caller.alone(|| world.turn(REAPER))),
            26 | 27 => {
                world.pass(20 + world.pick(200));
                caller.alone(|| world.turn(CURSORS));
            }
            28 => {
                world.pass(1 + world.pick(7_200_000));
                caller.alone(|| world.turn_all());
            }
            29 => caller.flush_acknowledgements()?,
            30 => caller.make_or_remove_cursor()?,
            31 => caller.look()?,
            32 => {
                let full = self.climate == Climate::Full && world.once_in(2);
                world.with_weather(|weather| weather.full = full);
                world.pass(300);
            }
            _ => self.reopen_buffer(world, device, caller)?,
        }
        let cap = lock(&self.model)
            .buffer
            .as_ref()
            .map(|buffer| buffer.cap_bytes);
        let size = device.with_disk(|disk| disk.size());
        if cap.is_some_and(|cap| size > cap) {
            return Err(format!(
                "{size} bytes are on the medium, the cap is {cap:?}"
            ));
        }
        caller.poll()
    }
}

/// Judges the cursors of a buffer that was opened, and its records; `found` is what a look at its records had found before.
pub(crate) fn judge(
    model: &mut Model,
    cursors: &Cursors,
    found: &Look,
    ending: Ending,
    harm: Option<&Harm>,
    now_ms: u64,
    unread: bool,
) -> Result<(), String> {
    let Some(shard) = model.shards.get_mut(&BUFFER) else {
        return Ok(());
    };
    let found = match found {
        Look::Found(found) => found,
        Look::Missing if shard.existence != Existence::Made => {
            shard.existence = Existence::Made;
            return Ok(());
        }
        Look::Missing => return Err("the buffer's records are gone".into()),
        Look::Damaged(_) if harm.is_some() => return Ok(()),
        Look::Damaged(what) => return Err(format!("the buffer's records: {what}")),
    };
    shard.existence = Existence::Made;
    shard.judge(found, ending, harm, now_ms)?;
    model.judge_cursors(cursors, found, harm.is_some(), unread)
}
