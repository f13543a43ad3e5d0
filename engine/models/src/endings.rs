//! How appends end when something else ends first.

use std::{
    thread,
    time::{self, Duration},
};

use super::world::{SHARD, Way, World, options, read};
use crate::{Shard, Store};

/// Threads that append two records each.
fn append_beside(world: &World, shard: &Shard) -> Vec<thread::JoinHandle<()>> {
    [("a", Way::Lead), ("b", Way::Wait), ("c", Way::Poll)]
        .map(|(name, way)| {
            let (world, shard) = (world.clone(), shard.clone());
            thread::spawn(move || {
                for number in 0..2 {
                    world.append(&shard, &format!("{name}{number}"), way);
                }
            })
        })
        .into()
}

fn begin(world: &World) -> (Store, Shard) {
    let store = world.open();
    let shard = store.create_shard(SHARD, options()).unwrap();
    (store, shard)
}

/// What an old handle says can be read is found by the reopened shard.
fn holds_all_of(old: &Shard, reopened: &Shard) {
    let found = read(reopened);
    let missed = (0..old.end().0).find(|number| !found.contains_key(number));
    assert_eq!(missed, None, "a record that could be read is not there");
}

/// A store that is closed under its appenders: what was acknowledged is there, everything else
/// was refused.
pub fn a_close_ends_every_append() {
    let world = World::new();
    let (store, shard) = begin(&world);
    let appenders = append_beside(&world, &shard);
    store.close().unwrap();
    for appender in appenders {
        appender.join().unwrap();
    }
    drop(shard);
    world.close_and_judge(store);
}

/// A shard that is reopened under its appenders. What they are told is acknowledged must be what
/// the next open believes.
pub fn a_reopening_ends_every_append() {
    let world = World::new();
    let (store, shard) = begin(&world);
    let appenders = append_beside(&world, &shard);
    let reopened = store.reopen_shard(SHARD).unwrap();
    let end = reopened.end();
    for appender in appenders {
        appender.join().unwrap();
    }
    assert!(shard.end() <= end, "the old handle was acknowledged more");
    holds_all_of(&shard, &reopened);
    world.append(&reopened, "d", Way::Lead);
    world.judge(&reopened);
    drop((shard, reopened));
    world.close_and_judge(store);
}

/// A shard that is reopened while its only write ends: few steps, so that schedules come to each
/// of them.
pub fn what_a_reopening_finds_is_all_that_is_acknowledged() {
    let world = World::new();
    let (store, shard) = begin(&world);
    let appender = {
        let (world, shard) = (world.clone(), shard.clone());
        thread::spawn(move || world.append(&shard, "alone", Way::Lead))
    };
    while !world.medium.was_written(b"alone") {
        thread::yield_now();
    }
    let reopened = store.reopen_shard(SHARD).unwrap();
    let end = reopened.end();
    appender.join().unwrap();
    assert!(shard.end() <= end, "the old handle was acknowledged more");
    holds_all_of(&shard, &reopened);
    world.judge(&reopened);
    drop((shard, reopened));
    world.close_and_judge(store);
}

/// A shard that is deleted under its appenders: each of them ends.
pub fn a_deletion_ends_every_append() {
    let world = World::new();
    let (store, shard) = begin(&world);
    let appenders = append_beside(&world, &shard);
    store.delete_shard(SHARD).unwrap();
    for appender in appenders {
        appender.join().unwrap();
    }
    store.close().unwrap();
}

/// A write that fails: all that was in flight or waited ends, and nothing that was acknowledged
/// is missed when the shard is opened again.
pub fn a_failed_write_ends_every_append() {
    let world = World::new();
    let (store, shard) = begin(&world);
    world.medium.fail_after(1);
    let appenders = append_beside(&world, &shard);
    for appender in appenders {
        appender.join().unwrap();
    }
    let reopened = store.reopen_shard(SHARD).unwrap();
    world.append(&reopened, "d", Way::Wait);
    world.judge(&reopened);
    drop((shard, reopened));
    world.close_and_judge(store);
}

/// A medium without room: numbers that were taken back are given again, and no ticket of before
/// ends well by that.
pub fn numbers_taken_back_end_no_older_append_well() {
    time::let_pass(Duration::from_millis(300));
    let world = World::new();
    let (store, shard) = begin(&world);
    world.medium.leave_room(0);
    let appenders = append_beside(&world, &shard);
    while world.medium.refusals() == 0 {
        thread::yield_now();
    }
    world.medium.leave_room(u64::MAX);
    for appender in appenders {
        appender.join().unwrap();
    }
    world.append(&shard, "d", Way::Poll);
    world.judge(&shard);
    drop(shard);
    world.close_and_judge(store);
}
