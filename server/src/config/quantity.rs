//! Sizes, times and choices as people write them: `64 MiB`, `500 ms`, `zstd:3`.

use std::{fmt, time::Duration};

use millstream_engine::{CompressionChoice, DeviceChoice, Durability};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// Level of `zstd` without a number.
const ZSTD_LEVEL: i32 = 3;

/// Bytes: a number, or text with a unit.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    deserializer.deserialize_any(Bytes)
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes, or a text such as \"64 MiB\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<usize, E> {
        usize::try_from(number).map_err(|_| E::custom(format!("{number} is not a number of bytes")))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<usize, E> {
        usize::try_from(number).map_err(|_| E::custom(format!("{number} bytes are too many")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<usize, E> {
        parse_bytes(text).ok_or_else(|| {
            E::custom(format!(
                "{text:?} is not a number of bytes: write for instance 65536, \"64 KiB\", \"256 MiB\" or \"1 GiB\""
            ))
        })
    }
}

fn parse_bytes(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let factor: usize = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    usize::try_from(number).ok()?.checked_mul(factor)
}

/// A time: text with a unit.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        D::Error::custom(format!(
            "{text:?} is not a time: write for instance \"500 us\", \"20 ms\", \"10 s\", \"5 min\" or \"1 h\""
        ))
    })
}

/// Longest time that a configuration can say, in seconds: 100 years.
const LONGEST_SECONDS: u64 = 100 * 366 * 24 * 3600;

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let duration = match unit {
        "us" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "min" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(3600)?),
        "" if number == 0 => Duration::ZERO,
        _ => return None,
    };
    (duration.as_secs() <= LONGEST_SECONDS).then_some(duration)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}

/// `auto`, `io_uring` or `portable`.
pub(super) fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceChoice, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "auto" => Ok(DeviceChoice::Auto),
        "io_uring" => Ok(DeviceChoice::IoUring),
        "portable" => Ok(DeviceChoice::Portable),
        other => Err(D::Error::custom(format!(
            "there is no device {other:?}: \"auto\", \"io_uring\" or \"portable\""
        ))),
    }
}

/// `none`, `zstd` or `zstd:LEVEL`.
pub(super) fn compression<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<CompressionChoice, D::Error> {
    let text = String::deserialize(deserializer)?;
    let level = match text.as_str() {
        "none" => return Ok(CompressionChoice::None),
        "zstd" => Some(ZSTD_LEVEL),
        other => other
            .strip_prefix("zstd:")
            .and_then(|level| level.parse().ok()),
    };
    level.map(CompressionChoice::Zstd).ok_or_else(|| {
        D::Error::custom(format!(
            "there is no compression {text:?}: \"none\", \"zstd\" or \"zstd:LEVEL\" with a level of 1 to 19"
        ))
    })
}

/// `durable` or `written`.
pub(super) fn durability<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Durability, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "durable" => Ok(Durability::Durable),
        "written" => Ok(Durability::Written),
        other => Err(D::Error::custom(format!(
            "there is no durability {other:?}: \"durable\" or \"written\""
        ))),
    }
}
