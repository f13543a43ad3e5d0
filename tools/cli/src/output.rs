//! Results on standard output. Unlike `println!`, a reader that has gone is an error here, not a
//! panic.

use std::{fmt::Display, io::Write};

use serde_json::Value;

use crate::failure::Failure;

/// Prints text, and a newline unless it ends in one.
///
/// # Errors
/// When standard output fails.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    let mut text = text.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Prints a value as one JSON line.
///
/// # Errors
/// When standard output fails.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    print(value)
}
