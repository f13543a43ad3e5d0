//! Where reading starts, as written on the command line.

use std::str::FromStr;

use jiff::Timestamp;
use thiserror::Error;

/// Where in each shard `get` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The oldest record that is kept.
    Oldest,
    /// After the newest record: only what comes from now on.
    Latest,
    /// The record of this sequence number.
    At(u64),
    /// The record after this sequence number.
    After(u64),
    /// The first record of this time or later, in milliseconds since 1970.
    Time(u64),
}

/// A start that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum StartError {
    /// None of the forms.
    #[error(
        "none of oldest, latest, at:SEQUENCE, after:SEQUENCE, time:RFC3339 (such as time:2026-11-23T14:30:00Z)"
    )]
    Form,
    /// Not a number.
    #[error("{0:?} is no sequence number; they count from 0")]
    Sequence(String),
    /// Not a time.
    #[error(
        "{0:?} is no RFC 3339 time with an offset, such as 2026-11-23T14:30:00Z or 2026-11-23T16:30:00.250+02:00"
    )]
    Time(String),
    /// Before any record can be.
    #[error("{0:?} is before 1970; use oldest")]
    TooEarly(String),
}

impl FromStr for Start {
    type Err = StartError;

    fn from_str(text: &str) -> Result<Start, StartError> {
        let sequence = |text: &str| {
            text.parse()
                .map_err(|_| StartError::Sequence(text.to_owned()))
        };
        match text.split_once(':') {
            None if text == "oldest" => Ok(Start::Oldest),
            None if text == "latest" => Ok(Start::Latest),
            Some(("at", number)) => sequence(number).map(Start::At),
            Some(("after", number)) => sequence(number).map(Start::After),
            Some(("time", time)) => {
                let stamp: Timestamp = time
                    .parse()
                    .map_err(|_| StartError::Time(time.to_owned()))?;
                let ms = u64::try_from(stamp.as_millisecond())
                    .map_err(|_| StartError::TooEarly(time.to_owned()))?;
                // A record's time has whole milliseconds: the first at or after the given instant.
                let part = stamp.subsec_nanosecond() % 1_000_000 != 0;
                Ok(Start::Time(ms + u64::from(part)))
            }
            _ => Err(StartError::Form),
        }
    }
}

#[cfg(test)]
mod tests;
