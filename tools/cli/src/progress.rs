//! A progress bar on standard error, for people who wait: only on a terminal, and only where it
//! takes longer than a moment.

use std::{
    fmt::Display,
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::quantity;

/// How long a transfer may take before a bar shows up.
const PATIENCE: Duration = Duration::from_secs(1);

const KNOWN: &str = "{bar:20} {percent}% {msg}, {eta} left";
const UNKNOWN: &str = "{spinner} {msg}";

/// The progress of a transfer of bytes.
#[derive(Debug)]
pub(crate) struct Progress {
    wanted: bool,
    total: Option<u64>,
    begun: Instant,
    bytes: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress towards `total` bytes, where that is known. Shown if `wanted` and standard error
    /// is a terminal.
    pub(crate) fn new(wanted: bool, total: Option<u64>) -> Progress {
        Progress {
            wanted: wanted && std::io::stderr().is_terminal(),
            total,
            begun: Instant::now(),
            bytes: 0,
            bar: None,
        }
    }

    /// Goes on by `bytes`; `message` says what else is known.
    pub(crate) fn advance(&mut self, bytes: u64, message: impl Display) {
        self.bytes += bytes;
        if !self.wanted {
            return;
        }
        if self.bar.is_none() && self.begun.elapsed() >= PATIENCE {
            self.bar = Some(bar(self.total).with_elapsed(self.begun.elapsed()));
        }
        if let Some(bar) = &self.bar {
            let rate = quantity::per_second(self.bytes, self.begun.elapsed()) / 1e6;
            let bytes = quantity::bytes(self.bytes);
            bar.set_message(format!("{bytes}, {rate:.1} MB/s, {message}"));
            bar.set_position(self.bytes);
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), KNOWN),
        None => (ProgressBar::new_spinner(), UNKNOWN),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
