//! The task that sends sealed batches and settles them: one per producer.

mod dispatch;
mod reroute;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque, btree_map::Entry},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use millstream_wire::ShardMap;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time,
};

use super::{
    Shared,
    lane::Lane,
    queue::{Queue, Settled},
};
use crate::{
    Client, DeliveryError, Error,
    connection::{self, Connection},
    random::{self, Backoff},
};

/// What the driver is told.
pub(super) enum Command {
    /// Say when everything taken so far has an outcome.
    Flush(oneshot::Sender<()>),
    /// The same, then end.
    Close(oneshot::Sender<()>),
    /// Nobody holds the producer: send what there is, then end.
    Detach,
    /// A request was answered, or its connection lost.
    Answered {
        slot: usize,
        attempt: u64,
        answer: connection::Answer,
    },
    /// An attempt to connect ended.
    Connected(Result<Arc<Connection>, Error>),
    /// The shard map, asked for after a refusal.
    Map(Result<ShardMap, Error>),
}

/// A lane and its batches.
struct DriverLane {
    lane: Arc<Lane>,
    queue: Queue,
    /// Unanswered attempts and when each was sent, oldest first.
    sent: Vec<(u64, Instant)>,
    /// No longer in the routes: to be emptied into others.
    leaving: bool,
    /// It is in the driver's list of lanes to be looked after.
    listed: bool,
    /// It is in the driver's list of stalled lanes.
    stalled: bool,
    /// The alarm that is set.
    alarm: Option<Instant>,
    /// Its open batch has lingered long enough, and goes when nothing of the lane is under way.
    overdue: bool,
}

pub(super) struct Driver {
    client: Client,
    stream: String,
    shared: Arc<Shared>,
    lanes: Vec<DriverLane>,
    /// Lanes to be looked after.
    attention: VecDeque<usize>,
    /// Lanes that have something to send, and no connection or no room in its window.
    stalled: VecDeque<usize>,
    /// When lanes are to be looked after although nothing happens.
    alarms: BinaryHeap<Reverse<(Instant, usize)>>,
    commands: mpsc::UnboundedSender<Command>,
    connection: Option<Arc<Connection>>,
    connecting: bool,
    /// Why the last attempt to connect failed.
    unreachable: Option<Error>,
    /// Room in the connection's window, taken ahead.
    permit: Option<OwnedSemaphorePermit>,
    blocked: bool,
    next_attempt: u64,
    map_asked: bool,
    new_map: Option<ShardMap>,
    /// Batches that have no outcome, by when they were sealed; one that is routed anew counts
    /// once for each part.
    unsettled: BTreeMap<u64, usize>,
    next_serial: u64,
    /// Flushes, each with the first serial that it does not wait for.
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    closes: Vec<oneshot::Sender<()>>,
    ending: bool,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        stream: &str,
        shared: Arc<Shared>,
        lanes: Vec<Arc<Lane>>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Driver {
        let mut driver = Driver {
            client,
            stream: stream.to_owned(),
            shared,
            lanes: Vec::new(),
            attention: VecDeque::new(),
            stalled: VecDeque::new(),
            alarms: BinaryHeap::new(),
            commands,
            connection: None,
            connecting: false,
            unreachable: None,
            permit: None,
            blocked: false,
            next_attempt: 1,
            map_asked: false,
            new_map: None,
            unsettled: BTreeMap::new(),
            next_serial: 0,
            flushes: Vec::new(),
            closes: Vec::new(),
            ending: false,
        };
        for lane in lanes {
            driver.add_lane(lane);
        }
        driver
    }

    fn add_lane(&mut self, lane: Arc<Lane>) {
        let client = self.client.options();
        let options = &self.shared.options;
        self.lanes.push(DriverLane {
            lane,
            queue: Queue::new(
                options.in_flight_per_shard,
                options.retry_for,
                Backoff::new(client.backoff_min, client.backoff_max),
                random::id,
            ),
            sent: Vec::new(),
            leaving: false,
            listed: false,
            stalled: false,
            alarm: None,
            overdue: false,
        });
    }

    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let wake_at = self.turn(Instant::now());
            if self.is_done() {
                return;
            }
            let shared = self.shared.clone();
            let window = match (&self.connection, self.blocked) {
                (Some(connection), true) => Some(connection.window.clone()),
                _ => None,
            };
            let command = tokio::select! {
                command = commands.recv() => command,
                () = shared.work.notified() => None,
                Some(permit) = acquire(window) => {
                    self.permit = Some(permit);
                    self.blocked = false;
                    None
                }
                () = sleep_until(wake_at) => None,
            };
            let mut next = command;
            while let Some(command) = next {
                self.take(command, Instant::now());
                next = commands.try_recv().ok();
            }
        }
    }

    /// Does what can be done now; when there will be something to do without being told.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        let lingering = self.seal_lingering(now);
        self.collect_sealed();
        while let Some(Reverse((at, slot))) = self.alarms.peek().copied()
            && at <= now
        {
            self.alarms.pop();
            if let Some(lane) = self.lanes.get_mut(slot)
                && lane.alarm == Some(at)
            {
                lane.alarm = None;
                self.attend(slot);
            }
        }
        // Before the lanes are looked after: it gives some of them something to send.
        self.reroute();
        loop {
            while let Some(slot) = self.attention.pop_front() {
                if let Some(lane) = self.lanes.get_mut(slot) {
                    lane.listed = false;
                }
                self.look_after(slot, now);
            }
            if self.stalled.is_empty() || self.blocked {
                break;
            }
            if !self.is_connected() {
                self.connect();
                break;
            }
            let Some(slot) = self.stalled.pop_front() else {
                break;
            };
            if let Some(lane) = self.lanes.get_mut(slot) {
                lane.stalled = false;
            }
            self.attend(slot);
        }
        self.answer_flushes();
        let alarm = self.alarms.peek().map(|Reverse((at, _))| *at);
        lingering.into_iter().chain(alarm).min()
    }

    fn is_connected(&self) -> bool {
        self.connection.as_ref().is_some_and(|c| c.is_alive())
    }

    fn attend(&mut self, slot: usize) {
        if let Some(lane) = self.lanes.get_mut(slot)
            && !lane.listed
        {
            lane.listed = true;
            self.attention.push_back(slot);
        }
    }

    fn is_done(&mut self) -> bool {
        let done = self.ending && self.unsettled.is_empty();
        if done {
            for close in self.closes.drain(..) {
                // Who no longer waits need not be told.
                let _ = close.send(());
            }
        }
        done
    }

    fn take(&mut self, command: Command, now: Instant) {
        match command {
            Command::Flush(done) => {
                self.seal_all();
                self.flushes.push((self.next_serial, done));
            }
            Command::Close(done) => {
                self.ending = true;
                self.seal_all();
                self.closes.push(done);
            }
            Command::Detach => {
                self.ending = true;
                self.seal_all();
            }
            Command::Connected(result) => {
                self.connecting = false;
                match result {
                    Ok(connection) => {
                        self.connection = Some(connection);
                        self.unreachable = None;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the producer has no connection");
                        self.unreachable = Some(error);
                    }
                }
            }
            Command::Answered {
                slot,
                attempt,
                answer,
            } => self.answered(slot, attempt, answer, now),
            Command::Map(result) => self.take_map(result),
        }
    }

    /// Seals what has lingered long enough, or everything while callers wait for memory or the
    /// end is near; when the next one will have. A lane that has a batch under way fills the next
    /// one until that is answered: many small batches would each cost a write of their own.
    fn seal_lingering(&mut self, now: Instant) -> Option<Instant> {
        let hurry = self.ending || self.shared.starving.load(Ordering::SeqCst) > 0;
        loop {
            let mut agenda = self.shared.agenda();
            let due = agenda.opened.front()?.0 + self.shared.options.linger;
            if due > now && !hurry {
                return Some(due);
            }
            let (opened, lane) = agenda.opened.pop_front()?;
            drop(agenda);
            if !self.ending
                && let Some(ours) = self.lanes.get_mut(lane.slot)
                && !ours.queue.is_empty()
            {
                ours.overdue = true;
                continue;
            }
            let mut state = lane.lock();
            let same = state
                .open
                .as_ref()
                .is_some_and(|open| open.opened == opened);
            if same && state.seal() {
                drop(state);
                self.shared.agenda().sealed.push(lane);
            }
        }
    }

    fn seal_all(&mut self) {
        self.shared.agenda().opened.clear();
        for lane in &self.lanes {
            let mut state = lane.lane.lock();
            // What is taken after the end was announced would be sent by nobody.
            state.closed |= self.ending;
            if state.seal() {
                drop(state);
                self.shared.agenda().sealed.push(lane.lane.clone());
            }
        }
        self.collect_sealed();
    }

    fn collect_sealed(&mut self) {
        let sealed = std::mem::take(&mut self.shared.agenda().sealed);
        for lane in sealed {
            let batches = std::mem::take(&mut lane.lock().sealed);
            let Some(ours) = self.lanes.get_mut(lane.slot) else {
                continue;
            };
            for mut batch in batches {
                batch.serial = self.next_serial;
                self.next_serial += 1;
                self.unsettled.insert(batch.serial, 1);
                ours.queue.push(batch);
            }
            self.attend(lane.slot);
        }
    }

    /// One batch, or part of one, of this serial has an outcome.
    fn count_down(&mut self, serial: u64) {
        if let Entry::Occupied(mut left) = self.unsettled.entry(serial) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
    }

    fn settle(&mut self, shard: u32, settled: &mut Vec<Settled>) {
        for Settled {
            batch,
            result,
            retried,
        } in settled.drain(..)
        {
            let (count, bytes) = (u64::from(batch.count), batch.data_bytes);
            {
                let mut stats = self.shared.stats();
                stats.retried += if retried { count } else { 0 };
                match &result {
                    Ok(_) => {
                        stats.acknowledged += count;
                        stats.bytes += bytes;
                    }
                    Err(DeliveryError::Unknown { .. }) => stats.unknown += count,
                    Err(_) => stats.refused += count,
                }
                if let Err(error) = &result {
                    stats.first_error.get_or_insert_with(|| error.clone());
                }
            }
            self.count_down(batch.serial);
            let (promise, buffer) = batch.recycle();
            match result {
                Ok(first) => promise.written(shard, first),
                Err(error) => promise.failed(&error),
            }
            if let Some(buffer) = buffer {
                self.shared.memory.recycle(buffer);
            }
        }
    }

    /// What was taken before a flush was sealed when the flush came; what came later is not waited
    /// for.
    fn answer_flushes(&mut self) {
        let oldest = self.unsettled.keys().next().copied().unwrap_or(u64::MAX);
        for (_, done) in self
            .flushes
            .extract_if(.., |(first_later, _)| *first_later <= oldest)
        {
            // Who no longer waits need not be told.
            let _ = done.send(());
        }
    }
}

async fn acquire(window: Option<Arc<tokio::sync::Semaphore>>) -> Option<OwnedSemaphorePermit> {
    match window {
        Some(window) => window.acquire_owned().await.ok(),
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
