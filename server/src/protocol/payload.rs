//! Stored batches on their way to a client.
//!
//! Batches are sent from where they lie: in the map of a segment, or in the store's memory. What
//! lies in the memory is the writers' too, so a client that does not read must not keep it: over
//! all connections only so much of it is kept, and the rest is copied.

#[cfg(test)]
mod tests;

use millstream_engine::Batch;
use tokio::sync::OwnedSemaphorePermit;

/// Batches up to this size are copied together with their neighbours rather than pointed at.
const COPY_BYTES: usize = 2 << 10;

/// The payload of a frame.
pub(super) struct Payload {
    pub parts: Vec<Part>,
    /// Whether what was copied is what was verified.
    copied_intact: bool,
    /// Leave to keep the store's memory.
    _keeping: Option<OwnedSemaphorePermit>,
}

/// Some adjoining bytes of a payload.
pub(super) enum Part {
    Lent(Batch),
    Copied(Vec<u8>),
}

impl Part {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Part::Lent(batch) => batch.stored(),
            Part::Copied(bytes) => bytes,
        }
    }
}

impl Payload {
    /// `keep` gives leave to keep so many bytes of the store's memory, if there is room for them.
    pub(super) fn new(
        keep: impl FnOnce(u32) -> Option<OwnedSemaphorePermit>,
        batches: Vec<Batch>,
    ) -> Payload {
        let is_small = |batch: &Batch| batch.stored().len() <= COPY_BYTES;
        let held: usize = batches
            .iter()
            .filter(|batch| !is_small(batch))
            .map(Batch::held_memory)
            .sum();
        let keeping = match u32::try_from(held) {
            Ok(0) => None,
            Ok(held) => keep(held),
            Err(_) => None,
        };
        let mut parts = Vec::new();
        let mut copied_intact = true;
        for batch in batches {
            let must_copy = keeping.is_none() && batch.held_memory() > 0;
            if !must_copy && !is_small(&batch) {
                parts.push(Part::Lent(batch));
                continue;
            }
            if let Some(Part::Copied(bytes)) = parts.last_mut() {
                bytes.extend_from_slice(batch.stored());
            } else {
                parts.push(Part::Copied(batch.stored().to_vec()));
            }
            copied_intact &= batch.is_intact();
        }
        Payload {
            parts,
            copied_intact,
            _keeping: keeping,
        }
    }

    /// Whether all of it is still what was verified: a segment may have become unreadable since.
    pub(super) fn is_intact(&self) -> bool {
        let intact = |part: &Part| match part {
            Part::Lent(batch) => batch.is_intact(),
            Part::Copied(_) => true,
        };
        self.copied_intact && self.parts.iter().all(intact)
    }
}
