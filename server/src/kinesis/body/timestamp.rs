//! Times as they travel: seconds with a fraction in JSON, tagged milliseconds in CBOR.

use std::fmt;

use serde::{Deserializer, Serialize, Serializer, de};

use super::value::Value;

/// The name under which a timestamp goes through serde in an encoding that is not for humans, which is
/// how CBOR's reader and writer know that it has a tag.
pub(super) const TIMESTAMP: &str = "millstream::Timestamp";

/// Whole seconds from which on a number in JSON counts milliseconds: the SDK for Java 1 sends those
/// when it is told to leave CBOR alone. As seconds they would be of the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;
/// Furthest from 1970: beyond, doubles no longer hold every millisecond.
const FURTHEST_MS: f64 = 9_007_199_254_740_992.0;

/// A time, as milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    /// Milliseconds since 1970 in UTC; negative before.
    pub(crate) ms: i64,
}

impl<'de> Value<'de> for Timestamp {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        if from.is_human_readable() {
            from.deserialize_any(TimestampVisitor { unit: 1000.0 })
        } else {
            from.deserialize_newtype_struct(TIMESTAMP, TimestampVisitor { unit: 1.0 })
        }
    }
}

struct TimestampVisitor {
    /// Milliseconds in what an integer counts. A fraction always counts seconds.
    unit: f64,
}

impl TimestampVisitor {
    fn whole<E: de::Error>(&self, number: f64) -> Result<Timestamp, E> {
        match number.abs() >= MILLISECONDS_FROM {
            true => TimestampVisitor::time(number),
            false => TimestampVisitor::time(number * self.unit),
        }
    }

    #[allow(clippy::cast_possible_truncation)] // it is in the range that was looked at
    fn time<E: de::Error>(ms: f64) -> Result<Timestamp, E> {
        // Not a number is in no range.
        if (-FURTHEST_MS..=FURTHEST_MS).contains(&ms) {
            Ok(Timestamp {
                ms: ms.round() as i64,
            })
        } else {
            Err(E::custom(
                "NUMBER_VALUE can not be converted to a Timestamp",
            ))
        }
    }
}

#[allow(clippy::cast_precision_loss)] // what would lose by it is refused
impl de::Visitor<'_> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Timestamp")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Timestamp, E> {
        self.whole(number as f64)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Timestamp, E> {
        self.whole(number as f64)
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Timestamp, E> {
        TimestampVisitor::time(seconds * 1000.0)
    }
}

impl Serialize for Timestamp {
    #[allow(clippy::cast_precision_loss)] // exact for 285,000 years
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_f64(self.ms as f64 / 1000.0)
        } else {
            serializer.serialize_newtype_struct(TIMESTAMP, &self.ms)
        }
    }
}
