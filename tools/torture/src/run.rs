//! One run: a server, its load, and the kills.

mod full_disk;
mod kills;

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use millstream_client::{CreateStream, StreamDurability};
use tokio::time;

use crate::{
    audit::{self, Extent, Marks},
    ground::Ground,
    history::History,
    ledger::Ledger,
    load::Load,
    random::Random,
    server::Server,
};

/// What is done, and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) kills: u32,
    pub(crate) seed: u64,
    pub(crate) full_disk: bool,
}

/// What was done.
#[derive(Debug, Default)]
struct Counts {
    kills: u32,
    in_start: u32,
    in_close: u32,
    audits: u32,
    verified: u32,
    acknowledged: u64,
    read: u64,
    made: u64,
    full: u32,
    shut: u64,
    unstarted: u32,
}

/// A run under way.
struct Run<'a> {
    plan: Plan,
    server: &'a mut Server,
    history: Arc<History>,
    random: Random,
    counts: Counts,
    begun: Instant,
    /// Streams of the run so far.
    streams: u32,
}

/// Kills the server as planned; what was done, in a line, or what was wrong.
pub(crate) async fn run(
    plan: Plan,
    server: &mut Server,
    history: &Arc<History>,
) -> Result<String, String> {
    let mut run = Run {
        plan,
        server,
        history: Arc::clone(history),
        random: Random::new(plan.seed),
        counts: Counts::default(),
        begun: Instant::now(),
        streams: 0,
    };
    run.server.start().await?;
    let ran = if plan.full_disk {
        run.fill().await
    } else {
        run.kill().await
    };
    // The end of the process and what the server says of itself count, whatever went before.
    for line in run.server.complaints(!plan.full_disk) {
        history.wrong(format!("the server's log: {line}"));
    }
    if let Err(error) = &ran {
        history.wrong(error);
    }
    if history.is_wrong() {
        run.server.kill()?;
        let kills = run.counts.kills;
        return Err(format!("failed after {kills} kills, --seed {}", plan.seed));
    }
    Ok(run.counts.text(run.begun.elapsed()))
}

/// A part of a run, with streams of its own, so that a long run needs little room.
struct Chapter {
    ground: Arc<Ground>,
    ledgers: Vec<Arc<Ledger>>,
    marks: Vec<Marks>,
    load: Load,
}

impl Run<'_> {
    /// Makes streams, and puts them under load.
    async fn begin(&mut self) -> Result<Chapter, String> {
        let address = self.server.address();
        let ground = Ground::new(address, self.plan.seed, self.plan.full_disk, &self.history);
        let client = ground.connect().await.map_err(|error| error.to_string())?;
        let mut ledgers = Vec::new();
        for (kind, shards, compression, durability) in [
            ("plain", 3, 0, StreamDurability::Durable),
            ("zstd", 1, 1, StreamDurability::Durable),
            ("written", 2, 0, StreamDurability::Written),
        ] {
            self.streams += 1;
            let name = format!("{kind}-{}", self.streams);
            let create = CreateStream {
                shards,
                compression,
                durability,
                ..CreateStream::default()
            };
            let made = client.create_stream(&name, create).await;
            made.map_err(|error| format!("make stream {name}: {error}"))?;
            let jumps = durability == StreamDurability::Written;
            ledgers.push(Arc::new(Ledger::new(self.streams, name, shards, jumps)));
        }
        Ok(Chapter {
            load: Load::start(&ground, &ledgers, self.random.next()),
            marks: ledgers.iter().map(Marks::new).collect(),
            ground,
            ledgers,
        })
    }

    /// Lets writers finish, audits everything before and after a clean close, verifies the store,
    /// and removes the streams.
    async fn end(&mut self, chapter: Chapter) -> Result<(), String> {
        let Chapter {
            ground,
            ledgers,
            mut marks,
            load,
        } = chapter;
        self.history.note("writers finish");
        let history = Arc::clone(&self.history);
        tokio::select! {
            () = load.stop() => {}
            () = history.until_wrong() => return Ok(()),
            () = time::sleep(Duration::from_secs(120)) => {
                return Err("writers do not finish within two minutes of a server that runs".to_owned());
            }
        }
        self.audit(&ground, &mut marks, Extent::Whole).await?;
        for ledger in &ledgers {
            let complete = ledger.check_complete();
            complete.map_err(|error| format!("stream {}: {error}", ledger.name))?;
            self.counts.acknowledged += ledger.count();
        }
        self.history.note("a clean close");
        self.server.stop().await?;
        self.verify()?;
        self.server.start().await?;
        self.audit(&ground, &mut marks, Extent::Whole).await?;
        self.counts.read += ground.read.load(Ordering::Relaxed);
        self.counts.shut += ground.shut.load(Ordering::Relaxed);
        self.counts.made += ground.made.load(Ordering::Relaxed);
        let client = ground.connect().await.map_err(|error| error.to_string())?;
        for ledger in &ledgers {
            let removed = client.delete_stream(&ledger.name).await;
            removed.map_err(|error| format!("remove stream {}: {error}", ledger.name))?;
        }
        Ok(())
    }

    async fn audit(
        &mut self,
        ground: &Arc<Ground>,
        marks: &mut [Marks],
        extent: Extent,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let mut audit = pin!(audit::all(ground, marks, extent));
        loop {
            match time::timeout(Duration::from_millis(50), &mut audit).await {
                Ok(audited) => break audited?,
                Err(_) => self.check_up()?,
            }
        }
        self.counts.audits += 1;
        let took = begun.elapsed();
        self.history.note(format!("audited ({extent:?}, {took:?})"));
        Ok(())
    }

    /// Of a store without a server.
    fn verify(&mut self) -> Result<(), String> {
        let said = self.server.verify()?;
        self.counts.verified += 1;
        self.history.note(format!("verify: {said}"));
        Ok(())
    }

    /// A server that ends by itself is waited for in vain.
    fn check_up(&mut self) -> Result<(), String> {
        match self.server.ended()? {
            Some(status) => Err(format!("the server ended with {status} by itself")),
            None => Ok(()),
        }
    }

    /// SIGKILL, sometimes in the middle of a close.
    async fn kill_once(&mut self) -> Result<(), String> {
        self.check_up()?;
        let mut what = "SIGKILL";
        if self.random.below(6) == 0 {
            what = "SIGTERM, and SIGKILL";
            self.server.terminate()?;
            self.pause(30_000).await;
            self.counts.in_close += 1;
        }
        self.server.kill()?;
        self.counts.kills += 1;
        self.history.note(what);
        Ok(())
    }

    /// SIGKILL while the server starts.
    async fn kill_in_start(&mut self) -> Result<(), String> {
        self.server.spawn()?;
        let most = self.server.start_time.as_micros() as u64 * 5 / 4;
        self.pause(most).await;
        if let Some(status) = self.server.ended()? {
            return Err(format!("the server ended with {status} as it started"));
        }
        self.server.kill()?;
        self.counts.kills += 1;
        self.counts.in_start += 1;
        self.history.note("SIGKILL in the start");
        Ok(())
    }

    /// Starts the server again, now and then after kills in its start.
    async fn start_again(&mut self) -> Result<(), String> {
        while self.counts.kills < self.plan.kills && self.random.below(4) == 0 {
            self.kill_in_start().await?;
        }
        if self.random.below(12) == 0 {
            self.verify()?;
        }
        self.server.start().await?;
        let took = self.server.start_time;
        self.history.note(format!("listens after {took:?}"));
        Ok(())
    }

    /// Waits a random time of at most `most` microseconds, or until something is wrong.
    async fn pause(&mut self, most: u64) {
        let pause = Duration::from_micros(self.random.below(most + 1));
        let wrong = self.history.until_wrong();
        // An end before the time is seen by whoever looks at the history.
        let _ = time::timeout(pause, wrong).await;
    }

    fn progress(&self, acknowledged: u64) {
        let (kills, of) = (self.counts.kills, self.plan.kills);
        let acknowledged = self.counts.acknowledged + acknowledged;
        let seconds = self.begun.elapsed().as_secs_f64();
        println!("  {kills} of {of} kills, {acknowledged} records acknowledged, {seconds:.0} s");
    }
}

impl Counts {
    fn text(&self, took: Duration) -> String {
        let Counts {
            kills,
            in_start,
            in_close,
            audits,
            verified,
            acknowledged,
            read,
            made,
            full,
            shut,
            unstarted,
        } = self;
        let full = match full {
            0 => String::new(),
            full => format!(
                "the disk was full {full} times ({unstarted} starts and {shut} shards had no room), "
            ),
        };
        let seconds = took.as_secs_f64();
        format!(
            "clean: {full}{kills} kills ({in_start} in a start, {in_close} in a close), \
             {acknowledged} records acknowledged, {read} read, {audits} audits, \
             {made} streams made and removed, verified {verified} times; {seconds:.0} s"
        )
    }
}
