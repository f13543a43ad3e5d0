//! What a stream may be, whatever the configuration says.

use std::ops::RangeInclusive;

/// Shards of a stream.
pub(crate) const SHARDS: RangeInclusive<u32> = 1..=100_000;
/// Most shards that a stream is brought to by number.
pub(crate) const TARGET_SHARDS: u32 = 10_000;
/// Shortest retention in hours.
pub(crate) const RETENTION_HOURS_MIN: u32 = 24;
/// Longest retention in hours, a year.
pub(crate) const RETENTION_HOURS_MAX: u32 = 8_760;
/// Retention in hours.
pub(crate) const RETENTION_HOURS: RangeInclusive<u32> = RETENTION_HOURS_MIN..=RETENTION_HOURS_MAX;
/// Characters of a stream's name.
pub(crate) const NAME_CHARS: RangeInclusive<usize> = 1..=128;

/// Whether `name` may be a stream's: 1 to 128 of `a-z A-Z 0-9 _ . -`.
#[must_use]
pub(crate) fn is_stream_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    NAME_CHARS.contains(&name.len()) && name.bytes().all(allowed)
}
