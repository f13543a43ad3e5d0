//! The queue of writes of a simulated device: writes land when they are waited for, in any order.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use super::{
    Action, Shared,
    disk::{FileId, FlightId},
};
use crate::io::device::{Completion, Wake, WriteOp, WriteQueue};

/// Writes that may be in flight, as with the portable device.
const DEPTH: usize = 64;

/// The bytes of a write, one after another.
pub(super) fn gather(op: &WriteOp) -> Arc<[u8]> {
    // Not byte by byte: where a fuzzer watches, that is most of what an append costs.
    let slices = op.slices.iter().map(|slice| &slice.buffer[..slice.len]);
    slices.collect::<Vec<_>>().concat().into()
}

struct Waiting {
    token: u64,
    flight: FlightId,
    file: FileId,
    path: PathBuf,
    bytes: Arc<[u8]>,
    offset: u64,
    durable: bool,
}

pub(super) struct Queue {
    shared: Arc<Shared>,
    waiting: Vec<Waiting>,
}

impl Queue {
    pub(super) fn new(shared: &Arc<Shared>) -> Queue {
        Queue {
            shared: Arc::clone(shared),
            waiting: Vec::new(),
        }
    }

    fn land(&self, write: &Waiting) -> io::Result<()> {
        let fate = self.shared.fate(Action::Land, &write.path);
        self.shared.disk().landed(write.flight);
        self.shared
            .write(write.file, &write.bytes, write.offset, write.durable, fate)?;
        self.shared.ask(Action::Complete, &write.path).map(|_| ())
    }
}

impl WriteQueue for Queue {
    fn depth(&self) -> usize {
        DEPTH
    }

    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        let (file, path) = self.shared.disk().named(op.file.descriptor())?;
        self.shared.ask(Action::Submit, &path)?;
        let bytes = gather(&op);
        let nature = &*self.shared.nature;
        let flight = self.shared.disk().launch(file, op.offset, &bytes, nature);
        self.waiting.push(Waiting {
            token: op.token,
            flight,
            file,
            path,
            bytes,
            offset: op.offset,
            durable: op.durable,
        });
        Ok(())
    }

    fn wait(&mut self, _: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        let nature = Arc::clone(&self.shared.nature);
        let held_back = nature.choose(self.waiting.len() as u64 + 1) as usize;
        while self.waiting.len() > held_back {
            let next = nature.choose(self.waiting.len() as u64) as usize;
            let write = self.waiting.remove(next);
            let result = self.land(&write);
            done.push(Completion {
                token: write.token,
                result,
            });
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        // Whoever turns the writer knows when.
        Arc::new(NoBell)
    }
}

struct NoBell;

impl Wake for NoBell {
    fn wake(&self) {}
}
