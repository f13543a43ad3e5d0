//! The signals that ask for the end: SIGINT (Ctrl-C) and SIGTERM.

use std::process;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

use crate::failure::Failure;

/// Exit code when a second signal asked for the end at once.
const ENDED_AT_ONCE: i32 = 1;

/// What asks for the end. From its making on, signals no longer end the process by themselves.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn new() -> Result<Signals, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|source| Failure::System {
                doing: "listening to signals",
                source,
            })
        };
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for one; its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// From now on the next signal ends the process, whatever is still to be finished.
    pub(crate) fn end_at_once(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let name = self.next().await;
            eprintln!("{name} again: ended at once");
            process::exit(ENDED_AT_ONCE);
        })
    }
}
