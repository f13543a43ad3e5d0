//! Points in time as signatures tell them: `20150830T123600Z`.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// A second, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

const DAY: i64 = 24 * 3600;
/// The first second of the year 10000, which has no place in the form.
const END: i64 = 253_402_300_800;

impl Moment {
    /// Now.
    pub(crate) fn now() -> Moment {
        Moment::from(SystemTime::now())
    }

    /// Reads the form `YYYYMMDDTHHMMSSZ`.
    pub(crate) fn parse(text: &str) -> Option<Moment> {
        let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
        if bytes[8] != b'T' || bytes[15] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0, |number, digit| {
                let is_digit = digit.is_ascii_digit();
                is_digit.then(|| number * 10 + i64::from(digit - b'0'))
            })
        };
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
        // A leap second counts as the one before it.
        if !(1970..=9999).contains(&year) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_from_civil(year, month, day)?;
        Some(Moment(
            days * DAY + hour * 3600 + minute * 60 + second.min(59),
        ))
    }

    /// Reads the form of the `Date` header, or the basic one.
    pub(crate) fn parse_any(text: &str) -> Option<Moment> {
        Moment::parse(text).or_else(|| Some(Moment::from(httpdate::parse_http_date(text).ok()?)))
    }

    /// So many seconds later.
    pub(crate) fn plus(self, seconds: i64) -> Moment {
        Moment(self.0.saturating_add(seconds).clamp(0, END - 1))
    }

    /// Its day, as `YYYYMMDD`.
    pub(crate) fn day(self) -> [u8; 8] {
        let (year, month, day) = civil_from_days(self.0.div_euclid(DAY));
        let mut digits = [b'0'; 8];
        let mut rest = year * 10_000 + month * 100 + day;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Moment {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Moment(0).plus(i64::try_from(seconds).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(DAY));
        let second = self.0.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
        )
    }
}

/// Days from 1970 to a date of the Gregorian calendar, if there is such a date.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last one.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// The date of a day counted from 1970.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + of_era + i64::from(month <= 2);
    (year, month, day)
}
