//! Kills at random moments.

use super::Run;
use crate::audit::Extent;

/// Kills between two sets of streams.
const CHAPTER: u32 = 25;
/// How often progress is told, in kills.
const TELL: u32 = 10;

/// How much is written while the server is up, in KiB a second.
const RATES: &[u64] = &[500, 5_000, 30_000, 100_000];

impl Run<'_> {
    /// Kills the server as often as planned, with the load going on all the time.
    pub(super) async fn kill(&mut self) -> Result<(), String> {
        let mut told = 0;
        while self.counts.kills < self.plan.kills && !self.history.is_wrong() {
            let mut chapter = self.begin().await?;
            let last = (self.counts.kills + CHAPTER).min(self.plan.kills);
            while self.counts.kills < last {
                chapter.load.set_rate(self.random.one_of(RATES));
                let most = self.random.one_of(&[20_000, 300_000, 300_000, 1_000_000]);
                self.pause(most).await;
                self.kill_once().await?;
                self.start_again().await?;
                // One that is left out is made up for by the next: it begins where the last ended.
                if self.random.below(4) > 0 {
                    let ground = &chapter.ground;
                    self.audit(ground, &mut chapter.marks, Extent::Newest)
                        .await?;
                }
                if self.history.is_wrong() {
                    return Ok(());
                }
                if self.counts.kills >= told + TELL {
                    told = self.counts.kills;
                    self.progress(chapter.load.acknowledged());
                }
            }
            self.end(chapter).await?;
        }
        Ok(())
    }
}
