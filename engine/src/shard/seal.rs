//! The end of a shard's appends: nothing more is taken, what was taken becomes durable, and the
//! records stay readable.

use std::task::Waker;

use super::{Shard, ShardCore, staging::Condition, watermark::Place, watermark::wait_until};
use crate::{error::Error, segment::list::lock, sequence::SequenceNumber};

impl Shard {
    /// Refuses appends from now on with [`Error::Sealed`], waits until what was taken before is
    /// durable, and gives the sequence number after the last record. A numbered put that was
    /// taken before is still answered as before. Called again it gives the same end.
    ///
    /// That it is sealed is not on the medium: after an open it is to be sealed anew.
    /// [`crate::Store::reopen_shard`] keeps it sealed.
    ///
    /// # Errors
    /// [`Error::Poisoned`] and [`Error::Closed`] when the end cannot be known until it is opened
    /// again. It is sealed all the same.
    pub fn seal(&self) -> Result<SequenceNumber, Error> {
        let core = &self.core;
        lock(&core.stage).sealed = true;
        // Who waits for room is to see it.
        core.announce_room();
        let mut place = Place::default();
        let end = wait_until(None, |waker| core.drained(&mut place, waker));
        core.watermark.leave(&mut place);
        // Readers at the end learn that nothing follows.
        core.wake_all();
        end.unwrap_or(Err(Error::Closed { shard: core.id }))
    }
}

impl ShardCore {
    /// The end of a sealed shard once nothing is on its way to the medium.
    fn drained(&self, place: &mut Place, waker: &Waker) -> Option<Result<SequenceNumber, Error>> {
        self.end_when_drained().or_else(|| {
            let next = lock(&self.stage).next();
            self.watermark.register(next, place, waker);
            self.end_when_drained()
        })
    }

    fn end_when_drained(&self) -> Option<Result<SequenceNumber, Error>> {
        let stage = lock(&self.stage);
        match &stage.condition {
            Condition::Open | Condition::NoSpace => {
                let end = self.watermark.get();
                (end >= stage.next()).then_some(Ok(SequenceNumber(end)))
            }
            // It took nothing since it was opened.
            Condition::ReadOnly(_) => Some(Ok(SequenceNumber(self.watermark.get()))),
            ended @ (Condition::Poisoned(_) | Condition::Closed) => ended.error(self.id).map(Err),
        }
    }
}
