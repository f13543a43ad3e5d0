//! The log, on standard error; `RUST_LOG` sets what is told.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// What is told unless `RUST_LOG` says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    terminal: &'static str,
    elsewhere: &'static str,
}

/// Of a server: whoever sees a terminal has been told the rest by the first screen.
pub(crate) const SERVER: Level = Level {
    terminal: "warn",
    elsewhere: "info",
};

/// Of a command.
pub(crate) const COMMAND: Level = Level {
    terminal: "warn",
    elsewhere: "warn",
};

/// Sends the log to standard error.
pub(crate) fn to_stderr(level: Level) {
    let terminal = io::stderr().is_terminal();
    let default = if terminal {
        level.terminal
    } else {
        level.elsewhere
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(terminal)
        .finish();
    // It fails only where there is a subscriber already, and then that one serves.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
