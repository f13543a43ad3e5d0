//! Counts, sizes, rates and times, as people read them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A size with the unit that suits it: 1 kB is 1000 bytes.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        // What would be printed as 1000.0 belongs to the next unit.
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A count with its noun: "1 record", "2 records".
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Something per second; 0 where no time has passed.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

/// Milliseconds since 1970 as RFC 3339 with milliseconds, UTC. What is beyond the calendar
/// (year 9999) is printed as the number.
pub(crate) fn time(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| ms.to_string(), |stamp| format!("{stamp:.3}"))
}

/// A length of time as written on the command line: "30s", "1m 30s", "500ms".
///
/// # Errors
/// When it is none, or negative.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or("no length of time, such as 30s, 5m or 500ms")
}

/// A size as written on the command line: a number of bytes, or one with kB, MB, GB (thousands)
/// or KiB, MiB, GiB (1024s).
///
/// # Errors
/// When it is none, or does not fit in 64 bits.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, &'static str> {
    let wrong = "no size in bytes, such as 268435456, 256MiB or 1GB";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong),
    };
    let number: u64 = number.parse().map_err(|_| wrong)?;
    number.checked_mul(scale).ok_or(wrong)
}

#[cfg(test)]
mod tests;
