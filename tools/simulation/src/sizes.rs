//! How much is appended at a time.

use crate::{payload::IDENTITY, world::World};

/// Records, and bytes of each. Where it is `bulky`, so much that segments are filled.
pub(crate) fn choose(world: &World, bulky: bool) -> (u32, u32) {
    let count = 1 + world.pick(6) as u32;
    let len = match world.pick(16) {
        0..=7 if bulky => return (1, 50_000 + world.pick(180_000) as u32),
        0..=10 => IDENTITY as u64 + world.pick(200),
        11..=14 => 1024 + world.pick(6000),
        _ => return (1, 20_000 + world.pick(150_000) as u32),
    };
    (count, len as u32)
}
