//! Batches that a reader holds while others append and drop.

use millstream_engine::{Batch, Position};

use super::Caller;
use crate::{payload::Identity, world::lock};

impl Caller {
    /// Looks at the batches that a reader kept, and keeps others.
    pub(crate) fn hold_batches(&self) -> Result<(), String> {
        let kept = std::mem::take(&mut *lock(&self.held));
        if self.world.with_weather(|weather| weather.past.lied) {
            return Ok(());
        }
        for (batch, first) in &kept {
            let now = first_of(batch);
            if now != Some(*first) {
                return Err(format!(
                    "a batch that a reader holds began with {first:?}, and begins with {now:?} now"
                ));
            }
        }
        // Some are held for long: their segment is dropped, and its file used again, meanwhile.
        if !self.world.once_in(4) {
            *lock(&self.held) = kept;
        }
        let Some((_, shard)) = self.some_shard() else {
            return Ok(());
        };
        let Ok(mut cursor) = shard.read(Position::Oldest) else {
            return Ok(());
        };
        while let Ok(Some(batch)) = cursor.next_batch() {
            if lock(&self.held).len() == 3 {
                break;
            }
            if let Some(first) = first_of(&batch) {
                lock(&self.held).push((batch, first));
            }
        }
        Ok(())
    }
}

/// The first record of a batch.
fn first_of(batch: &Batch) -> Option<Identity> {
    let (_, record) = batch.records().next()?.ok()?;
    Identity::read(record.data)
}
