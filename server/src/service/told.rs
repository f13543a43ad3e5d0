//! Damage that readers have met, told in the log once for each place and not for each reading.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use millstream_engine::{Damage, ShardId};

/// Most places that are told: with more, the log would hold nothing else.
const MOST_PLACES: usize = 1000;

/// File and offset of the places that were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    places: Mutex<HashSet<(PathBuf, u64)>>,
}

impl Told {
    /// Tells of a place, unless it was told before. Whether it was not.
    pub(super) fn tell(&self, shard: ShardId, damage: &Damage) -> bool {
        let place = (damage.file.clone(), damage.offset);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST_PLACES || !places.insert(place) {
            return false;
        }
        let last = places.len() == MOST_PLACES;
        drop(places);
        tracing::warn!(id = %shard, %damage, "a reader has met damage");
        if last {
            tracing::warn!(
                places = MOST_PLACES,
                "more damage that readers meet is not told here; `millstream verify` tells all"
            );
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::SequenceNumber;

    use super::*;

    fn damage(offset: u64, sequence: u64) -> Damage {
        Damage {
            file: PathBuf::from("0.seg"),
            offset,
            sequence: SequenceNumber(sequence),
            resume: None,
            reason: "torn".into(),
        }
    }

    #[test]
    fn a_place_is_told_once_and_a_flood_is_not() {
        let told = Told::default();
        assert!(told.tell(ShardId(1), &damage(0, 1)));
        assert!(!told.tell(ShardId(1), &damage(0, 2)), "another reader");
        let flood = (1..2 * MOST_PLACES as u64).filter(|at| told.tell(ShardId(1), &damage(*at, 1)));
        assert_eq!(flood.count(), MOST_PLACES - 1);
    }
}
