//! The whole engine: a store, its writer, preparer and reaper, and threads that append and read.

use std::thread;

use super::world::{SHARD, Way, World, options};
use crate::{Position, SequenceNumber};

/// Each way of appending beside each other. Every append ends well, and is there.
pub fn every_append_ends() {
    let world = World::new();
    let store = world.open();
    let shard = store.create_shard(SHARD, options()).unwrap();
    let appenders: Vec<_> = [("a", Way::Lead), ("b", Way::Wait), ("c", Way::Poll)]
        .map(|(name, way)| {
            let (world, shard) = (world.clone(), shard.clone());
            thread::spawn(move || {
                for number in 0..2 {
                    world.append(&shard, &format!("{name}{number}"), way);
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

/// Threads that each write for themselves while the shard is idle, and never two at a time.
pub fn whoever_leads_leaves_nothing_behind() {
    let world = World::new();
    let store = world.open();
    let shard = store.create_shard(SHARD, options()).unwrap();
    let leaders: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let (world, shard) = (world.clone(), shard.clone());
            thread::spawn(move || {
                for number in 0..2 {
                    world.append(&shard, &format!("{name}{number}"), Way::Lead);
                }
            })
        })
        .into();
    for leader in leaders {
        leader.join().unwrap();
    }
    assert_eq!(world.acknowledged(), 6);
    drop(shard);
    world.close_and_judge(store);
}

/// A reader that follows comes to every record, sees none before it is acknowledged, and each
/// once.
pub fn a_follower_comes_to_every_record() {
    let world = World::new();
    let store = world.open();
    let shard = store.create_shard(SHARD, options()).unwrap();
    let follower = {
        let shard = shard.clone();
        thread::spawn(move || {
            let mut cursor = shard.read(Position::Oldest).unwrap();
            let mut next = 0;
            while next < 4 {
                assert!(shard.wait_readable(SequenceNumber(next), None).unwrap());
                let readable = next;
                while let Some(batch) = cursor.next_batch().unwrap() {
                    assert!(batch.end() <= shard.end(), "more is read than is durable");
                    for record in batch.records() {
                        let (number, _) = record.unwrap();
                        assert_eq!(number.0, next, "records come in order");
                        next += 1;
                    }
                }
                assert!(next > readable, "what is readable is not found");
            }
        })
    };
    let appenders: Vec<_> = [("a", Way::Lead), ("b", Way::Wait)]
        .map(|(name, way)| {
            let (world, shard) = (world.clone(), shard.clone());
            thread::spawn(move || {
                for number in 0..2 {
                    world.append(&shard, &format!("{name}{number}"), way);
                }
            })
        })
        .into();
    for thread in appenders.into_iter().chain([follower]) {
        thread.join().unwrap();
    }
    drop(shard);
    world.close_and_judge(store);
}
