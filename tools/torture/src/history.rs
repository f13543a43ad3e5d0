//! What happened, in the order in which it did, and what was wrong with it.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// Most that is told of what is wrong: one loss makes many.
const TOLD: usize = 5;

/// A file of what happened, and whether anything was wrong.
#[derive(Debug)]
pub(crate) struct History {
    start: Instant,
    file: Mutex<File>,
    wrong: AtomicUsize,
    /// Whoever waits for something while all may be lost already.
    alarm: tokio::sync::Notify,
}

impl History {
    pub(crate) fn new(path: &Path) -> io::Result<History> {
        Ok(History {
            start: Instant::now(),
            file: Mutex::new(File::create(path)?),
            wrong: AtomicUsize::new(0),
            alarm: tokio::sync::Notify::new(),
        })
    }

    /// Takes note of what happened.
    pub(crate) fn note(&self, what: impl AsRef<str>) {
        let seconds = self.start.elapsed().as_secs_f64();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A history that cannot be written is missed, and changes no verdict.
        let _ = writeln!(file, "{seconds:10.4} {}", what.as_ref());
    }

    /// Takes note of what must not be.
    pub(crate) fn wrong(&self, what: impl AsRef<str>) {
        let before = self.wrong.fetch_add(1, Ordering::SeqCst);
        self.note(format!("WRONG {}", what.as_ref()));
        if before < TOLD {
            eprintln!("wrong: {}", what.as_ref());
        }
        self.alarm.notify_waiters();
    }

    /// Whether something was wrong.
    pub(crate) fn is_wrong(&self) -> bool {
        self.wrong.load(Ordering::SeqCst) > 0
    }

    /// Returns when something is wrong.
    pub(crate) async fn until_wrong(&self) {
        loop {
            let alarm = self.alarm.notified();
            if self.is_wrong() {
                return;
            }
            alarm.await;
        }
    }
}
