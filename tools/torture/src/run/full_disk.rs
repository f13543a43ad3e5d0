//! A medium that fills up, and has room again.

use std::{
    fs::{self, File},
    io::Write,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use millstream_client::{Client, ClientOptions, CreateStream, ErrorCode};
use tokio::time;

use super::{Chapter, Run};
use crate::audit::Extent;

/// Bytes of the file that is removed to make room.
const BALLAST: usize = 128 << 20;
/// Kills while the medium is full, each time.
const KILLS: u32 = 5;
/// KiB a second that are written until the medium is full, and when it has room again.
const FILL: u64 = 100_000;
const RESUME: u64 = 2_000;
/// Without an acknowledgement for so long, after a refusal, the medium is full.
const QUIET: Duration = Duration::from_secs(1);
/// Most time until it is full, and until writes resume.
const PATIENCE: Duration = Duration::from_secs(90);

impl Run<'_> {
    /// Fills the medium under load, kills the server there, makes room, and sees writes resume.
    pub(super) async fn fill(&mut self) -> Result<(), String> {
        let ballast = self.server.setting().ballast();
        while self.counts.kills < self.plan.kills && !self.history.is_wrong() {
            write_ballast(&ballast).map_err(|error| format!("{}: {error}", ballast.display()))?;
            let mut chapter = self.begin().await?;
            self.until_full(&chapter).await?;
            self.counts.full += 1;
            self.history.note("the disk is full");
            self.audit(&chapter.ground, &mut chapter.marks, Extent::WhatIsOpen)
                .await?;
            self.refuse_a_stream().await?;
            let last = (self.counts.kills + KILLS).min(self.plan.kills);
            while self.counts.kills < last && !self.history.is_wrong() {
                self.pause(300_000).await;
                self.kill_once().await?;
                let back = self.come_back(&mut chapter).await;
                if back.is_err() && self.server.lacks_room()? {
                    // Where every write needs new blocks, the catalog cannot even be opened.
                    self.history.note("no room to start");
                    self.counts.unstarted += 1;
                    break;
                }
                back?;
            }
            if self.history.is_wrong() {
                return Ok(());
            }
            chapter.load.set_rate(RESUME);
            fs::remove_file(&ballast).map_err(|error| format!("{}: {error}", ballast.display()))?;
            self.history.note("there is room again");
            if self.server.lacks_room()? {
                self.server.start().await?;
            }
            self.until_resumed(&chapter).await?;
            self.progress(chapter.load.acknowledged());
            self.end(chapter).await?;
        }
        Ok(())
    }

    /// Starts the server again, and audits what is open.
    async fn come_back(&mut self, chapter: &mut Chapter) -> Result<(), String> {
        self.start_again().await?;
        self.audit(&chapter.ground, &mut chapter.marks, Extent::WhatIsOpen)
            .await
    }

    async fn until_full(&mut self, chapter: &Chapter) -> Result<(), String> {
        chapter.load.set_rate(FILL);
        let begun = Instant::now();
        let (mut count, mut since) = (0, Instant::now());
        while !self.history.is_wrong() {
            let now = chapter.load.acknowledged();
            if now != count {
                (count, since) = (now, Instant::now());
            }
            let refused = chapter.ground.no_space.load(Ordering::Relaxed);
            if refused > 0 && since.elapsed() > QUIET {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!(
                    "the disk is not full after {PATIENCE:?}: {refused} puts were refused, {count} records acknowledged"
                ));
            }
            time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// A stream cannot be made, and the answer says why.
    async fn refuse_a_stream(&mut self) -> Result<(), String> {
        // The others would ask until there is room.
        let once = ClientOptions {
            retry_for: Duration::ZERO,
            ..ClientOptions::default()
        };
        let client = Client::connect_with(self.server.address(), once).await;
        let client = client.map_err(|error| error.to_string())?;
        // More shards than a remnant of room is enough for.
        let create = CreateStream {
            shards: 1000,
            ..CreateStream::default()
        };
        match client.create_stream("too-much", create).await {
            Err(error) if error.code() == Some(ErrorCode::NoSpace) => Ok(()),
            Err(error) => Err(format!("a stream was refused otherwise: {error}")),
            Ok(_) => Err("a stream of 1000 shards was made on a full disk".to_owned()),
        }
    }

    /// Every stream takes records again.
    async fn until_resumed(&mut self, chapter: &Chapter) -> Result<(), String> {
        let begun = Instant::now();
        for ledger in &chapter.ledgers {
            let before = ledger.count();
            while ledger.count() < before + 100 {
                if self.history.is_wrong() {
                    return Ok(());
                }
                if begun.elapsed() > PATIENCE {
                    let name = &ledger.name;
                    return Err(format!(
                        "stream {name} does not take records {PATIENCE:?} after there was room"
                    ));
                }
                time::sleep(Duration::from_millis(20)).await;
            }
        }
        let took = begun.elapsed();
        self.history.note(format!("writes resumed after {took:?}"));
        Ok(())
    }
}

/// Bytes that are there, and not only promised.
fn write_ballast(path: &std::path::Path) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    let piece = vec![0xb5; 1 << 20];
    for _ in 0..BALLAST / piece.len() {
        file.write_all(&piece)?;
    }
    file.sync_all()
}
