use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use millstream_engine::{
    Buffer, CursorStart, SequenceNumber,
    format::Record,
    io::simulated::{Disk, SimulatedDevice},
};

use super::{AcknowledgeMode, BufferModel, WhenFull};
use crate::{
    choices::Choices,
    life::STORE,
    model::Ending,
    trial::cut,
    weather::{Climate, Past, Weather},
    world::{BEGINNING_MS, PREPARER, WRITER, World},
};

/// A process with a buffer.
struct Process {
    world: Arc<World>,
    device: SimulatedDevice,
    buffer: Buffer,
}

impl Process {
    fn new(disk: Disk) -> Process {
        let weather = Weather::new(Climate::Fair, Past::default());
        let wall_ms = Arc::new(AtomicU64::new(BEGINNING_MS));
        let world = World::new(Choices::seeded(1), weather, wall_ms, 0);
        let device = SimulatedDevice::new(disk, Arc::clone(&world) as _);
        let model = BufferModel {
            when_full: WhenFull::RejectNew,
            acknowledge: AcknowledgeMode::Durable,
            ..BufferModel::choose(&mut Choices::seeded(1))
        };
        let options = model.options(world.environment(&device));
        let buffer = Buffer::open(STORE, options).unwrap();
        Process {
            world,
            device,
            buffer,
        }
    }

    fn push(&self, data: &[u8]) {
        let ticket = self.buffer.push_later(&[Record::new("", data)]).unwrap();
        while ticket.wait_timeout(Duration::ZERO).is_none() {
            self.world.turn(WRITER);
            self.world.turn(PREPARER);
        }
    }

    fn next(&self) -> Vec<(String, u64)> {
        let statuses = self.buffer.cursors().unwrap().into_iter();
        statuses.map(|s| (s.name, s.next.0)).collect()
    }

    /// What is left when it ends, now or where it was to end: all that was written or changed is
    /// seen by the next process (`Killed`), or nothing that was not flushed (`PowerCut`).
    fn end(self, ending: Ending) -> Disk {
        self.world.end(&self.device);
        drop(self.buffer);
        let mut disk = self.world.take_left().unwrap();
        cut(&mut disk, ending, Choices::given(&[0; 4096])).unwrap();
        disk
    }
}

/// A buffer with three records, of which its cursor has acknowledged one.
fn three_records() -> Process {
    let process = Process::new(Disk::default());
    process
        .buffer
        .create_cursor("uplink", CursorStart::Oldest)
        .unwrap();
    for data in ["one", "two", "three"] {
        process.push(data.as_bytes());
    }
    let acknowledged = process.buffer.acknowledge("uplink", SequenceNumber(0));
    acknowledged.unwrap();
    assert_eq!(process.next(), [("uplink".into(), 1)]);
    process
}

#[test]
fn an_acknowledgement_that_was_found_is_not_lost_with_the_power() {
    let process = three_records();
    // Killed while the write is under way, which the next process sees.
    process.world.end_after(1);
    let cut_short = process.buffer.acknowledge("uplink", SequenceNumber(1));
    assert!(cut_short.is_err());
    let process = Process::new(process.end(Ending::Killed));
    assert_eq!(process.next(), [("uplink".into(), 2)]);
    // There is nothing left to write.
    let again = process.buffer.acknowledge("uplink", SequenceNumber(1));
    again.unwrap();
    let process = Process::new(process.end(Ending::PowerCut));
    assert_eq!(process.next(), [("uplink".into(), 2)]);
}

#[test]
fn a_cursor_that_was_gone_does_not_come_back_with_the_power() {
    let process = three_records();
    // Killed between the removal and its flush.
    process.world.end_after(2);
    assert!(process.buffer.remove_cursor("uplink").is_err());
    let process = Process::new(process.end(Ending::Killed));
    assert_eq!(process.next(), []);
    let process = Process::new(process.end(Ending::PowerCut));
    assert_eq!(process.next(), []);
}
