//! Stored batches on their way to a client.
//!
//! Batches are sent from where they lie: in the map of a segment, or in the store's memory. What
//! lies in the memory is the writers' too, so a client that does not read must not keep it: over
//! all connections only so much of it is kept, and the rest is copied.

use millstream_engine::Batch;
use tokio::sync::OwnedSemaphorePermit;

use super::Context;

/// Batches up to this size are copied together with their neighbours rather than pointed at.
const COPY_BYTES: usize = 2 << 10;

/// The payload of a frame.
pub(super) struct Payload {
    pub parts: Vec<Part>,
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
    pub(super) fn new(context: &Context, batches: Vec<Batch>) -> Payload {
        let is_small = |batch: &Batch| batch.stored().len() <= COPY_BYTES;
        let held: usize = batches
            .iter()
            .filter(|batch| !is_small(batch))
            .map(Batch::held_memory)
            .sum();
        let keeping = match u32::try_from(held) {
            Ok(0) => None,
            Ok(held) => context.keep_memory(held),
            Err(_) => None,
        };
        let mut parts = Vec::new();
        for batch in batches {
            let must_copy = keeping.is_none() && batch.held_memory() > 0;
            if !must_copy && !is_small(&batch) {
                parts.push(Part::Lent(batch));
            } else if let Some(Part::Copied(bytes)) = parts.last_mut() {
                bytes.extend_from_slice(batch.stored());
            } else {
                parts.push(Part::Copied(batch.stored().to_vec()));
            }
        }
        Payload {
            parts,
            _keeping: keeping,
        }
    }
}
