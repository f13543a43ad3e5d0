//! Segments that are prepared, filled, dropped and written again, beside those who read them.

use std::thread;

use super::world::{SHARD, Way, World, options};
use crate::{Position, SequenceNumber, Shard, Store};

/// Four of these fill a segment.
fn large(name: &str) -> String {
    name.repeat(250 * 1000 / name.len())
}

fn begin(world: &World) -> (Store, Shard) {
    let store = world.open();
    let shard = store.create_shard(SHARD, options()).unwrap();
    (store, shard)
}

/// Blocks are zeroed ahead of the head while it moves: the medium looks on.
pub fn zeros_never_land_on_batches() {
    let world = World::new();
    let (store, shard) = begin(&world);
    let preparer = {
        let shard = shard.clone();
        thread::spawn(move || {
            shard.prepare(1 << 20).unwrap();
        })
    };
    let appenders: Vec<_> = [("a", Way::Lead), ("b", Way::Wait)]
        .map(|(name, way)| {
            let (world, shard) = (world.clone(), shard.clone());
            thread::spawn(move || {
                for number in 0..3 {
                    world.append(&shard, &format!("{name}{number}"), way);
                }
            })
        })
        .into();
    for thread in appenders.into_iter().chain([preparer]) {
        thread.join().unwrap();
    }
    assert_eq!(world.acknowledged(), 6);
    drop(shard);
    world.close_and_judge(store);
}

/// Segments roll under their appenders: each batch has its place, and nothing is lost between two
/// segments.
pub fn a_roll_loses_nothing() {
    let world = World::new();
    let (store, shard) = begin(&world);
    let appenders: Vec<_> = [("a", Way::Lead), ("b", Way::Wait)]
        .map(|(name, way)| {
            let (world, shard) = (world.clone(), shard.clone());
            thread::spawn(move || {
                for number in 0..3 {
                    world.append(&shard, &large(&format!("{name}{number}")), way);
                }
            })
        })
        .into();
    for appender in appenders {
        appender.join().unwrap();
    }
    assert_eq!(world.acknowledged(), 6);
    drop(shard);
    world.close_and_judge(store);
}

/// A reader keeps what it was lent while segments are dropped and written again: no file goes to
/// another life while it is mapped, and no name of a file leads to another's bytes.
pub fn what_is_read_is_not_written_again() {
    let world = World::new();
    let (store, shard) = begin(&world);
    for number in 0..5 {
        world.append(&shard, &large(&format!("a{number}")), Way::Lead);
    }
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let shard = shard.clone();
            thread::spawn(move || {
                let mut cursor = shard.read(Position::Oldest).unwrap();
                cursor.leave_tail();
                let mut kept = Vec::new();
                let mut next = 0;
                while let Some(batch) = cursor.next_batch().unwrap() {
                    assert!(batch.first().0 >= next, "records come in order");
                    next = batch.end().0;
                    kept.push(batch);
                }
                for batch in kept {
                    for record in batch.records() {
                        let (number, record) = record.unwrap();
                        let name = format!("a{}", number.0);
                        assert!(record.data.starts_with(name.as_bytes()));
                    }
                }
            })
        })
        .collect();
    let trimmer = {
        let shard = shard.clone();
        thread::spawn(move || {
            shard.trim(SequenceNumber(u64::MAX)).unwrap();
        })
    };
    for number in 5..8 {
        world.append(&shard, &large(&format!("a{number}")), Way::Lead);
    }
    for thread in readers.into_iter().chain([trimmer]) {
        thread.join().unwrap();
    }
    shard.trim(SequenceNumber(u64::MAX)).unwrap();
    drop(shard);
    world.close_and_judge(store);
}
